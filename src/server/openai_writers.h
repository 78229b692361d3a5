// SPDX-License-Identifier: Apache-2.0
// Answers in OpenAI's dialect: whole, and as chunks of a stream.
//
// A chunk is the bytes of one server-sent event. A stream is, for each choice, a first chunk (chats
// only), deltas and an end; then usage if the client asked for it; then kStreamEnd. Chunks of
// choices may alternate. An error in the middle is a chunk of its own, and kStreamEnd.
//
// A writer belongs to the ReplyWriter of one request, which calls it on the strand of its
// connection. It returns bytes and sends nothing itself.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_delta.h"
#include "redknot/redknot.h"
#include "server/answer_text.h"
#include "server/api_error.h"

namespace redknot::server {

inline constexpr std::string_view kStreamEnd = "data: [DONE]\n\n";
std::string openai_error_chunk(const ApiError& error);
// "stop", "length" or "tool_calls".
const char* finish_reason(chat::AnswerEnd end);

// Of chat.completion and chat.completion.chunk. Immutable.
class ChatWriter {
 public:
  // With include_usage every chunk has "usage", which is null but in the last.
  ChatWriter(AnswerHead head, bool logprobs, bool include_usage);

  std::string whole(std::span<const WholeAnswer> choices, const Usage& usage) const;

  std::string first_chunk(int choice) const;  // the role
  // `tokens` are those that the text came of; empty text with tokens is a chunk, too. Nothing to
  // say: nothing.
  std::string delta_chunk(int choice, const chat::AnswerDelta& delta,
                          std::span<const chat::TokenLogprobs> tokens) const;
  std::string end_chunk(int choice, chat::AnswerEnd end) const;
  std::string usage_chunk(const Usage& usage) const;

 private:
  Json chunk() const;
  std::string chunk_of(Json choice) const;

  AnswerHead head_;
  bool logprobs_;
  bool include_usage_;
};

// Of text_completion, whole and in chunks. Remembers how far each choice's text has come.
class CompletionWriter {
 public:
  CompletionWriter(AnswerHead head, bool logprobs, bool include_usage);

  std::string whole(std::span<const WholeAnswer> choices, const Usage& usage) const;

  std::string delta_chunk(int choice, std::string_view text,
                          std::span<const chat::TokenLogprobs> tokens);
  std::string end_chunk(int choice, chat::AnswerEnd end) const;
  std::string usage_chunk(const Usage& usage) const;

 private:
  Json envelope() const;
  Json chunk(Json choices) const;

  AnswerHead head_;
  bool logprobs_;
  bool include_usage_;
  std::vector<int> offsets_{};  // by choice: characters written
};

}  // namespace redknot::server
