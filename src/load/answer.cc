// SPDX-License-Identifier: Apache-2.0
#include "load/answer.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <queue>
#include <utility>

#include "base/json_fields.h"

namespace redknot::load {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostCauseBytes = 300;

// A count of tokens; 0 for anything that is none.
int count(const Json& value) {
  if (!value.is_number_integer()) return 0;
  if (value.is_number_unsigned()) {
    return static_cast<int>(
        std::min<std::uint64_t>(value.get<std::uint64_t>(), std::numeric_limits<int>::max()));
  }
  return static_cast<int>(
      std::clamp<std::int64_t>(value.get<std::int64_t>(), 0, std::numeric_limits<int>::max()));
}

void append_if_text(std::string& out, const Json& value) {
  if (value.is_string()) out += value.get_ref<const std::string&>();
}

// The text of a chunk of a chat or of a completion: whatever the model wrote.
std::string chunk_text(const Json& choice) {
  std::string out;
  const Json& delta = member_of(choice, "delta");
  append_if_text(out, member_of(choice, "text"));
  append_if_text(out, member_of(delta, "reasoning_content"));
  append_if_text(out, member_of(delta, "content"));
  const Json& calls = member_of(delta, "tool_calls");
  if (calls.is_array()) {
    for (const Json& call : calls) {
      append_if_text(out, member_of(member_of(call, "function"), "name"));
      append_if_text(out, member_of(member_of(call, "function"), "arguments"));
    }
  }
  return out;
}

// Tokens that the chunk's log-probabilities list; 0 if it has none.
int listed_tokens(const Json& choice) {
  const Json& logprobs = member_of(choice, "logprobs");
  const Json& content = member_of(logprobs, "content");
  const Json& list = content.is_array() ? content : member_of(logprobs, "tokens");
  return list.is_array() ? static_cast<int>(list.size()) : 0;
}

void take_usage(const Json& usage, Answer& answer) {
  if (!usage.is_object()) return;
  answer.has_usage = true;
  answer.prompt_tokens = count(member_of(usage, "prompt_tokens"));
  answer.output_tokens = count(member_of(usage, "completion_tokens"));
  answer.cached_tokens =
      count(member_of(member_of(usage, "prompt_tokens_details"), "cached_tokens"));
  const Json& reuse = member_of(usage, "redknot");
  if (!reuse.is_object()) return;
  answer.has_reuse = true;
  answer.reuse = {.exact_tokens = count(member_of(reuse, "exact_tokens")),
                  .adopted_tokens = count(member_of(reuse, "adopted_tokens")),
                  .recovered_tokens = count(member_of(reuse, "recovered_tokens")),
                  .new_tokens = count(member_of(reuse, "new_tokens"))};
}

std::string beginning(std::string_view text) {
  return std::string(text.substr(0, kMostCauseBytes));
}

}  // namespace

double Answer::mean_itl_s() const {
  int tokens = 0;
  for (std::size_t event = 1; event < events.size(); ++event) tokens += events[event].tokens;
  return tokens == 0 ? 0 : (events.back().at_s - events.front().at_s) / tokens;
}

void AnswerReader::fail(std::string failure, std::string cause) {
  if (!answer_.ok()) return;
  answer_.failure = std::move(failure);
  answer_.cause = std::move(cause);
}

void AnswerReader::take(std::string_view data, double at_s) {
  if (done_ || !answer_.ok()) return;
  if (data == "[DONE]") {
    done_ = true;
    return;
  }
  const Json chunk = Json::parse(data.begin(), data.end(), nullptr, /*allow_exceptions=*/false);
  if (!chunk.is_object()) return fail("malformed stream", beginning(data));
  if (chunk.contains("error")) return fail("error in stream", error_message(data));
  take_usage(member_of(chunk, "usage"), answer_);
  const Json& choices = member_of(chunk, "choices");
  if (!choices.is_array() || choices.empty()) return;
  const Json& choice = choices.front();
  append_if_text(answer_.finish_reason, member_of(choice, "finish_reason"));
  const std::string text = chunk_text(choice);
  int tokens = listed_tokens(choice);
  const bool usage_here = member_of(chunk, "usage").is_object();
  if (usage_here) {
    tokens = static_cast<int>(std::max<std::int64_t>(0, answer_.output_tokens - counted_tokens_));
  }
  if (text.empty() && (tokens == 0 || !answer_.finish_reason.empty())) return;
  events_are_counted_ |= tokens > 0;
  answer_.text += text;
  counted_tokens_ += std::max(tokens, 1);
  answer_.events.push_back(
      {.at_s = at_s, .tokens = std::max(tokens, 1), .text_end = answer_.text.size()});
}

Answer AnswerReader::finish(double end_s) {
  if (!done_) fail("cut short", "the stream ended without [DONE]");
  if (answer_.ok() && answer_.events.empty()) {
    // An answer of nothing is one: its only event is its end.
    answer_.events.push_back({.at_s = end_s, .tokens = 0});
  }
  answer_.end_s = end_s;
  if (!answer_.has_usage) answer_.output_tokens = static_cast<int>(counted_tokens_);
  if (!events_are_counted_) spread_tokens(answer_.events, answer_.output_tokens);
  return std::move(answer_);
}

void spread_tokens(std::vector<AnswerEvent>& events, int tokens) {
  std::int64_t missing = tokens;
  for (const AnswerEvent& event : events) missing -= event.tokens;
  if (missing <= 0 || events.empty()) return;
  const auto bytes_per_token = [&events](std::size_t event) {
    const std::size_t start = event == 0 ? 0 : events[event - 1].text_end;
    return static_cast<double>(events[event].text_end - start) / (events[event].tokens + 1);
  };
  std::priority_queue<std::pair<double, std::size_t>> fullest;
  for (std::size_t event = 0; event < events.size(); ++event) {
    fullest.emplace(bytes_per_token(event), event);
  }
  // A broken server may count billions; what it can be right about is bounded by the bytes.
  missing = std::min<std::int64_t>(missing, 16 * static_cast<std::int64_t>(events.size()) +
                                                static_cast<std::int64_t>(events.back().text_end));
  for (; missing > 0; --missing) {
    const std::size_t event = fullest.top().second;
    fullest.pop();
    ++events[event].tokens;
    fullest.emplace(bytes_per_token(event), event);
  }
}

std::string error_message(std::string_view body) {
  const Json object = Json::parse(body.begin(), body.end(), nullptr, /*allow_exceptions=*/false);
  const Json& error = member_of(object, "error");
  std::string message;
  append_if_text(message, error.is_string() ? error : member_of(error, "message"));
  return message.empty() ? beginning(body) : message;
}

}  // namespace redknot::load
