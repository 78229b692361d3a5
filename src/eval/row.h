// SPDX-License-Identifier: Apache-2.0
// One row of a suite's result: how well one arm does on one kind of question at one length.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/bootstrap.h"
#include "eval/generate_answers.h"
#include "eval/question.h"

namespace redknot::eval {

// How an arm's answers differ from those of dense attention to the same questions.
struct AgainstDense {
  std::vector<double> more{};       // by question: 1 if right and dense was not, -1 the reverse, 0
  double exact_match = 0;           // share of questions more, -1 to 1
  Interval exact_match_interval{};  // 95 %, by paired bootstrap
  double agreement = 0;             // share of answers that are the same text
  std::optional<PairedMean> gold_log_probability{};  // if all expected answers have one
};

struct Row {
  std::string arm{};  // what is measured: "dense" is attention to everything
  std::string kind{};
  int context_tokens = 0;
  int n = 0;               // questions
  std::string measure{};   // what `partial` is: "f1", or another of corpus::Scoring
  double exact_match = 0;  // share of them, 0 to 1
  double partial = 0;      // mean, 0 to 1
  double contains = 0;     // share of them, 0 to 1
  std::optional<double> gold_log_probability{};  // mean over questions of nats a token
  Interval exact_match_interval{};               // 95 %, by bootstrap
  std::optional<AgainstDense> against_dense{};
};

// Scores the answers to a row's questions (eval/score.h) into its n and everything below. As many
// answers as questions, one at least. `seed` is that of the bootstrap.
Row scored(Row row, std::span<const Question> questions, std::span<const Answer> answers,
           std::uint64_t seed);

// Of as many answers of an arm and of dense attention as questions, one at least.
AgainstDense against_dense(std::span<const Question> questions, std::span<const Answer> answers,
                           std::span<const Answer> dense, std::uint64_t seed);

}  // namespace redknot::eval
