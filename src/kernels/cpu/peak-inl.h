// SPDX-License-Identifier: Apache-2.0
// Loops of nothing but arithmetic in registers: what a kernel is measured against. Included once
// per instruction set.
#pragma once

inline constexpr int kPeakSums = kLanes == 16 ? 16 : 8;

// 2 * kLanes * kPeakSums operations a round.
double peak_fp32_operations(int rounds, float* out) {
  Floats sums[kPeakSums];
  for (int i = 0; i < kPeakSums; ++i) sums[i] = broadcast(static_cast<float>(i));
  const Floats factor = broadcast(0.999f);
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kPeakSums; ++i) sums[i] = fma(sums[i], factor, factor);
  }
  for (int i = 0; i < kPeakSums; ++i) out[i] = lanes_sum(sums[i]);
  return 2.0 * kLanes * kPeakSums * rounds;
}

double peak_int8_operations(int rounds, float* out) {
  Ints sums[kPeakSums];
  for (int i = 0; i < kPeakSums; ++i) sums[i] = broadcast(std::int32_t{i});
  const Ints weight = broadcast(std::int32_t{0x01020304});
  const Ints input = broadcast(std::int32_t{0x01ff01ff});
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kPeakSums; ++i) sums[i] = dot_accumulate(sums[i], weight, input);
  }
  for (int i = 0; i < kPeakSums; ++i) out[i] = static_cast<float>(lanes_sum(sums[i]));
  return 8.0 * kLanes * kPeakSums * rounds;
}

// Adds up memory; `bytes` a multiple of 1024.
void read_memory(const std::byte* memory, std::size_t bytes, float* out) {
  Ints sums[kPeakSums];
  for (int i = 0; i < kPeakSums; ++i) sums[i] = broadcast(std::int32_t{0});
  constexpr std::size_t kStep = sizeof(Ints) * kPeakSums;
  for (std::size_t at = 0; at < bytes; at += kStep) {
#pragma GCC unroll 16
    for (int i = 0; i < kPeakSums; ++i) {
      const std::byte* part = memory + at + static_cast<std::size_t>(i) * sizeof(Ints);
      __builtin_prefetch(part + 4096, 0, 2);
      sums[i] = add(sums[i], load_bytes(part));
    }
  }
  for (int i = 0; i < kPeakSums; ++i) out[i] = static_cast<float>(lanes_sum(sums[i]));
}
