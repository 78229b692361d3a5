// SPDX-License-Identifier: Apache-2.0
// Summaries of many measurements. Pure functions.
#pragma once

#include <cstddef>
#include <vector>

namespace redknot::load {

struct Summary {
  std::size_t count = 0;  // 0: the rest means nothing
  double mean = 0;
  double p50 = 0;
  double p90 = 0;
  double p99 = 0;
  double max = 0;
};

// By nearest rank: the least value that `share` of all values do not exceed; always one that was
// measured. Requires sorted values, at least one, and 0 < share <= 1.
double percentile(const std::vector<double>& sorted, double share);

Summary summarize(std::vector<double> values);

}  // namespace redknot::load
