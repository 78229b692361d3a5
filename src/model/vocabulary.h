// SPDX-License-Identifier: Apache-2.0
// A tokenizer as it stands in a model file: data only, for text/tokenizer.h to act on. Filled from
// GGUF metadata or from tokenizer.json, and checked there: every id is in range.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace redknot {

enum class TokenId : std::int32_t {};

enum class TokenizerKind {
  kNone,           // the file has none: only token ids can be fed
  kByteLevelBpe,   // GGUF "gpt2"
  kSentencePiece,  // GGUF "llama": merges chosen by score, byte fallback
  kRankedPieces,   // tokenizer.json in the form of Hugging Face's Llama converter: SentencePiece
                   // alphabet, merges by rank
};

enum class TokenKind : std::uint8_t { kNormal, kUnknown, kControl, kUserDefined, kUnused, kByte };

struct VocabularyToken {
  std::string text;  // as stored: byte-level BPE in its printable alphabet, others with U+2581
  float score = 0.0f;
  TokenKind kind = TokenKind::kNormal;
  // tokenizer.json's added tokens may swallow the white space beside them.
  bool strip_left = false;
  bool strip_right = false;
};

struct Vocabulary {
  TokenizerKind kind = TokenizerKind::kNone;
  std::string pre_tokenizer;  // GGUF tokenizer.ggml.pre: "llama-bpe", "qwen2", ...
  std::vector<VocabularyToken> tokens;
  std::vector<std::pair<std::string, std::string>> merges;  // best first
  std::optional<TokenId> bos, eos, unknown, padding;
  std::vector<TokenId> end_of_generation;  // eos, end of turn, ...; sorted
  bool add_bos = false;
  bool add_eos = false;
  bool add_space_prefix = false;  // SentencePiece
  // tokenizer.json's Metaspace puts no prefix before a space, and may put one only where the text
  // begins, not after special tokens.
  bool prefix_unless_space = false;
  bool prefix_at_start_only = false;
  bool ignore_merges = false;  // a word that is itself a token is taken whole
  // tokenizer.json may carry its own expressions; then they are used instead of pre_tokenizer's.
  std::vector<std::string> split_expressions;
  std::string chat_template;  // Jinja source; empty if the file has none
};

}  // namespace redknot
