// SPDX-License-Identifier: Apache-2.0
#include "eval/row.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "base/check.h"

namespace redknot::eval {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

Row scored(Row row, std::span<const Question> questions, std::span<const Answer> answers,
           std::uint64_t seed) {
  REDKNOT_CHECK(!questions.empty() && questions.size() == answers.size());
  std::vector<double> exact, partial, contains, gold;
  std::vector<corpus::Scoring> scorings;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const Score one = score(questions[i], answers[i].text);
    exact.push_back(one.exact_match);
    partial.push_back(one.partial);
    contains.push_back(one.contains);
    scorings.push_back(questions[i].task.scoring);
    if (answers[i].gold_log_probability) gold.push_back(*answers[i].gold_log_probability);
  }
  row.n = static_cast<int>(questions.size());
  row.measure = measure_of(scorings);
  row.exact_match = mean(exact);
  row.partial = mean(partial);
  row.contains = mean(contains);
  if (!gold.empty()) row.gold_log_probability = mean(gold);
  row.exact_match_interval = bootstrap_mean(exact, seed).value();
  return row;
}

AgainstDense against_dense(std::span<const Question> questions, std::span<const Answer> answers,
                           std::span<const Answer> dense, std::uint64_t seed) {
  REDKNOT_CHECK(!questions.empty() && questions.size() == answers.size() &&
                questions.size() == dense.size());
  std::vector<double> more, same, gold, dense_gold;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (answers[i].gold_log_probability && dense[i].gold_log_probability) {
      gold.push_back(*answers[i].gold_log_probability);
      dense_gold.push_back(*dense[i].gold_log_probability);
    }
    more.push_back(score(questions[i], answers[i].text).exact_match -
                   score(questions[i], dense[i].text).exact_match);
    same.push_back(answers[i].text == dense[i].text ? 1 : 0);
  }
  AgainstDense out{.exact_match = mean(more),
                   .exact_match_interval = bootstrap_mean(more, seed).value(),
                   .agreement = mean(same)};
  out.more = std::move(more);
  if (gold.size() == questions.size()) {
    out.gold_log_probability = paired_mean(gold, dense_gold, seed);
  }
  return out;
}

}  // namespace redknot::eval
