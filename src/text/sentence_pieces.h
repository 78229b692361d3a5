// SPDX-License-Identifier: Apache-2.0
// SentencePiece models: spaces become U+2581, characters are symbols, and neighbours merge by score
// (GGUF "llama") or by rank (tokenizer.json of Hugging Face's Llama converter). What is not a token
// then falls back to its bytes, or to the unknown token. A Tokenizer owns a SentencePieces, which
// is immutable and may be used by many threads, each with its own Session.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"
#include "text/merge.h"
#include "text/token_table.h"
#include "text/word_cache.h"

namespace redknot::text {

class SentencePieces {
 public:
  // The vocabulary and the table must outlive it.
  SentencePieces(const Vocabulary& vocabulary, const TokenTable& table);

  class Session {
   public:
    // `whole` is the text that the texts to encode are parts of.
    Session(const SentencePieces& pieces, std::string_view whole)
        : pieces_(pieces), whole_(whole) {}
    // Appends the tokens of a text without special tokens. kInvalidArgument if it holds a character
    // that the vocabulary has no token, no bytes and no unknown token for.
    Status encode(std::string_view text, std::vector<TokenId>& tokens);

   private:
    bool takes_prefix(std::string_view text) const;
    Status encode_word(std::string_view word, std::vector<TokenId>& tokens);
    Status append_bytes(std::string_view character, std::vector<TokenId>& tokens);

    const SentencePieces& pieces_;
    std::string_view whole_;
    SymbolList symbols_;
    WordCache cache_;
  };

 private:
  TokenId token_of(std::string_view text) const;
  std::optional<Merge> merge_of(std::string_view word, const Symbol& left,
                                const Symbol& right) const;
  std::string_view first_word(std::string_view text) const;

  const Vocabulary& vocabulary_;
  TextIndex index_;
  MergeTable ranks_;  // kRankedPieces only
  std::array<TokenId, 256> byte_tokens_;
  // No token holds a space mark after another character and every byte has a token, so that nothing
  // merges across the border of words, not even unknown tokens, and each can be encoded alone.
  bool words_stand_alone_;
};

}  // namespace redknot::text
