// SPDX-License-Identifier: Apache-2.0
#include "eval/generate_answers.h"

#include <cstddef>
#include <deque>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "eval/likelihood.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

struct Asked {
  Generation answer;
  std::optional<Generation> gold{};
};

Result<Asked> ask(Engine& engine, const Question& question, bool likelihood) {
  Request request = request_of(question);
  if (likelihood && !question.gold.empty()) {
    request.prompt = as_one_part(question);
    request.reuse = Reuse::kSegment;
  }
  REDKNOT_TRY(Generation answer, engine.generate(std::move(request)));
  Asked asked{.answer = std::move(answer)};
  if (likelihood && !question.gold.empty()) {
    REDKNOT_TRY(asked.gold, engine.generate(predicting(as_one_part(question), question.gold)));
  }
  return asked;
}

Result<Answer> read_answer(Asked asked, const Question& question, const Stop& stop) {
  REDKNOT_TRY(const Outcome outcome, finish(std::move(asked.answer), stop));
  Answer answer{.text = std::string(trimmed(outcome.text))};
  if (!asked.gold) return answer;
  const std::size_t tokens = question.gold.size();
  REDKNOT_TRY(Outcome gold, finish(std::move(*asked.gold), stop, tokens));
  normalise_rows(gold.logits, gold.logits.size() / tokens);
  answer.gold_log_probability = mean_log_probability(gold.logits, question.gold);
  return answer;
}

}  // namespace

Result<std::vector<Answer>> generate_answers(Engine& engine, std::span<const Question> questions,
                                             const GenerateOptions& options) {
  REDKNOT_CHECK(options.at_once > 0);
  std::vector<Answer> answers;
  std::deque<Asked> running;
  std::size_t next = 0;
  while (answers.size() < questions.size()) {
    while (next < questions.size() && running.size() < static_cast<std::size_t>(options.at_once)) {
      auto asked = ask(engine, questions[next], options.likelihood);
      if (!asked.ok()) return asked.error().within(concat("ask question ", next + 1));
      running.push_back(std::move(*asked));
      ++next;
    }
    const Question& question = questions[answers.size()];
    auto answer = read_answer(std::move(running.front()), question, options.stop);
    if (!answer.ok() && answer.error().code() == ErrorCode::kCancelled) return answers;
    if (!answer.ok()) return answer.error().within(concat("ask question ", answers.size() + 1));
    running.pop_front();
    answers.push_back(std::move(*answer));
    if (options.on_answer) options.on_answer(question, answers.back());
  }
  return answers;
}

}  // namespace redknot::eval
