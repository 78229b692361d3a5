// SPDX-License-Identifier: Apache-2.0
#include "eval/bootstrap.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <numeric>
#include <vector>

#include "base/check.h"
#include "corpus/random.h"

namespace redknot::eval {

namespace {

constexpr std::size_t kSamples = 10'000;
constexpr std::size_t kOutside = kSamples / 40;  // 2.5 % at either end

// The ends of the interval, `draw` giving the value of one sample.
template <typename Draw>
Interval interval_of(const Draw& draw) {
  std::vector<double> values(kSamples);
  for (double& value : values) value = draw();
  std::sort(values.begin(), values.end());
  return Interval{values[kOutside], values[kSamples - 1 - kOutside]};
}

}  // namespace

std::optional<Interval> bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  if (values.empty()) return std::nullopt;
  // Summed and divided, equal values would come back rounded.
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); })) {
    return Interval{values.front(), values.front()};
  }
  corpus::Random random(seed);
  return interval_of([&] {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
    return sum / static_cast<double>(values.size());
  });
}

PairedMean paired_mean(std::span<const double> values, std::span<const double> dense,
                       std::uint64_t seed) {
  REDKNOT_CHECK(!values.empty() && values.size() == dense.size());
  std::vector<double> more(values.size());
  std::transform(values.begin(), values.end(), dense.begin(), more.begin(), std::minus<>());
  const auto mean = [](std::span<const double> all) {
    return std::accumulate(all.begin(), all.end(), 0.0) / static_cast<double>(all.size());
  };
  return {.mean = mean(values),
          .interval = bootstrap_mean(values, seed).value(),
          .against_dense = mean(more),
          .against_dense_interval = bootstrap_mean(more, seed).value()};
}

std::optional<Interval> bootstrap_ratio(std::span<const Share> shares, std::uint64_t seed) {
  if (shares.empty()) return std::nullopt;
  corpus::Random random(seed);
  return interval_of([&] {
    Share sum;
    for (std::size_t i = 0; i < shares.size(); ++i) {
      const Share& drawn = shares[random.below(shares.size())];
      sum.part += drawn.part;
      sum.whole += drawn.whole;
    }
    return sum.part / sum.whole;
  });
}

}  // namespace redknot::eval
