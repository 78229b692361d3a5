// SPDX-License-Identifier: Apache-2.0
#include "eval/bootstrap.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "corpus/random.h"

namespace redknot::eval {

std::optional<Interval> bootstrap_mean(std::span<const double> values, std::uint64_t seed) {
  constexpr std::size_t kSamples = 10'000;
  constexpr std::size_t kOutside = kSamples / 40;  // 2.5 % at either end
  if (values.empty()) return std::nullopt;
  // Summed and divided, equal values would come back rounded.
  if (std::all_of(values.begin(), values.end(), [&](double v) { return v == values.front(); })) {
    return Interval{values.front(), values.front()};
  }
  corpus::Random random(seed);
  std::vector<double> means(kSamples);
  for (double& mean : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[random.below(values.size())];
    mean = sum / static_cast<double>(values.size());
  }
  std::sort(means.begin(), means.end());
  return Interval{means[kOutside], means[kSamples - 1 - kOutside]};
}

}  // namespace redknot::eval
