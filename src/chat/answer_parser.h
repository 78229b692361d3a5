// SPDX-License-Identifier: Apache-2.0
// Reads a model's answer while it is written: content, reasoning and calls of tools.
//
// Text comes in pieces, cut anywhere, and goes on at once, but for what may still become a marker,
// a call, or white space before one. Arguments stream as JSON text where the notation has JSON, and
// come as a whole where it does not. Nothing is lost: what looks like a call and is none, or calls
// a tool that was not offered, is content. What has begun as a call stays one, even if the answer
// ends within. The texts of special tokens are taken out again, wherever they stand but in calls.
// One answer, one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_delta.h"
#include "chat/marker_set.h"
#include "chat/tool_notation.h"
#include "chat/tool_table.h"

namespace redknot::chat {

struct ParserOptions {
  AnswerStyle style{};              // answer_style() of the chat template
  std::vector<AnswerTool> tools{};  // those that may be called; none: calls are not looked for
  std::string prompt_end{};         // the rendered prompt, or at least its last 64 bytes
  std::shared_ptr<const MarkerSet> special{};  // null: there are none to take out
  std::uint64_t seed = 0;                      // of made identifiers; 0: by chance
};

class AnswerParser {
 public:
  explicit AnswerParser(const ParserOptions& options);
  AnswerParser(AnswerParser&&) noexcept;
  AnswerParser& operator=(AnswerParser&&) noexcept;
  ~AnswerParser();

  // What the next piece of the answer's text tells. Characters stay whole if the pieces' are.
  AnswerDelta read(std::string_view piece);
  // The answer has ended. Call once, and read() no more.
  AnswerDelta finish();
  int calls() const;  // begun so far

  class Reader;  // the library's own

 private:
  std::unique_ptr<Reader> reader_;
};

// What is to be taken out, of the texts of a tokenizer's special tokens (special_texts.h).
std::shared_ptr<const MarkerSet> special_markers(std::vector<std::string> special_texts);

}  // namespace redknot::chat
