// SPDX-License-Identifier: Apache-2.0
// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#pragma once

#include <cstdint>

namespace redknot {

// What its states are apart: 2^64 / golden ratio.
inline constexpr std::uint64_t kGoldenGamma = 0x9e3779b97f4a7c15;

// Its finaliser: a bijection that mixes all bits of a state; 0 stays 0.
constexpr std::uint64_t mix_bits(std::uint64_t state) {
  state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
  state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
  return state ^ (state >> 31);
}

}  // namespace redknot
