// SPDX-License-Identifier: Apache-2.0
#include "eval/generate_answers.h"

#include <algorithm>
#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

Result<std::string> read_answer(Generation& generation) {
  std::string text;
  FinishReason finish = FinishReason::kNone;
  while (const std::optional<Piece> piece = generation.next()) {
    text += piece->text;
    finish = piece->finish;
  }
  if (finish != FinishReason::kError) return std::string(trimmed(text));
  return generation.error() ? *generation.error() : io_error("the engine gave no reason");
}

// As parts only where they may be reused: cut text may have other tokens.
Request request_of(const Question& question, const GenerateOptions& options) {
  const bool parts = options.reuse == Reuse::kSegment && !question.pieces.empty();
  Request request = parts ? make_request(options.format, question.pieces)
                          : make_request(options.format, question.prompt);
  request.reuse = options.reuse;
  request.canonical_context = options.canonical_context;
  request.recovery = options.recovery;
  return request;
}

}  // namespace

Result<std::vector<std::string>> generate_answers(Engine& engine,
                                                  std::span<const Question> questions,
                                                  const GenerateOptions& options) {
  REDKNOT_CHECK(options.at_once > 0);
  std::vector<std::string> answers;
  std::deque<Generation> running;
  std::size_t next = 0;
  while (answers.size() < questions.size()) {
    while (next < questions.size() && running.size() < static_cast<std::size_t>(options.at_once)) {
      auto generation = engine.generate(request_of(questions[next], options));
      if (!generation.ok()) return generation.error().within(concat("ask question ", next + 1));
      running.push_back(std::move(*generation));
      ++next;
    }
    auto answer = read_answer(running.front());
    if (!answer.ok()) return answer.error().within(concat("ask question ", answers.size() + 1));
    running.pop_front();
    answers.push_back(std::move(*answer));
    if (options.on_answer) options.on_answer(questions[answers.size() - 1]);
  }
  return answers;
}

}  // namespace redknot::eval
