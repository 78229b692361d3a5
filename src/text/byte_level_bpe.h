// SPDX-License-Identifier: Apache-2.0
// Byte-level BPE: text is cut into words by a pre-tokenizer; inside a word bytes are tokens, and
// neighbours merge by rank. Whatever the bytes, the tokens stand for exactly them, unless the
// vocabulary lacks a token for a byte: such a byte is left out, as llama.cpp does (Falcon has none
// for 0x0B). A Tokenizer owns a ByteLevelBpe, which is immutable and may be used by many threads,
// each with its own Session.
#pragma once

#include <array>
#include <string_view>
#include <vector>

#include "redknot/result.h"
#include "text/merge.h"
#include "text/pre_tokenizer.h"
#include "text/token_table.h"
#include "text/word_cache.h"

namespace redknot::text {

class ByteLevelBpe {
 public:
  // Keeps references to the table. kUnsupported for an unknown pre-tokenizer or expression.
  static Result<ByteLevelBpe> create(const Vocabulary& vocabulary, const TokenTable& table);

  // Encodes the parts of one text, all of which must outlive it.
  class Session {
   public:
    explicit Session(const ByteLevelBpe& bpe) : bpe_(bpe) {}
    // Appends the tokens of one part without special tokens. kResourceExhausted if an expression
    // backtracks beyond its limit.
    Status encode(std::string_view text, std::vector<TokenId>& tokens);

   private:
    void encode_word(std::string_view word, std::vector<TokenId>& tokens);

    const ByteLevelBpe& bpe_;
    PreTokenizer::Scratch scratch_;
    SymbolList symbols_;
    WordCache cache_;
  };

 private:
  ByteLevelBpe(PreTokenizer pre_tokenizer, MergeTable merges)
      : pre_tokenizer_(std::move(pre_tokenizer)), merges_(std::move(merges)) {}

  PreTokenizer pre_tokenizer_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_;
  TextIndex whole_words_;  // by bytes; empty unless the vocabulary says ignore_merges
};

}  // namespace redknot::text
