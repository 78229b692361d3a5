// SPDX-License-Identifier: Apache-2.0
// A Tokenizer turns text into tokens and back, as llama.cpp and Hugging Face's tokenizers do it,
// over the plain data of a Vocabulary, which it owns.
//
// Encoding goes in three steps: special tokens are cut out of the text (SpecialTokens); what lies
// between them is encoded by the vocabulary's kind (ByteLevelBpe, SentencePieces); BOS and EOS are
// added. Unicode normalisation is not applied. Prompts are encoded on the threads of those who call
// Engine::generate, and answers decoded by the step loop: it is immutable after creation, and const
// methods may be called from any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/vocabulary.h"
#include "redknot/result.h"

namespace redknot::text {

struct EncodeOptions {
  bool add_special = true;     // BOS and EOS where the vocabulary asks for them
  bool parse_special = false;  // the text of control tokens stands for them
};

class Tokenizer {
 public:
  // kUnsupported naming the pre-tokenizer or expression that does not run, or for a vocabulary of
  // kind kNone; kCorrupt if the vocabulary names an id that it does not have.
  static Result<Tokenizer> create(Vocabulary vocabulary);
  Tokenizer(Tokenizer&&) noexcept;
  Tokenizer& operator=(Tokenizer&&) noexcept;
  ~Tokenizer();

  // Any bytes may be encoded. kInvalidArgument if the vocabulary cannot express the text;
  // kResourceExhausted for a text of more than 256 MiB, or one on which a split expression
  // backtracks beyond its limit. O(n log n).
  Result<std::vector<TokenId>> encode(std::string_view text, EncodeOptions options) const;

  // The text of the tokens; special ones are left out unless asked for. It is valid UTF-8 only if
  // the tokens are those of such a text. kInvalidArgument for an id out of range.
  Result<std::string> decode(std::span<const TokenId> tokens, bool show_special) const;

  int size() const;
  bool contains(TokenId token) const;  // 0 <= token < size()

  // What follows requires contains(token).
  std::string_view bytes_of(TokenId token) const;  // valid as long as the tokenizer
  bool is_special(TokenId token) const;            // control or unknown
  bool is_end_of_generation(TokenId token) const;

  const Vocabulary& vocabulary() const;

 private:
  struct State;
  explicit Tokenizer(std::unique_ptr<const State> state);
  std::unique_ptr<const State> state_;
};

}  // namespace redknot::text
