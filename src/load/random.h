// SPDX-License-Identifier: Apache-2.0
// Chance of a load: equal seeds give equal numbers with every compiler and library. The standard
// fixes mt19937_64 but not its distributions, so these are ours.
//
// A Random is a value: whoever draws a workload or a text owns one. Threads do not share it.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>

#include "base/check.h"

namespace redknot::load {

class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}

  // 0 <= result < count. The bias of the remainder is below 2^-40 for the counts used here.
  std::size_t below(std::size_t count) {
    REDKNOT_CHECK(count > 0);
    return bits_() % count;
  }
  // 0 <= result < 1
  double fraction() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  // Exponential with that mean: the time between arrivals that know nothing of each other.
  double exponential(double mean) { return -mean * std::log1p(-fraction()); }
  std::uint64_t seed() { return bits_(); }

 private:
  std::mt19937_64 bits_;
};

}  // namespace redknot::load
