// SPDX-License-Identifier: Apache-2.0
#include "tensor/dtype.h"

#include <array>
#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace redknot {
namespace {

struct Format {
  std::string_view name;
  int block_elements;
  int block_bytes;
};

// Index: DType.
constexpr std::array<Format, kDTypeCount> kFormats = {{
    {"F32", 1, 4},
    {"F16", 1, 2},
    {"BF16", 1, 2},
    {"Q8_0", 32, sizeof(BlockQ8_0)},
    {"Q4_0", 32, sizeof(BlockQ4_0)},
    {"Q4_1", 32, sizeof(BlockQ4_1)},
    {"Q5_0", 32, sizeof(BlockQ5_0)},
    {"Q5_1", 32, sizeof(BlockQ5_1)},
    {"Q2_K", 256, sizeof(BlockQ2_K)},
    {"Q3_K", 256, sizeof(BlockQ3_K)},
    {"Q4_K", 256, sizeof(BlockQ4_K)},
    {"Q5_K", 256, sizeof(BlockQ5_K)},
    {"Q6_K", 256, sizeof(BlockQ6_K)},
}};

const Format& format(DType dtype) { return kFormats[static_cast<std::size_t>(dtype)]; }

void decode(const BlockQ8_0& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 32; ++i) out[i] = static_cast<float>(block.values[i]) * scale;
}

void decode(const BlockQ4_0& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>((block.values[i] & 15) - 8) * scale;
    out[i + 16] = static_cast<float>((block.values[i] >> 4) - 8) * scale;
  }
}

void decode(const BlockQ4_1& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 16; ++i) {
    out[i] = static_cast<float>(block.values[i] & 15) * scale + minimum;
    out[i + 16] = static_cast<float>(block.values[i] >> 4) * scale + minimum;
  }
}

int fifth_bit(const std::uint8_t (&high_bits)[4], int element) {
  return ((high_bits[element / 8] >> (element % 8)) & 1) << 4;
}

void decode(const BlockQ5_0& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 16; ++i) {
    const int low = (block.values[i] & 15) | fifth_bit(block.high_bits, i);
    const int high = (block.values[i] >> 4) | fifth_bit(block.high_bits, i + 16);
    out[i] = static_cast<float>(low - 16) * scale;
    out[i + 16] = static_cast<float>(high - 16) * scale;
  }
}

void decode(const BlockQ5_1& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 16; ++i) {
    const int low = (block.values[i] & 15) | fifth_bit(block.high_bits, i);
    const int high = (block.values[i] >> 4) | fifth_bit(block.high_bits, i + 16);
    out[i] = static_cast<float>(low) * scale + minimum;
    out[i + 16] = static_cast<float>(high) * scale + minimum;
  }
}

