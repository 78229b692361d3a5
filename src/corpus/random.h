// SPDX-License-Identifier: Apache-2.0
// Random gives equal numbers for equal seeds with every compiler and library: the standard fixes
// mt19937_64 but not its distributions, so these are ours. Nor does it fix in which order operands
// are evaluated: no expression draws twice.
//
// Whoever makes a sample or a workload owns a generator and hands it down by reference; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "base/check.h"

namespace redknot::corpus {

// Streams of training have seeds below this, streams of evaluation from here on: none is both.
inline constexpr std::uint64_t kFirstEvaluationSeed = std::uint64_t{1} << 63;

// A value; not shared between threads.
class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}

  // 0 <= result < count. The bias of the remainder is below 2^-40 for the counts used here.
  std::size_t below(std::size_t count) {
    REDKNOT_CHECK(count > 0);
    return bits_() % count;
  }
  // low <= result <= high
  int between(int low, int high) {
    REDKNOT_CHECK(low <= high);
    const auto count = static_cast<std::size_t>(high) - static_cast<std::size_t>(low) + 1;
    return low + static_cast<int>(below(count));
  }
  // 0 <= result < 1
  double fraction() { return static_cast<double>(bits_() >> 11) * 0x1p-53; }
  bool chance(double probability) { return fraction() < probability; }

  template <typename List>
  const auto& pick(const List& list) {
    return list[below(list.size())];
  }
  template <typename Value>
  void shuffle(std::vector<Value>& list) {
    for (std::size_t left = list.size(); left > 1; --left) {
      std::swap(list[left - 1], list[below(left)]);
    }
  }

 private:
  std::mt19937_64 bits_;
};

}  // namespace redknot::corpus
