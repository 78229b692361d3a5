// SPDX-License-Identifier: Apache-2.0
#include "load/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace redknot::load {

double percentile(const std::vector<double>& sorted, double share) {
  REDKNOT_CHECK(!sorted.empty() && share > 0 && share <= 1);
  // 0.9 * 10 is a little over 9 in floating point, and must not be rank 10.
  const double rank = std::ceil(share * static_cast<double>(sorted.size()) - 1e-9);
  return sorted[static_cast<std::size_t>(std::max(rank, 1.0)) - 1];
}

Summary summarize(std::vector<double> values) {
  Summary out;
  if (values.empty()) return out;
  std::sort(values.begin(), values.end());
  out.count = values.size();
  out.mean = std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(out.count);
  out.p50 = percentile(values, 0.5);
  out.p90 = percentile(values, 0.9);
  out.p99 = percentile(values, 0.99);
  out.max = values.back();
  return out;
}

}  // namespace redknot::load
