// SPDX-License-Identifier: Apache-2.0
#include "text/byte_level_bpe.h"

#include <utility>

namespace redknot::text {
namespace {

// A file that names a pre-tokenizer is cut as that says; tokenizer.json brings its own expressions,
// perhaps none.
Result<PreTokenizer> pre_tokenizer_of(const Vocabulary& vocabulary) {
  if (!vocabulary.split_expressions.empty() || vocabulary.pre_tokenizer.empty()) {
    return PreTokenizer::from_expressions(vocabulary.split_expressions);
  }
  return PreTokenizer::named(vocabulary.pre_tokenizer);
}

bool comes_from_text(TokenKind kind) {
  return kind == TokenKind::kNormal || kind == TokenKind::kByte;
}

}  // namespace

Result<ByteLevelBpe> ByteLevelBpe::create(const Vocabulary& vocabulary, const TokenTable& table) {
  REDKNOT_TRY(PreTokenizer pre_tokenizer, pre_tokenizer_of(vocabulary));
  ByteLevelBpe bpe(std::move(pre_tokenizer), merge_table(vocabulary, table));
  bpe.byte_tokens_.fill(kNoToken);
  for (int id = table.size() - 1; id >= 0; --id) {
    const TokenId token{id};
    if (!comes_from_text(table.kind(token))) continue;
    const std::string_view bytes = table.bytes(token);
    if (bytes.size() == 1) bpe.byte_tokens_[static_cast<unsigned char>(bytes[0])] = token;
    if (vocabulary.ignore_merges) bpe.whole_words_[bytes] = token;
  }
  return bpe;
}

Status ByteLevelBpe::Session::encode(std::string_view text, std::vector<TokenId>& tokens) {
  REDKNOT_TRY(const auto words, bpe_.pre_tokenizer_.split(text, scratch_));
  for (const std::string_view word : words) {
    if (cache_.append(word, tokens)) continue;
    const std::size_t begin = tokens.size();
    encode_word(word, tokens);
    cache_.add(word, begin, tokens);
  }
  return Done{};
}

void ByteLevelBpe::Session::encode_word(std::string_view word, std::vector<TokenId>& tokens) {
  const auto whole = bpe_.whole_words_.find(word);
  if (whole != bpe_.whole_words_.end()) {
    tokens.push_back(whole->second);
    return;
  }
  symbols_.clear();
  int begin = 0;
  for (const char byte : word) {
    symbols_.add(begin++, 1, bpe_.byte_tokens_[static_cast<unsigned char>(byte)]);
  }
  symbols_.merge([this](const Symbol& left, const Symbol& right) {
    return bpe_.merges_.find(left.token, right.token);
  });
  for (const Symbol& symbol : symbols_.symbols()) {
    if (symbol.length > 0 && symbol.token != kNoToken) tokens.push_back(symbol.token);
  }
}

}  // namespace redknot::text
