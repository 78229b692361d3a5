// SPDX-License-Identifier: Apache-2.0
#include "server/openai_writers.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/utf8.h"

namespace redknot::server {
namespace {

Json usage_json(const Usage& usage) {
  return {{"prompt_tokens", usage.prompt_tokens},
          {"completion_tokens", usage.generated_tokens},
          {"total_tokens", usage.prompt_tokens + usage.generated_tokens},
          {"prompt_tokens_details", {{"cached_tokens", usage.prefix_tokens}}},
          {"redknot", reuse_json(usage)}};
}

// A token's bytes may be a part of a character: "bytes" has them as they are.
Json token_json(const TokenProbability& token) {
  Json bytes = Json::array();
  for (const char byte : token.text) bytes.push_back(static_cast<unsigned char>(byte));
  return {{"token", token.text},
          {"logprob", finite_logprob(token.log_probability)},
          {"bytes", std::move(bytes)}};
}

Json chat_logprobs(std::span<const chat::TokenLogprobs> tokens) {
  Json content = Json::array();
  for (const chat::TokenLogprobs& token : tokens) {
    Json entry = token_json(token.token);
    Json top = Json::array();
    for (const TokenProbability& other : token.top) top.push_back(token_json(other));
    entry["top_logprobs"] = std::move(top);
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

Json whole_message(const chat::AnswerDelta& delta) {
  Json message = {{"role", "assistant"}, {"content", delta.content}, {"refusal", nullptr}};
  if (delta.content.empty() && !delta.calls.empty()) message["content"] = nullptr;
  if (!delta.reasoning.empty()) message["reasoning_content"] = delta.reasoning;
  if (delta.calls.empty()) return message;
  Json calls = Json::array();
  for (const chat::ToolCallDelta& call : delta.calls) {
    calls.push_back({{"id", call.id},
                     {"type", "function"},
                     {"function", {{"name", call.name}, {"arguments", call.arguments}}}});
  }
  message["tool_calls"] = std::move(calls);
  return message;
}

Json delta_json(const chat::AnswerDelta& delta) {
  Json out = Json::object();
  if (!delta.content.empty()) out["content"] = delta.content;
  if (!delta.reasoning.empty()) out["reasoning_content"] = delta.reasoning;
  if (delta.calls.empty()) return out;
  Json calls = Json::array();
  for (const chat::ToolCallDelta& call : delta.calls) {
    Json entry = {{"index", call.index}};
    Json function = Json::object();
    if (!call.id.empty()) {
      entry["id"] = call.id;
      entry["type"] = "function";
    }
    if (!call.name.empty()) function["name"] = call.name;
    function["arguments"] = call.arguments;
    entry["function"] = std::move(function);
    calls.push_back(std::move(entry));
  }
  out["tool_calls"] = std::move(calls);
  return out;
}

int characters_in(std::string_view text) {
  return static_cast<int>(
      std::count_if(text.begin(), text.end(), [](char c) { return !is_continuation(c); }));
}

// `offset` is where the first token's text begins; that behind the last comes out.
Json completion_logprobs(std::span<const chat::TokenLogprobs> tokens, int& offset) {
  Json texts = Json::array(), values = Json::array(), tops = Json::array();
  Json offsets = Json::array();
  for (const chat::TokenLogprobs& token : tokens) {
    texts.push_back(token.token.text);
    values.push_back(finite_logprob(token.token.log_probability));
    Json top = Json::object();
    for (const TokenProbability& other : token.top) {
      top[other.text] = finite_logprob(other.log_probability);
    }
    tops.push_back(std::move(top));
    offsets.push_back(offset);
    offset += characters_in(token.token.text);
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(values)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

Json completion_choice(int choice, std::string_view text, Json logprobs, Json finish) {
  return {{"index", choice},
          {"text", text},
          {"logprobs", std::move(logprobs)},
          {"finish_reason", std::move(finish)}};
}

}  // namespace

const char* finish_reason(chat::AnswerEnd end) {
  switch (end) {
    case chat::AnswerEnd::kLength:
      return "length";
    case chat::AnswerEnd::kToolCalls:
      return "tool_calls";
    case chat::AnswerEnd::kStop:
    case chat::AnswerEnd::kStopSequence:
      break;
  }
  return "stop";
}

std::string openai_error_chunk(const ApiError& error) {
  return "data: " + openai_error_body(error) + "\n\n";
}

ChatWriter::ChatWriter(AnswerHead head, bool logprobs, bool include_usage)
    : head_(std::move(head)), logprobs_(logprobs), include_usage_(include_usage) {}

std::string ChatWriter::whole(std::span<const WholeAnswer> choices, const Usage& usage) const {
  Json out = {{"id", head_.id},
              {"object", "chat.completion"},
              {"created", head_.created},
              {"model", head_.model}};
  Json list = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const WholeAnswer& answer = choices[i];
    list.push_back({{"index", i},
                    {"message", whole_message(answer.delta)},
                    {"logprobs", logprobs_ ? chat_logprobs(answer.logprobs) : Json()},
                    {"finish_reason", finish_reason(answer.end)}});
  }
  out["choices"] = std::move(list);
  out["usage"] = usage_json(usage);
  return dump_json(out);
}

Json ChatWriter::chunk() const {
  return {{"id", head_.id},
          {"object", "chat.completion.chunk"},
          {"created", head_.created},
          {"model", head_.model},
          {"choices", Json::array()}};
}

std::string ChatWriter::chunk_of(Json choice) const {
  Json out = chunk();
  out["choices"].push_back(std::move(choice));
  if (include_usage_) out["usage"] = nullptr;
  return sse(out);
}

std::string ChatWriter::first_chunk(int choice) const {
  return chunk_of({{"index", choice},
                   {"delta", {{"role", "assistant"}, {"content", ""}}},
                   {"logprobs", nullptr},
                   {"finish_reason", nullptr}});
}

std::string ChatWriter::delta_chunk(int choice, const chat::AnswerDelta& delta,
                                    std::span<const chat::TokenLogprobs> tokens) const {
  const bool has_logprobs = logprobs_ && !tokens.empty();
  if (delta.empty() && !has_logprobs) return {};
  return chunk_of({{"index", choice},
                   {"delta", delta_json(delta)},
                   {"logprobs", has_logprobs ? chat_logprobs(tokens) : Json()},
                   {"finish_reason", nullptr}});
}

std::string ChatWriter::end_chunk(int choice, chat::AnswerEnd end) const {
  return chunk_of({{"index", choice},
                   {"delta", Json::object()},
                   {"logprobs", nullptr},
                   {"finish_reason", finish_reason(end)}});
}

std::string ChatWriter::usage_chunk(const Usage& usage) const {
  Json out = chunk();
  out["usage"] = usage_json(usage);
  return sse(out);
}

CompletionWriter::CompletionWriter(AnswerHead head, bool logprobs, bool include_usage)
    : head_(std::move(head)), logprobs_(logprobs), include_usage_(include_usage) {}

Json CompletionWriter::envelope() const {
  return {{"id", head_.id},
          {"object", "text_completion"},
          {"created", head_.created},
          {"model", head_.model}};
}

std::string CompletionWriter::whole(std::span<const WholeAnswer> choices,
                                    const Usage& usage) const {
  Json list = Json::array();
  for (std::size_t i = 0; i < choices.size(); ++i) {
    const WholeAnswer& answer = choices[i];
    int offset = 0;
    list.push_back(
        completion_choice(static_cast<int>(i), answer.delta.content,
                          logprobs_ ? completion_logprobs(answer.logprobs, offset) : Json(),
                          finish_reason(answer.end)));
  }
  Json out = envelope();
  out["choices"] = std::move(list);
  out["usage"] = usage_json(usage);
  return dump_json(out);
}

Json CompletionWriter::chunk(Json choices) const {
  Json out = envelope();
  out["choices"] = std::move(choices);
  if (include_usage_) out["usage"] = nullptr;
  return out;
}

std::string CompletionWriter::delta_chunk(int choice, std::string_view text,
                                          std::span<const chat::TokenLogprobs> tokens) {
  const bool has_logprobs = logprobs_ && !tokens.empty();
  if (text.empty() && !has_logprobs) return {};
  const auto index = static_cast<std::size_t>(choice);
  if (offsets_.size() <= index) offsets_.resize(index + 1);
  Json logprobs;
  if (has_logprobs) logprobs = completion_logprobs(tokens, offsets_[index]);
  Json choices = Json::array();
  choices.push_back(completion_choice(choice, text, std::move(logprobs), nullptr));
  return sse(chunk(std::move(choices)));
}

std::string CompletionWriter::end_chunk(int choice, chat::AnswerEnd end) const {
  Json choices = Json::array();
  choices.push_back(completion_choice(choice, "", nullptr, finish_reason(end)));
  return sse(chunk(std::move(choices)));
}

std::string CompletionWriter::usage_chunk(const Usage& usage) const {
  Json out = chunk(Json::array());
  out["usage"] = usage_json(usage);
  return sse(out);
}

}  // namespace redknot::server
