// SPDX-License-Identifier: Apache-2.0
#include "text/sentence_pieces.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/error.h"
#include "base/utf8.h"

namespace redknot::text {
namespace {

// As many bytes as the first one promises, as llama.cpp does: text that is not UTF-8 gives some
// symbols that are no character, and falls back to bytes.
std::size_t symbol_bytes(std::string_view text) {
  return std::min(static_cast<std::size_t>(promised_bytes(text[0])), text.size());
}

// Orders scores: the highest gives the lowest priority. Equal scores, also 0 and -0, stay equal.
std::uint32_t priority_of(float score) {
  if (std::isnan(score)) return UINT32_MAX;
  const auto bits = std::bit_cast<std::uint32_t>(0.0f - score);
  return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
}

// The position of a space mark that follows something else, or npos: where a new word begins.
std::size_t word_border(std::string_view text) {
  std::size_t mark = text.find(kSpaceMark);
  while (mark != std::string_view::npos) {
    const std::string_view before = text.substr(0, mark);
    if (!before.empty() && !before.ends_with(kSpaceMark)) return mark;
    mark = text.find(kSpaceMark, mark + kSpaceMark.size());
  }
  return std::string_view::npos;
}

std::string with_space_marks(std::string_view text, bool prefix) {
  std::string out(prefix ? kSpaceMark : "");
  for (const char character : text) {
    if (character == ' ') {
      out += kSpaceMark;
    } else {
      out += character;
    }
  }
  return out;
}

}  // namespace

SentencePieces::SentencePieces(const Vocabulary& vocabulary, const TokenTable& table)
    : vocabulary_(vocabulary),
      index_(index_by_text(vocabulary, table)),
      ranks_(vocabulary.kind == TokenizerKind::kRankedPieces ? merge_table(vocabulary, table)
                                                             : MergeTable()) {
  byte_tokens_.fill(kNoToken);
  for (const auto& [text, token] : index_) {
    const std::optional<char> byte = byte_token_value(text);
    if (byte) byte_tokens_[static_cast<unsigned char>(*byte)] = token;
  }
  const bool pieces_keep_to_words = std::ranges::none_of(
      index_, [](const auto& entry) { return word_border(entry.first) != std::string_view::npos; });
  const bool all_is_known = std::ranges::find(byte_tokens_, kNoToken) == byte_tokens_.end();
  words_stand_alone_ = pieces_keep_to_words && all_is_known;
}

TokenId SentencePieces::token_of(std::string_view text) const {
  const auto found = index_.find(text);
  return found == index_.end() ? kNoToken : found->second;
}

std::optional<Merge> SentencePieces::merge_of(std::string_view word, const Symbol& left,
                                              const Symbol& right) const {
  if (vocabulary_.kind == TokenizerKind::kRankedPieces) {
    return ranks_.find(left.token, right.token);
  }
  const auto begin = static_cast<std::size_t>(left.begin);
  const TokenId token = token_of(word.substr(
      begin, static_cast<std::size_t>(left.length) + static_cast<std::size_t>(right.length)));
  if (token == kNoToken) return {};
  return Merge{priority_of(vocabulary_.tokens[static_cast<std::size_t>(token)].score), token};
}

std::string_view SentencePieces::first_word(std::string_view text) const {
  return words_stand_alone_ ? text.substr(0, word_border(text)) : text;
}

bool SentencePieces::Session::takes_prefix(std::string_view text) const {
  const Vocabulary& vocabulary = pieces_.vocabulary_;
  const bool spaced = text.starts_with(' ') || text.starts_with(kSpaceMark);
  if (vocabulary.prefix_unless_space && spaced) return false;
  if (vocabulary.prefix_at_start_only && text.data() != whole_.data()) return false;
  return vocabulary.add_space_prefix;
}

Status SentencePieces::Session::encode(std::string_view text, std::vector<TokenId>& tokens) {
  const std::string marked = with_space_marks(text, takes_prefix(text));
  std::string_view rest = marked;
  while (!rest.empty()) {
    const std::string_view word = pieces_.first_word(rest);
    rest.remove_prefix(word.size());
    if (cache_.append(word, tokens)) continue;
    const std::size_t begin = tokens.size();
    REDKNOT_RETURN_IF_ERROR(encode_word(word, tokens));
    cache_.add(word, begin, tokens);
  }
  cache_.clear();  // its words are views of `marked`
  return Done{};
}

Status SentencePieces::Session::encode_word(std::string_view word, std::vector<TokenId>& tokens) {
  symbols_.clear();
  for (std::size_t begin = 0; begin < word.size();) {
    const std::size_t length = symbol_bytes(word.substr(begin));
    symbols_.add(static_cast<int>(begin), static_cast<int>(length),
                 pieces_.token_of(word.substr(begin, length)));
    begin += length;
  }
  symbols_.merge(
      [&](const Symbol& left, const Symbol& right) { return pieces_.merge_of(word, left, right); });
  for (const Symbol& symbol : symbols_.symbols()) {
    if (symbol.length == 0) continue;
    if (symbol.token != kNoToken) {
      tokens.push_back(symbol.token);
    } else {
      REDKNOT_RETURN_IF_ERROR(append_bytes(word.substr(static_cast<std::size_t>(symbol.begin),
                                                       static_cast<std::size_t>(symbol.length)),
                                           tokens));
    }
  }
  return Done{};
}

Status SentencePieces::Session::append_bytes(std::string_view character,
                                             std::vector<TokenId>& tokens) {
  const auto byte_token = [this](char byte) {
    return pieces_.byte_tokens_[static_cast<unsigned char>(byte)];
  };
  const bool has_bytes =
      std::ranges::all_of(character, [&](char byte) { return byte_token(byte) != kNoToken; });
  if (has_bytes) {
    for (const char byte : character) tokens.push_back(byte_token(byte));
    return Done{};
  }
  const std::optional<TokenId> unknown = pieces_.vocabulary_.unknown;
  if (!unknown) return invalid("encode text: no token for \"", character, "\"");
  // One unknown token stands for a run of unknown characters.
  if (tokens.empty() || tokens.back() != *unknown) tokens.push_back(*unknown);
  return Done{};
}

}  // namespace redknot::text
