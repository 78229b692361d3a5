// SPDX-License-Identifier: Apache-2.0
// A Detokenizer turns tokens into text, one token at a time, for streaming.
//
// A token may end inside a character; its first bytes then wait for the rest, and the detokenizer
// owns them. Bytes that can no longer become a character are U+FFFD. The step loop has one for each
// answer; Tokenizer::decode makes one for a call. It belongs to one thread at a time; the tokenizer
// must outlive it.
#pragma once

#include <string>
#include <string_view>

#include "text/tokenizer.h"

namespace redknot::text {

struct DetokenizeOptions {
  bool show_special = false;
  // The tokens begin a text, they do not continue one. SentencePiece puts a space before a text, so
  // one leading space of the first token is not shown. A BOS that is not shown does not count.
  bool begins_text = true;
};

// The bytes that each next token adds to a text.
class TokenBytes {
 public:
  TokenBytes(const Tokenizer& tokenizer, DetokenizeOptions options);
  // Requires tokenizer.contains(token). Valid as long as the tokenizer.
  std::string_view next(TokenId token);

 private:
  const Tokenizer& tokenizer_;
  bool show_special_;
  bool drop_space_;
};

class Detokenizer {
 public:
  explicit Detokenizer(const Tokenizer& tokenizer, DetokenizeOptions options = {});

  // The characters that are complete with this token: valid UTF-8, perhaps empty.
  // Requires tokenizer.contains(token).
  std::string push(TokenId token);
  // What still waits, as U+FFFD: no more tokens come.
  std::string flush();

 private:
  TokenBytes bytes_;
  std::string waiting_;  // the beginning of a character, at most 3 bytes
};

}  // namespace redknot::text