// Element i of a half of 128: bits 2 * (i / 32) of byte i % 32; sub-block i / 16.
void decode(const BlockQ2_K& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int bits = (block.values[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const float sub_scale = scale * static_cast<float>(block.scales[i / 16] & 15);
    const float sub_minimum = minimum * static_cast<float>(block.scales[i / 16] >> 4);
    out[i] = sub_scale * static_cast<float>(bits) - sub_minimum;
  }
}

// As Q2_K; the third bit, of element i, is bit i / 32 of byte i % 32, and is stored inverted: where
// it is 0, 4 is subtracted.
void decode(const BlockQ3_K& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 256; ++i) {
    const int bits = (block.values[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    const int high = (block.high_bits[i % 32] >> (i / 32)) & 1;
    const int sub_scale = sub_block_scale_q3(block.scales, i / 16) - 32;
    out[i] = scale * static_cast<float>(sub_scale) * static_cast<float>(bits - (high ? 0 : 4));
  }
}

// Element i of a quarter of 64: nibble i / 32 of byte i % 32; sub-block i / 32.
void decode(const BlockQ4_K& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int bits = (block.values[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15;
    const SubBlockScale sub = sub_block_scale(block.scales, i / 32);
    out[i] = scale * static_cast<float>(sub.scale) * static_cast<float>(bits) -
             minimum * static_cast<float>(sub.minimum);
  }
}

// As Q4_K; the fifth bit of element i is bit i / 32 of byte i % 32.
void decode(const BlockQ5_K& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 256; ++i) {
    const int low = (block.values[i / 64 * 32 + i % 32] >> (i % 64 / 32 * 4)) & 15;
    const int bits = low | (((block.high_bits[i % 32] >> (i / 32)) & 1) << 4);
    const SubBlockScale sub = sub_block_scale(block.scales, i / 32);
    out[i] = scale * static_cast<float>(sub.scale) * static_cast<float>(bits) -
             minimum * static_cast<float>(sub.minimum);
  }
}

// Element i of a half of 128: nibble i / 64 of byte i % 64, and bits 2 * (i / 32) of byte i % 32 of
// the high bits; sub-block i / 16.
void decode(const BlockQ6_K& block, float* out) {
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 256; ++i) {
    const int half = i / 128;
    const int low = (block.low_bits[half * 64 + i % 64] >> (i % 128 / 64 * 4)) & 15;
    const int high = (block.high_bits[half * 32 + i % 32] >> (i % 128 / 32 * 2)) & 3;
    out[i] = scale * static_cast<float>(block.scales[i / 16]) *
             static_cast<float>((low | (high << 4)) - 32);
  }
}

struct F32Element {
  float value;
};
struct F16Element {
  std::uint16_t bits;
};
struct BF16Element {
  std::uint16_t bits;
};
void decode(const F32Element& element, float* out) { *out = element.value; }
void decode(const F16Element& element, float* out) { *out = f16_to_f32(element.bits); }
void decode(const BF16Element& element, float* out) { *out = bf16_to_f32(element.bits); }

template <typename Block>
void decode_all(int elements, const std::byte* blocks, std::span<float> out) {
  const auto step = static_cast<std::size_t>(elements);
  for (std::size_t i = 0; i < out.size(); i += step, blocks += sizeof(Block)) {
    Block block;
    std::memcpy(&block, blocks, sizeof(Block));
    decode(block, out.data() + i);
  }
}

}  // namespace

std::string_view name(DType dtype) { return format(dtype).name; }
int block_elements(DType dtype) { return format(dtype).block_elements; }
int block_bytes(DType dtype) { return format(dtype).block_bytes; }

std::size_t bytes_of(DType dtype, std::size_t count) {
  const auto elements = static_cast<std::size_t>(block_elements(dtype));
  REDKNOT_CHECK(count % elements == 0);
  return count / elements * static_cast<std::size_t>(block_bytes(dtype));
}

void dequantize(DType dtype, std::span<const std::byte> blocks, std::span<float> out) {
  REDKNOT_CHECK(blocks.size() >= bytes_of(dtype, out.size()));
  const int elements = block_elements(dtype);
  switch (dtype) {
    case DType::kF32:
      return decode_all<F32Element>(elements, blocks.data(), out);
    case DType::kF16:
      return decode_all<F16Element>(elements, blocks.data(), out);
    case DType::kBF16:
      return decode_all<BF16Element>(elements, blocks.data(), out);
    case DType::kQ8_0:
      return decode_all<BlockQ8_0>(elements, blocks.data(), out);
    case DType::kQ4_0:
      return decode_all<BlockQ4_0>(elements, blocks.data(), out);
    case DType::kQ4_1:
      return decode_all<BlockQ4_1>(elements, blocks.data(), out);
    case DType::kQ5_0:
      return decode_all<BlockQ5_0>(elements, blocks.data(), out);
    case DType::kQ5_1:
      return decode_all<BlockQ5_1>(elements, blocks.data(), out);
    case DType::kQ2_K:
      return decode_all<BlockQ2_K>(elements, blocks.data(), out);
    case DType::kQ3_K:
      return decode_all<BlockQ3_K>(elements, blocks.data(), out);
    case DType::kQ4_K:
      return decode_all<BlockQ4_K>(elements, blocks.data(), out);
    case DType::kQ5_K:
      return decode_all<BlockQ5_K>(elements, blocks.data(), out);
    case DType::kQ6_K:
      return decode_all<BlockQ6_K>(elements, blocks.data(), out);
  }
}

}  // namespace redknot
