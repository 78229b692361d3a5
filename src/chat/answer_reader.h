// SPDX-License-Identifier: Apache-2.0
// The two ways in which answers are put together: text with marked calls in it, and channels.
//
// An AnswerParser owns one Reader, which it makes by the notation of the model, and passes it the
// pieces of one answer. Nobody else calls it, and one thread does so at a time.
#pragma once

#include <memory>
#include <string_view>

#include "chat/answer_parser.h"

namespace redknot::chat {

class AnswerParser::Reader {
 public:
  virtual ~Reader() = default;
  virtual void read(std::string_view piece) = 0;
  virtual void finish() = 0;
  virtual AnswerDelta take() = 0;  // what has become known since the last
  virtual int calls() const = 0;
};

std::unique_ptr<AnswerParser::Reader> make_marked_reader(const ParserOptions& options);
// Of kHarmony.
std::unique_ptr<AnswerParser::Reader> make_channel_reader(const ParserOptions& options);

}  // namespace redknot::chat
