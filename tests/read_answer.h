// SPDX-License-Identifier: Apache-2.0
// For tests: whole answers through the parser, in one piece, cut in two anywhere, and byte by byte.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_parser.h"

namespace redknot::tests {

struct ReadCall {
  std::string id{}, name{}, arguments{};
};
struct ReadAnswer {
  std::string content{}, reasoning{};
  std::vector<ReadCall> calls{};
  std::string problem{};  // deltas that no client could make sense of
};

inline void add_delta(const chat::AnswerDelta& delta, ReadAnswer& answer) {
  answer.content += delta.content;
  answer.reasoning += delta.reasoning;
  for (const chat::ToolCallDelta& call : delta.calls) {
    const auto index = static_cast<std::size_t>(call.index);
    if (index == answer.calls.size() && !call.name.empty() && !call.id.empty()) {
      answer.calls.push_back({.id = call.id, .name = call.name, .arguments = call.arguments});
    } else if (index + 1 == answer.calls.size() && call.name.empty() && call.id.empty()) {
      answer.calls.back().arguments += call.arguments;
    } else {
      answer.problem = "a delta of call " + std::to_string(index) + " out of order";
    }
  }
}

inline ReadAnswer read_pieces(const chat::ParserOptions& options,
                              const std::vector<std::string_view>& pieces) {
  chat::AnswerParser parser(options);
  ReadAnswer answer;
  for (const std::string_view piece : pieces) add_delta(parser.read(piece), answer);
  add_delta(parser.finish(), answer);
  if (parser.calls() != static_cast<int>(answer.calls.size())) answer.problem = "calls()";
  return answer;
}

inline std::string described(const ReadAnswer& answer) {
  std::string text = "content: " + answer.content + "\nreasoning: " + answer.reasoning + "\n";
  for (const ReadCall& call : answer.calls) {
    text.append(call.id).append(" ").append(call.name).append(call.arguments).append("\n");
  }
  return text + answer.problem;
}

// What the text says however it is cut; a test failure if that is not always the same.
inline ReadAnswer read_answer(chat::ParserOptions options, std::string_view text) {
  options.seed = 1;
  ReadAnswer whole = read_pieces(options, {text});
  const std::string expected = described(whole);
  EXPECT_EQ(whole.problem, "") << text;
  std::vector<std::string_view> bytes;
  bytes.reserve(text.size());
  for (std::size_t at = 0; at < text.size(); ++at) {
    bytes.push_back(text.substr(at, 1));
    const ReadAnswer cut = read_pieces(options, {text.substr(0, at), text.substr(at)});
    EXPECT_EQ(described(cut), expected) << "cut at byte " << at << " of " << text;
  }
  EXPECT_EQ(described(read_pieces(options, bytes)), expected) << "byte by byte: " << text;
  return whole;
}

}  // namespace redknot::tests
