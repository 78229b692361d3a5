// SPDX-License-Identifier: Apache-2.0
#include "text/token_table.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "base/error.h"
#include "text/byte_alphabet.h"

namespace redknot::text {
namespace {

Status check_id(std::string_view name, TokenId token, std::size_t size) {
  const auto id = static_cast<std::int32_t>(token);
  if (id >= 0 && static_cast<std::size_t>(id) < size) return Done{};
  return corrupt("read vocabulary: ", name, " token ", id, " is not one of ", size);
}

Status check_ids(const Vocabulary& vocabulary) {
  const std::size_t size = vocabulary.tokens.size();
  const auto check = [size](std::string_view name, std::optional<TokenId> token) -> Status {
    return token ? check_id(name, *token, size) : Status(Done{});
  };
  if (size > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max())) {
    return corrupt("read vocabulary: ", size, " tokens are too many");
  }
  REDKNOT_RETURN_IF_ERROR(check("begin-of-sequence", vocabulary.bos));
  REDKNOT_RETURN_IF_ERROR(check("end-of-sequence", vocabulary.eos));
  REDKNOT_RETURN_IF_ERROR(check("unknown", vocabulary.unknown));
  REDKNOT_RETURN_IF_ERROR(check("padding", vocabulary.padding));
  for (const TokenId token : vocabulary.end_of_generation) {
    REDKNOT_RETURN_IF_ERROR(check("end-of-generation", token));
  }
  return Done{};
}

std::string with_spaces(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t mark = std::min(text.find(kSpaceMark), text.size());
    out += text.substr(0, mark);
    if (mark == text.size()) break;
    out += ' ';
    text.remove_prefix(mark + kSpaceMark.size());
  }
  return out;
}

std::string decoded(const std::string& text, TokenKind kind, bool printable_alphabet) {
  if (kind == TokenKind::kUnused) return {};
  const bool encoded = kind == TokenKind::kNormal || kind == TokenKind::kByte;
  if (!encoded) return text;
  if (kind == TokenKind::kByte || !printable_alphabet) {
    if (const std::optional<char> byte = byte_token_value(text)) return std::string(1, *byte);
  }
  if (printable_alphabet) return bytes_from_alphabet(text).value_or(text);
  return with_spaces(text);
}

}  // namespace

std::optional<char> byte_token_value(std::string_view text) {
  if (text.size() != 6 || !text.starts_with("<0x") || text.back() != '>') return {};
  unsigned value = 0;
  const char* end = text.data() + 5;
  const auto parsed = std::from_chars(text.data() + 3, end, value, 16);
  if (parsed.ec != std::errc() || parsed.ptr != end) return {};
  return static_cast<char>(value);
}

Result<TokenTable> TokenTable::create(const Vocabulary& vocabulary) {
  REDKNOT_RETURN_IF_ERROR(check_ids(vocabulary));
  std::vector<TokenKind> kinds;
  for (const VocabularyToken& token : vocabulary.tokens) kinds.push_back(token.kind);
  for (const TokenId token : vocabulary.end_of_generation) {
    kinds[static_cast<std::size_t>(token)] = TokenKind::kControl;
  }
  TokenTable table;
  const bool printable_alphabet = vocabulary.kind == TokenizerKind::kByteLevelBpe;
  for (std::size_t token = 0; token < kinds.size(); ++token) {
    table.add(kinds[token],
              decoded(vocabulary.tokens[token].text, kinds[token], printable_alphabet));
  }
  return table;
}

void TokenTable::add(TokenKind kind, std::string_view bytes) {
  kinds_.push_back(kind);
  bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
  ends_.push_back(bytes_.size());
}

std::string_view TokenTable::bytes(TokenId token) const {
  const auto index = static_cast<std::size_t>(token);
  const std::size_t begin = index == 0 ? 0 : ends_[index - 1];
  return {bytes_.data() + begin, ends_[index] - begin};
}

TextIndex index_by_text(const Vocabulary& vocabulary, const TokenTable& table) {
  TextIndex index;
  index.reserve(vocabulary.tokens.size());
  for (int id = 0; id < table.size(); ++id) {
    const TokenKind kind = table.kind(TokenId{id});
    const std::string& text = vocabulary.tokens[static_cast<std::size_t>(id)].text;
    const bool from_text = kind != TokenKind::kControl && kind != TokenKind::kUnknown;
    if (from_text && !text.empty()) index.try_emplace(text, TokenId{id});
  }
  return index;
}

}  // namespace redknot::text
