// SPDX-License-Identifier: Apache-2.0
// Small vocabularies of every kind, for tests and fuzzing: complete, so that any bytes can be said.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "model/vocabulary.h"
#include "text/byte_alphabet.h"

namespace redknot::text {

inline TokenId add_token(Vocabulary& vocabulary, std::string_view text, TokenKind kind,
                         float score = 0.0f) {
  vocabulary.tokens.push_back({.text = std::string(text), .score = score, .kind = kind});
  return TokenId{static_cast<int>(vocabulary.tokens.size()) - 1};
}

// 256 bytes, a few merges, then <|end|> (control, EOS), <|start|> (control, BOS) and <tool>
// (user-defined).
inline Vocabulary small_byte_level_vocabulary(std::string_view pre_tokenizer = "gpt-2") {
  Vocabulary vocabulary;
  vocabulary.kind = TokenizerKind::kByteLevelBpe;
  vocabulary.pre_tokenizer = pre_tokenizer;
  for (int byte = 0; byte < 256; ++byte) {
    add_token(vocabulary, to_alphabet(std::string(1, static_cast<char>(byte))), TokenKind::kNormal);
  }
  const std::pair<const char*, const char*> merges[] = {
      {"h", "e"},   {"l", "l"}, {"he", "ll"},     {"hell", "o"},    {" ", "hello"}, {"a", "a"},
      {"aa", "aa"}, {" ", " "}, {"\xc3", "\xa9"}, {"\xf0", "\x9f"}, {"1", "2"},     {"12", "3"}};
  for (const auto& [left, right] : merges) {
    vocabulary.merges.emplace_back(to_alphabet(left), to_alphabet(right));
    add_token(vocabulary, to_alphabet(std::string(left) + right), TokenKind::kNormal);
  }
  vocabulary.eos = add_token(vocabulary, "<|end|>", TokenKind::kControl);
  vocabulary.bos = add_token(vocabulary, "<|start|>", TokenKind::kControl);
  vocabulary.end_of_generation = {*vocabulary.eos};
  add_token(vocabulary, "<tool>", TokenKind::kUserDefined);
  return vocabulary;
}

// <unk>, <s> (BOS), </s> (EOS), 256 bytes, and a few pieces whose order by score is their order by
// rank. `kind` is kSentencePiece or kRankedPieces.
inline Vocabulary small_piece_vocabulary(TokenizerKind kind) {
  Vocabulary vocabulary;
  vocabulary.kind = kind;
  vocabulary.add_space_prefix = true;
  vocabulary.add_bos = true;
  vocabulary.unknown = add_token(vocabulary, "<unk>", TokenKind::kUnknown);
  vocabulary.bos = add_token(vocabulary, "<s>", TokenKind::kControl);
  vocabulary.eos = add_token(vocabulary, "</s>", TokenKind::kControl);
  vocabulary.end_of_generation = {*vocabulary.eos};
  for (int byte = 0; byte < 256; ++byte) {
    char text[8];
    std::snprintf(text, sizeof(text), "<0x%02X>", byte);
    add_token(vocabulary, text, TokenKind::kByte);
  }
  float score = 0.0f;
  const std::pair<const char*, const char*> merges[] = {
      {"h", "e"}, {"l", "l"},   {"he", "ll"},         {"hell", "o"},   {"\u2581", "hello"},
      {"a", "a"}, {"aa", "aa"}, {"\u2581", "\u2581"}, {"\u2581", "a"}, {"\u4e00", "\u4e8c"}};
  for (const auto& [left, right] : merges) {
    vocabulary.merges.emplace_back(left, right);
    add_token(vocabulary, std::string(left) + right, TokenKind::kNormal, score -= 1.0f);
  }
  for (const char* character : {"\u2581", "h", "e", "l", "o", "a", "b", "\u4e00", "\u4e8c"}) {
    add_token(vocabulary, character, TokenKind::kNormal, score -= 1.0f);
  }
  return vocabulary;
}

}  // namespace redknot::text
