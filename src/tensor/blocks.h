// SPDX-License-Identifier: Apache-2.0
// The block formats of GGUF as structs, byte for byte. Little-endian; halves are stored as bits.
//
// Blocks of 32 hold one scale. "K" blocks of 256 hold sub-blocks of 16 or 32 elements, whose small
// integer scales (and minima) are multiplied by one half per block. What the bits mean is written
// once, as code, in dtype.cc.
#pragma once

#include <cstdint>

namespace redknot {

struct BlockQ8_0 {
  std::uint16_t scale;
  std::int8_t values[32];
};
struct BlockQ4_0 {
  std::uint16_t scale;
  std::uint8_t values[16];  // element i in the low, i + 16 in the high nibble
};
struct BlockQ4_1 {
  std::uint16_t scale, minimum;
  std::uint8_t values[16];
};
struct BlockQ5_0 {
  std::uint16_t scale;
  std::uint8_t high_bits[4];  // bit i: fifth bit of element i
  std::uint8_t values[16];
};
struct BlockQ5_1 {
  std::uint16_t scale, minimum;
  std::uint8_t high_bits[4];
  std::uint8_t values[16];
};
struct BlockQ2_K {
  std::uint8_t scales[16];  // low nibble scale, high nibble minimum, of 16 elements
  std::uint8_t values[64];
  std::uint16_t scale, minimum;
};
struct BlockQ3_K {
  std::uint8_t high_bits[32];
  std::uint8_t values[64];
  std::uint8_t scales[12];  // 16 of 6 bits
  std::uint16_t scale;
};
struct BlockQ4_K {
  std::uint16_t scale, minimum;
  std::uint8_t scales[12];  // 8 scales and 8 minima of 6 bits
  std::uint8_t values[128];
};
struct BlockQ5_K {
  std::uint16_t scale, minimum;
  std::uint8_t scales[12];
  std::uint8_t high_bits[32];
  std::uint8_t values[128];
};
struct BlockQ6_K {
  std::uint8_t low_bits[128];
  std::uint8_t high_bits[64];
  std::int8_t scales[16];
  std::uint16_t scale;
};

static_assert(sizeof(BlockQ8_0) == 34 && sizeof(BlockQ4_0) == 18 && sizeof(BlockQ4_1) == 20);
static_assert(sizeof(BlockQ5_0) == 22 && sizeof(BlockQ5_1) == 24 && sizeof(BlockQ2_K) == 84);
static_assert(sizeof(BlockQ3_K) == 110 && sizeof(BlockQ4_K) == 144 && sizeof(BlockQ5_K) == 176);
static_assert(sizeof(BlockQ6_K) == 210);

// The 6-bit scale and minimum of sub-block `index` (0 to 7) of Q4_K and Q5_K.
struct SubBlockScale {
  int scale;
  int minimum;
};
inline SubBlockScale sub_block_scale(const std::uint8_t (&scales)[12], int index) {
  if (index < 4) return {scales[index] & 63, scales[index + 4] & 63};
  return {(scales[index + 4] & 15) | ((scales[index - 4] >> 6) << 4),
          (scales[index + 4] >> 4) | ((scales[index] >> 6) << 4)};
}

// The 6-bit scale of sub-block `index` (0 to 15) of Q3_K, still offset by 32.
inline int sub_block_scale_q3(const std::uint8_t (&scales)[12], int index) {
  const int low = (scales[index % 8] >> (4 * (index / 8))) & 15;
  const int high = (scales[8 + index % 4] >> (2 * (index / 4))) & 3;
  return low | (high << 4);
}

}  // namespace redknot
