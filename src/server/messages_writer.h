// SPDX-License-Identifier: Apache-2.0
// Answers in Anthropic's dialect: whole, and as events of a stream.
//
// A stream is begin(), deltas and end(); ping() anywhere between. Blocks open and close as content,
// reasoning and calls follow each other. Usage: input_tokens are those that were not at hand,
// cache_read_input_tokens those that were, exactly; "redknot" has the rest.
//
// A MessagesWriter belongs to the ReplyWriter of one request, which calls it on the strand of its
// connection. It returns bytes and sends nothing itself.
#pragma once

#include <optional>
#include <string>

#include "chat/answer_delta.h"
#include "redknot/redknot.h"
#include "server/answer_text.h"
#include "server/api_error.h"

namespace redknot::server {

// One answer; one thread at a time.
class MessagesWriter {
 public:
  // Without show_reasoning it is left out.
  MessagesWriter(AnswerHead head, bool show_reasoning);

  std::string whole(const WholeAnswer& answer, const Usage& usage) const;

  // `usage` as far as it is known: message_delta has the last word.
  std::string begin(const Usage& usage) const;
  // The events of a delta; nothing if it says nothing.
  std::string delta(const chat::AnswerDelta& delta);
  std::string end(chat::AnswerEnd end, const std::string& stopped_by, const Usage& usage);
  static std::string ping();
  static std::string error(const ApiError& error, const std::string& request_id);

 private:
  enum class Block { kNone, kThinking, kText, kToolUse };

  std::string open(Block block, int call, const Json& content);
  std::string close();
  std::string block_delta(const Json& delta) const;
  std::string call_delta(const chat::ToolCallDelta& call);

  AnswerHead head_;
  bool show_reasoning_;
  Block block_ = Block::kNone;  // that is open
  int call_ = -1;               // of kToolUse
  int index_ = -1;              // of the block that was opened last
};

}  // namespace redknot::server
