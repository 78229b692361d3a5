// SPDX-License-Identifier: Apache-2.0
// How sure a mean is: the percentile bootstrap (Efron 1979, "Bootstrap Methods: Another Look at the
// Jackknife"). Deterministic: equal values and seed give equal bits on every machine.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace redknot::eval {

struct Interval {
  double low = 0, high = 0;
  bool operator==(const Interval&) const = default;
};

// The 95 % interval of the mean of `values`: of the means of 10,000 samples of as many values,
// drawn with replacement, the 2.5 % and the 97.5 % quantile. For two arms on the same questions,
// give it the differences. Nothing for no values; of values that are all equal it is that value
// twice, which says nothing of values that were not met. O(10,000 n).
std::optional<Interval> bootstrap_mean(std::span<const double> values, std::uint64_t seed);

// A mean, and how far it is from that of dense attention on the same questions, with intervals of
// 95 %.
struct PairedMean {
  double mean = 0;
  Interval interval{};
  double against_dense = 0;
  Interval against_dense_interval{};
};

// Of as many values as dense attention has, one at least. O(10,000 n).
PairedMean paired_mean(std::span<const double> values, std::span<const double> dense,
                       std::uint64_t seed);

// What one unit of a sample adds to a ratio.
struct Share {
  double part = 0, whole = 0;
};

// The same of sum(part) / sum(whole), units being drawn. Requires wholes above 0. O(10,000 n).
std::optional<Interval> bootstrap_ratio(std::span<const Share> shares, std::uint64_t seed);

}  // namespace redknot::eval
