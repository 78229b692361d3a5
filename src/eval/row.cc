// SPDX-License-Identifier: Apache-2.0
#include "eval/row.h"

#include <cstddef>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "eval/score.h"

namespace redknot::eval {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace

Row scored(Row row, std::span<const Question> questions, std::span<const std::string> answers,
           std::uint64_t seed) {
  REDKNOT_CHECK(!questions.empty() && questions.size() == answers.size());
  std::vector<double> exact, f1;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    exact.push_back(exact_match(answers[i], questions[i].answer) ? 1 : 0);
    f1.push_back(token_f1(answers[i], questions[i].answer));
  }
  row.n = static_cast<int>(questions.size());
  row.exact_match = mean(exact);
  row.f1 = mean(f1);
  row.exact_match_interval = bootstrap_mean(exact, seed).value();
  return row;
}

AgainstDense against_dense(std::span<const Question> questions,
                           std::span<const std::string> answers, std::span<const std::string> dense,
                           std::uint64_t seed) {
  REDKNOT_CHECK(!questions.empty() && questions.size() == answers.size() &&
                questions.size() == dense.size());
  std::vector<double> more, same;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    const int right = exact_match(answers[i], questions[i].answer) ? 1 : 0;
    const int dense_right = exact_match(dense[i], questions[i].answer) ? 1 : 0;
    more.push_back(right - dense_right);
    same.push_back(answers[i] == dense[i] ? 1 : 0);
  }
  AgainstDense out{.exact_match = mean(more),
                   .exact_match_interval = bootstrap_mean(more, seed).value(),
                   .agreement = mean(same)};
  out.more = std::move(more);
  return out;
}

}  // namespace redknot::eval
