// SPDX-License-Identifier: Apache-2.0
#include "profiler/divergence.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

#include "base/check.h"

namespace redknot {
namespace {

std::size_t top(std::span<const float> logits) {
  return static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
}

double log_of_sum(std::span<const float> logits) {
  const double most = logits[top(logits)];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

double divergence(std::span<const float> p, double log_p, std::span<const float> q, double log_q) {
  double kl = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double at = p[i] - log_p;
    kl += std::exp(at) * (at - (q[i] - log_q));
  }
  // Rounding may leave a little less than nothing.
  return std::isnan(kl) ? std::numeric_limits<double>::infinity() : std::max(kl, 0.0);
}

// The smallest value that at least `share` of the sorted values do not exceed.
double nearest_rank(const std::vector<float>& sorted, double share) {
  const auto rank = static_cast<std::size_t>(std::ceil(share * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

}  // namespace

void DivergenceSum::add(const Prediction& dense, std::span<const float> other) {
  REDKNOT_CHECK(dense.logits.size() == other.size() && !other.empty());
  const double log_dense = log_of_sum(dense.logits);
  const double log_other = log_of_sum(other);
  kl_.push_back(static_cast<float>(divergence(dense.logits, log_dense, other, log_other)));
  same_top1_ += top(dense.logits) == top(other) ? 1 : 0;
  if (dense.next < 0) return;
  const auto next = static_cast<std::size_t>(dense.next);
  ++followed_;
  dense_loss_ += log_dense - dense.logits[next];
  loss_difference_ += (log_other - other[next]) - (log_dense - dense.logits[next]);
}

void DivergenceSum::add(const DivergenceSum& more) {
  kl_.insert(kl_.end(), more.kl_.begin(), more.kl_.end());
  same_top1_ += more.same_top1_;
  followed_ += more.followed_;
  dense_loss_ += more.dense_loss_;
  loss_difference_ += more.loss_difference_;
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
