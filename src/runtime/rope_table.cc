// SPDX-License-Identifier: Apache-2.0
#include "runtime/rope_table.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace redknot {
namespace {

// The pair index at which `rotations` full turns happen within the original context.
double correction_pair(const RopeConfig& rope, double rotations) {
  return rope.dims * std::log(rope.original_context_tokens / (rotations * 2 * std::numbers::pi)) /
         (2 * std::log(rope.base));
}

// 1 where the frequency stays plain (many turns), 0 where it is divided by the factor.
double yarn_plain_share(const RopeConfig& rope, int pair) {
  const double low = std::max(0.0, std::floor(correction_pair(rope, rope.yarn_beta_fast)));
  const double high =
      std::min(rope.dims - 1.0, std::ceil(correction_pair(rope, rope.yarn_beta_slow)));
  const double ramp = (pair - low) / std::max(0.001, high - low);
  return 1.0 - std::clamp(ramp, 0.0, 1.0);
}

double frequency(const RopeConfig& rope, int pair) {
  const double plain = std::pow(rope.base, -2.0 * pair / rope.dims);
  switch (rope.scaling) {
    case RopeScaling::kNone:
      return plain;
    case RopeScaling::kLinear:
      return plain / rope.factor;
    case RopeScaling::kLlama3:
      return plain / rope.frequency_divisors[static_cast<std::size_t>(pair)];
    case RopeScaling::kYarn: {
      const double share = yarn_plain_share(rope, pair);
      return plain * share + plain / rope.factor * (1.0 - share);
    }
  }
  REDKNOT_CHECK(false);
}

int floor_div(int a, int b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

RopeTable::RopeTable(const RopeConfig& config) : config_(config) {
  for (int pair = 0; pair < config.dims / 2; ++pair) {
    frequencies_.push_back(frequency(config, pair));
  }
}

void RopeTable::prepare(int begin, int end) {
  const std::size_t pairs = frequencies_.size();
  for (int block = floor_div(begin, kBlock); block * kBlock < end; ++block) {
    std::vector<float>& values = blocks_[block];
    if (!values.empty() || pairs == 0) continue;
    values.resize(static_cast<std::size_t>(kBlock) * 2 * pairs);
    for (std::size_t i = 0; i < kBlock; ++i) {
      const double position = static_cast<double>(block) * kBlock + static_cast<double>(i);
      for (std::size_t pair = 0; pair < pairs; ++pair) {
        const double angle = position * frequencies_[pair];
        values[i * 2 * pairs + pair] = static_cast<float>(std::cos(angle) * config_.yarn_magnitude);
        values[(i * 2 + 1) * pairs + pair] =
            static_cast<float>(std::sin(angle) * config_.yarn_magnitude);
      }
    }
  }
}

Rope RopeTable::at(int position) const {
  const std::size_t pairs = frequencies_.size();
  const int block = floor_div(position, kBlock);
  const auto found = blocks_.find(block);
  REDKNOT_CHECK(found != blocks_.end());
  const float* cos =
      found->second.data() + static_cast<std::size_t>(position - block * kBlock) * 2 * pairs;
  return {cos, cos + pairs, config_.dims, config_.pairing == RopePairing::kInterleaved};
}

}  // namespace redknot
