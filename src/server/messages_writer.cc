// SPDX-License-Identifier: Apache-2.0
#include "server/messages_writer.h"

#include <utility>

#include "base/error.h"

namespace redknot::server {
namespace {

const char* stop_reason(chat::AnswerEnd end) {
  switch (end) {
    case chat::AnswerEnd::kLength:
      return "max_tokens";
    case chat::AnswerEnd::kStopSequence:
      return "stop_sequence";
    case chat::AnswerEnd::kToolCalls:
      return "tool_use";
    case chat::AnswerEnd::kStop:
      break;
  }
  return "end_turn";
}

Json usage_json(const Usage& usage, int output_tokens) {
  return {{"input_tokens", usage.prompt_tokens - usage.prefix_tokens},
          {"cache_creation_input_tokens", 0},
          {"cache_read_input_tokens", usage.prefix_tokens},
          {"output_tokens", output_tokens},
          {"redknot", reuse_json(usage)}};
}

Json stop_sequence(chat::AnswerEnd end, const std::string& stopped_by) {
  return end == chat::AnswerEnd::kStopSequence ? Json(stopped_by) : Json();
}

Json envelope(const AnswerHead& head) {
  return {{"id", head.id},           {"type", "message"},        {"role", "assistant"},
          {"model", head.model},     {"content", Json::array()}, {"stop_reason", nullptr},
          {"stop_sequence", nullptr}};
}

// Arguments are an object in this dialect. What was cut off in the middle is none.
Json parsed_arguments(const std::string& arguments) {
  Read<Json> json = parse_json(arguments);
  return json.ok() && (*json).is_object() ? std::move(*json) : Json::object();
}

}  // namespace

MessagesWriter::MessagesWriter(AnswerHead head, bool show_reasoning)
    : head_(std::move(head)), show_reasoning_(show_reasoning) {}

std::string MessagesWriter::whole(const WholeAnswer& answer, const Usage& usage) const {
  Json out = envelope(head_);
  Json& content = out["content"];
  const chat::AnswerDelta& delta = answer.delta;
  if (show_reasoning_ && !delta.reasoning.empty()) {
    content.push_back({{"type", "thinking"}, {"thinking", delta.reasoning}, {"signature", ""}});
  }
  if (!delta.content.empty()) {
    content.push_back({{"type", "text"}, {"text", delta.content}});
  }
  for (const chat::ToolCallDelta& call : delta.calls) {
    content.push_back({{"type", "tool_use"},
                       {"id", call.id},
                       {"name", call.name},
                       {"input", parsed_arguments(call.arguments)}});
  }
  out["stop_reason"] = stop_reason(answer.end);
  out["stop_sequence"] = stop_sequence(answer.end, answer.stopped_by);
  out["usage"] = usage_json(usage, usage.generated_tokens);
  return dump_json(out);
}

std::string MessagesWriter::begin(const Usage& usage) const {
  Json message = envelope(head_);
  message["usage"] = usage_json(usage, usage.generated_tokens);
  return sse("message_start", {{"type", "message_start"}, {"message", std::move(message)}});
}

std::string MessagesWriter::open(Block block, int call, const Json& content) {
  if (block_ == block && call_ == call) return {};
  std::string out = close();
  block_ = block;
  call_ = call;
  ++index_;
  return out +
         sse("content_block_start",
             {{"type", "content_block_start"}, {"index", index_}, {"content_block", content}});
}

std::string MessagesWriter::close() {
  if (block_ == Block::kNone) return {};
  std::string out;
  // Clients send thinking back with its signature; there is none to check here.
  if (block_ == Block::kThinking) {
    out = block_delta({{"type", "signature_delta"}, {"signature", ""}});
  }
  block_ = Block::kNone;
  call_ = -1;
  return out + sse("content_block_stop", {{"type", "content_block_stop"}, {"index", index_}});
}

std::string MessagesWriter::block_delta(const Json& delta) const {
  return sse("content_block_delta",
             {{"type", "content_block_delta"}, {"index", index_}, {"delta", delta}});
}

std::string MessagesWriter::call_delta(const chat::ToolCallDelta& call) {
  std::string out =
      open(Block::kToolUse, call.index,
           {{"type", "tool_use"}, {"id", call.id}, {"name", call.name}, {"input", Json::object()}});
  if (call.arguments.empty()) return out;
  return out + block_delta({{"type", "input_json_delta"}, {"partial_json", call.arguments}});
}

std::string MessagesWriter::delta(const chat::AnswerDelta& delta) {
  std::string out;
  if (show_reasoning_ && !delta.reasoning.empty()) {
    out += open(Block::kThinking, -1, {{"type", "thinking"}, {"thinking", ""}, {"signature", ""}});
    out += block_delta({{"type", "thinking_delta"}, {"thinking", delta.reasoning}});
  }
  if (!delta.content.empty()) {
    out += open(Block::kText, -1, {{"type", "text"}, {"text", ""}});
    out += block_delta({{"type", "text_delta"}, {"text", delta.content}});
  }
  for (const chat::ToolCallDelta& call : delta.calls) out += call_delta(call);
  return out;
}

std::string MessagesWriter::end(chat::AnswerEnd end, const std::string& stopped_by,
                                const Usage& usage) {
  std::string out = close();
  out +=
      sse("message_delta",
          {{"type", "message_delta"},
           {"delta",
            {{"stop_reason", stop_reason(end)}, {"stop_sequence", stop_sequence(end, stopped_by)}}},
           {"usage", usage_json(usage, usage.generated_tokens)}});
  return out + sse("message_stop", {{"type", "message_stop"}});
}

std::string MessagesWriter::ping() { return sse("ping", {{"type", "ping"}}); }

std::string MessagesWriter::error(const ApiError& error, const std::string& request_id) {
  return concat("event: error\ndata: ", anthropic_error_body(error, request_id), "\n\n");
}

}  // namespace redknot::server
