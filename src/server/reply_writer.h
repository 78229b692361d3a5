// SPDX-License-Identifier: Apache-2.0
// What a reply is written with, whatever its dialect.
//
// A stream is begin(), deltas and an end for each choice in any order, and finish(). start_request
// chooses the writer by the route; the ResponseSender of the request owns it and is its only
// caller, one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "chat/chat_request.h"
#include "server/answer_text.h"
#include "server/api_error.h"
#include "server/completion_request.h"

namespace redknot::server {

class ReplyWriter {
 public:
  virtual ~ReplyWriter() = default;

  virtual std::string begin(const Usage& usage) = 0;
  // Nothing if the delta says nothing.
  virtual std::string delta(int choice, const chat::AnswerDelta& delta,
                            std::span<const chat::TokenLogprobs> tokens) = 0;
  virtual std::string end(int choice, chat::AnswerEnd end, const std::string& stopped_by) = 0;
  virtual std::string finish(const Usage& usage) = 0;
  // In place of what would have followed; ends the stream.
  virtual std::string error(const ApiError& error) = 0;
  virtual std::string ping() = 0;  // tells the client that we are still there

  virtual std::string whole(std::span<const WholeAnswer> choices, const Usage& usage) = 0;
};

std::unique_ptr<ReplyWriter> chat_writer(AnswerHead head, const chat::ChatRequest& request);
std::unique_ptr<ReplyWriter> completion_writer(AnswerHead head, const CompletionRequest& request);
std::unique_ptr<ReplyWriter> messages_writer(AnswerHead head, const chat::ChatRequest& request,
                                             const std::string& request_id);

}  // namespace redknot::server
