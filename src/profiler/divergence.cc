// SPDX-License-Identifier: Apache-2.0
#include "profiler/divergence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

#include "base/check.h"
#include "profiler/softmax.h"

namespace redknot {
namespace {

// Of kl_interval().
constexpr std::size_t kRun = 16, kLeastRuns = 8;
constexpr double kDeviations99 = 2.58;

// The smallest value that at least `share` of the sorted values do not exceed.
double nearest_rank(const std::vector<float>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

PositionDivergence diverge(const Prediction& dense, std::span<const float> other) {
  REDKNOT_CHECK(dense.logits.size() == other.size() && !other.empty());
  PositionDivergence found{.followed = dense.next >= 0};
  if (!all_finite(dense.logits) || !all_finite(other)) {
    found.kl = std::numeric_limits<float>::infinity();
    found.dense_loss = found.loss_difference = std::numeric_limits<double>::quiet_NaN();
    return found;
  }
  const double log_dense = log_sum_exp(dense.logits), log_other = log_sum_exp(other);
  // Rounding may leave a little less than nothing.
  found.kl =
      static_cast<float>(std::max(kl_divergence(dense.logits, log_dense, other, log_other), 0.0));
  found.same_top1 = index_of_largest(dense.logits) == index_of_largest(other);
  if (!found.followed) return found;
  const auto next = static_cast<std::size_t>(dense.next);
  found.dense_loss = log_dense - dense.logits[next];
  found.loss_difference = (log_other - other[next]) - found.dense_loss;
  return found;
}

void DivergenceSum::add(const PositionDivergence& found) {
  kl_.push_back(found.kl);
  same_top1_ += found.same_top1 ? 1 : 0;
  if (!found.followed) return;
  ++followed_;
  dense_loss_ += found.dense_loss;
  loss_difference_ += found.loss_difference;
}

void DivergenceSum::add(const DivergenceSum& more) {
  kl_.insert(kl_.end(), more.kl_.begin(), more.kl_.end());
  same_top1_ += more.same_top1_;
  followed_ += more.followed_;
  dense_loss_ += more.dense_loss_;
  loss_difference_ += more.loss_difference_;
}

KlInterval DivergenceSum::kl_interval() const {
  REDKNOT_CHECK(!kl_.empty());
  std::vector<double> means;
  for (std::size_t first = 0; first + kRun <= kl_.size(); first += kRun) {
    const auto begin = kl_.begin() + static_cast<std::ptrdiff_t>(first);
    means.push_back(std::accumulate(begin, begin + kRun, 0.0) / kRun);
  }
  constexpr double kAll = std::numeric_limits<double>::infinity();
  if (means.size() < kLeastRuns) return {-kAll, kAll};
  const auto count = static_cast<double>(means.size());
  const double mean = std::accumulate(means.begin(), means.end(), 0.0) / count;
  double squares = 0;
  for (const double one : means) squares += (one - mean) * (one - mean);
  const double error = kDeviations99 * std::sqrt(squares / (count * (count - 1)));
  return {mean - error, mean + error};
}

double DivergenceSum::dense_perplexity() const {
  return followed_ == 0 ? 1 : std::exp(dense_loss_ / static_cast<double>(followed_));
}

Divergence DivergenceSum::total() const {
  REDKNOT_CHECK(!kl_.empty());
  std::vector<float> sorted = kl_;
  std::sort(sorted.begin(), sorted.end());
  double sum = 0;
  for (const float kl : sorted) sum += kl;
  const auto count = static_cast<double>(sorted.size());
  return {.positions = static_cast<std::int64_t>(sorted.size()),
          .kl_mean = sum / count,
          .kl_p99 = nearest_rank(sorted, 0.99),
          .kl_p999 = nearest_rank(sorted, 0.999),
          .same_top1 = static_cast<double>(same_top1_) / count,
          .perplexity_ratio =
              followed_ == 0 ? 1 : std::exp(loss_difference_ / static_cast<double>(followed_))};
}

}  // namespace redknot
