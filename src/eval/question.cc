// SPDX-License-Identifier: Apache-2.0
#include "eval/question.h"

#include <algorithm>

#include "eval/white_space.h"

namespace redknot::eval {

Request request_of(const Question& question) {
  Request request{.prompt = question.prompt, .reuse = Reuse::kNone};
  request.max_tokens = question.task.answer_tokens;
  request.sampling.temperature = 0;
  request.stop = question.stop;
  request.constraint = question.constraint;
  return request;
}

int whole_tokens(const Question& question) {
  const int gold = static_cast<int>(question.gold.size() + question.gold_end.size());
  return question.prompt_tokens + std::max(question.task.answer_tokens, gold);
}

Score score(const Question& question, std::string_view given) {
  return score(question.task.scoring, question.task.answers, trimmed(given));
}

std::string measure_of(const std::vector<corpus::Scoring>& scorings) {
  const bool one = std::all_of(scorings.begin(), scorings.end(),
                               [&](corpus::Scoring other) { return other == scorings.front(); });
  return !scorings.empty() && one ? std::string(name_of(scorings.front())) : "partial";
}

}  // namespace redknot::eval
