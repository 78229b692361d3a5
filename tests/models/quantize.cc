// SPDX-License-Identifier: Apache-2.0
#include "tests/models/quantize.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "base/check.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace redknot {
namespace {

// The nearest integer to value / scale, in [low, high]; 0 for a scale of 0.
int nearest(float value, float scale, int low, int high) {
  if (scale == 0.0f) return std::clamp(0, low, high);
  return std::clamp(static_cast<int>(std::lround(value / scale)), low, high);
}

// The element with the largest magnitude, with its sign.
float extreme(std::span<const float> values) {
  float best = 0.0f;
  for (const float value : values) {
    if (std::abs(value) > std::abs(best)) best = value;
  }
  return best;
}

struct Range {
  float low, high;
};
Range range_of(std::span<const float> values) {
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return {*low, *high};
}

void encode(std::span<const float> x, BlockQ8_0& block) {
  block.scale = f32_to_f16(std::abs(extreme(x)) / 127.0f);
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 32; ++i) {
    block.values[i] = static_cast<std::int8_t>(nearest(x[i], scale, -127, 127));
  }
}

// Symmetric codes use the whole range: the extreme value becomes the most negative code.
void encode(std::span<const float> x, BlockQ4_0& block) {
  block.scale = f32_to_f16(extreme(x) / -8.0f);
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 32; ++i) {
    const int code = nearest(x[i], scale, -8, 7) + 8;
    block.values[i % 16] |= static_cast<std::uint8_t>(code << (i / 16 * 4));
  }
}

void encode(std::span<const float> x, BlockQ4_1& block) {
  const Range range = range_of(x);
  block.scale = f32_to_f16((range.high - range.low) / 15.0f);
  block.minimum = f32_to_f16(range.low);
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 32; ++i) {
    const int code = nearest(x[i] - minimum, scale, 0, 15);
    block.values[i % 16] |= static_cast<std::uint8_t>(code << (i / 16 * 4));
  }
}

template <typename Block>
void set_five_bits(Block& block, int i, int code) {
  block.values[i % 16] |= static_cast<std::uint8_t>((code & 15) << (i / 16 * 4));
  block.high_bits[i / 8] |= static_cast<std::uint8_t>((code >> 4) << (i % 8));
}

void encode(std::span<const float> x, BlockQ5_0& block) {
  block.scale = f32_to_f16(extreme(x) / -16.0f);
  const float scale = f16_to_f32(block.scale);
  for (int i = 0; i < 32; ++i) set_five_bits(block, i, nearest(x[i], scale, -16, 15) + 16);
}

void encode(std::span<const float> x, BlockQ5_1& block) {
  const Range range = range_of(x);
  block.scale = f32_to_f16((range.high - range.low) / 31.0f);
  block.minimum = f32_to_f16(range.low);
  const float scale = f16_to_f32(block.scale);
  const float minimum = f16_to_f32(block.minimum);
  for (int i = 0; i < 32; ++i) set_five_bits(block, i, nearest(x[i] - minimum, scale, 0, 31));
}

// Integer scales and minima of the sub-blocks of a K block, and what they are multiplied by:
// element = scale * scales[b] * code - minimum * minima[b].
template <int kSubBlocks>
struct SubScales {
  std::uint16_t scale_half = 0, minimum_half = 0;
  std::array<int, kSubBlocks> scales{}, minima{};

  float scale(int b) const { return f16_to_f32(scale_half) * static_cast<float>(scales[b]); }
  float minimum(int b) const { return f16_to_f32(minimum_half) * static_cast<float>(minima[b]); }
};

// For codes [0, max_code]; scales and minima in [0, max_scale].
template <int kSubBlocks>
SubScales<kSubBlocks> asymmetric_scales(std::span<const float> x, int max_code, int max_scale) {
  constexpr std::size_t kElements = 256 / kSubBlocks;
  std::array<float, kSubBlocks> scales, minima;
  for (int b = 0; b < kSubBlocks; ++b) {
    const Range range = range_of(x.subspan(b * kElements, kElements));
    const float low = std::min(range.low, 0.0f);
    scales[b] = std::max(range.high - low, 0.0f) / static_cast<float>(max_code);
    minima[b] = -low;
  }
  SubScales<kSubBlocks> out;
  const auto steps = static_cast<float>(max_scale);
  out.scale_half = f32_to_f16(*std::max_element(scales.begin(), scales.end()) / steps);
  out.minimum_half = f32_to_f16(*std::max_element(minima.begin(), minima.end()) / steps);
  for (int b = 0; b < kSubBlocks; ++b) {
    out.scales[b] = nearest(scales[b], f16_to_f32(out.scale_half), 0, max_scale);
    out.minima[b] = nearest(minima[b], f16_to_f32(out.minimum_half), 0, max_scale);
  }
  return out;
}

// For codes [low_code, -low_code - 1]; scales in [low_scale, -low_scale - 1]; no minima.
SubScales<16> symmetric_scales(std::span<const float> x, int low_code, int low_scale) {
  std::array<float, 16> scales;
  for (std::size_t b = 0; b < 16; ++b) {
    scales[b] = extreme(x.subspan(b * 16, 16)) / static_cast<float>(low_code);
  }
  SubScales<16> out;
  out.scale_half = f32_to_f16(extreme(scales) / static_cast<float>(low_scale));
  for (std::size_t b = 0; b < 16; ++b) {
    out.scales[b] = nearest(scales[b], f16_to_f32(out.scale_half), low_scale, -low_scale - 1);
  }
  return out;
}

void encode(std::span<const float> x, BlockQ2_K& block) {
  const SubScales<16> sub = asymmetric_scales<16>(x, 3, 15);
  block.scale = sub.scale_half;
  block.minimum = sub.minimum_half;
  for (int b = 0; b < 16; ++b) {
    block.scales[b] = static_cast<std::uint8_t>(sub.scales[b] | (sub.minima[b] << 4));
  }
  for (int i = 0; i < 256; ++i) {
    const int code = nearest(x[i] + sub.minimum(i / 16), sub.scale(i / 16), 0, 3);
    block.values[i / 128 * 32 + i % 32] |= static_cast<std::uint8_t>(code << (i % 128 / 32 * 2));
  }
}

void encode(std::span<const float> x, BlockQ3_K& block) {
  const SubScales<16> sub = symmetric_scales(x, -4, -32);
  block.scale = sub.scale_half;
  for (int b = 0; b < 16; ++b) {
    const int stored = sub.scales[b] + 32;
    block.scales[b % 8] |= static_cast<std::uint8_t>((stored & 15) << (b / 8 * 4));
    block.scales[8 + b % 4] |= static_cast<std::uint8_t>((stored >> 4) << (b / 4 * 2));
  }
  for (int i = 0; i < 256; ++i) {
    const int code = nearest(x[i], sub.scale(i / 16), -4, 3) + 4;
    block.values[i / 128 * 32 + i % 32] |=
        static_cast<std::uint8_t>((code & 3) << (i % 128 / 32 * 2));
    block.high_bits[i % 32] |= static_cast<std::uint8_t>((code >> 2) << (i / 32));
  }
}

// The inverse of sub_block_scale().
void pack_scales(const SubScales<8>& sub, std::uint8_t (&scales)[12]) {
  for (int b = 0; b < 4; ++b) {
    scales[b] = static_cast<std::uint8_t>(sub.scales[b] | (sub.scales[b + 4] >> 4 << 6));
    scales[b + 4] = static_cast<std::uint8_t>(sub.minima[b] | (sub.minima[b + 4] >> 4 << 6));
    scales[b + 8] =
        static_cast<std::uint8_t>((sub.scales[b + 4] & 15) | (sub.minima[b + 4] & 15) << 4);
  }
}

void encode(std::span<const float> x, BlockQ4_K& block) {
  const SubScales<8> sub = asymmetric_scales<8>(x, 15, 63);
  block.scale = sub.scale_half;
  block.minimum = sub.minimum_half;
  pack_scales(sub, block.scales);
  for (int i = 0; i < 256; ++i) {
    const int code = nearest(x[i] + sub.minimum(i / 32), sub.scale(i / 32), 0, 15);
    block.values[i / 64 * 32 + i % 32] |= static_cast<std::uint8_t>(code << (i % 64 / 32 * 4));
  }
}

void encode(std::span<const float> x, BlockQ5_K& block) {
  const SubScales<8> sub = asymmetric_scales<8>(x, 31, 63);
  block.scale = sub.scale_half;
  block.minimum = sub.minimum_half;
  pack_scales(sub, block.scales);
  for (int i = 0; i < 256; ++i) {
    const int code = nearest(x[i] + sub.minimum(i / 32), sub.scale(i / 32), 0, 31);
    block.values[i / 64 * 32 + i % 32] |=
        static_cast<std::uint8_t>((code & 15) << (i % 64 / 32 * 4));
    block.high_bits[i % 32] |= static_cast<std::uint8_t>((code >> 4) << (i / 32));
  }
}

void encode(std::span<const float> x, BlockQ6_K& block) {
  const SubScales<16> sub = symmetric_scales(x, -32, -128);
  block.scale = sub.scale_half;
  for (int b = 0; b < 16; ++b) block.scales[b] = static_cast<std::int8_t>(sub.scales[b]);
  for (int i = 0; i < 256; ++i) {
    const int code = nearest(x[i], sub.scale(i / 16), -32, 31) + 32;
    block.low_bits[i / 128 * 64 + i % 64] |=
        static_cast<std::uint8_t>((code & 15) << (i % 128 / 64 * 4));
    block.high_bits[i / 128 * 32 + i % 32] |=
        static_cast<std::uint8_t>((code >> 4) << (i % 128 / 32 * 2));
  }
}

template <typename Block>
void encode_all(int elements, std::span<const float> values, std::byte* out) {
  const auto step = static_cast<std::size_t>(elements);
  for (std::size_t i = 0; i < values.size(); i += step, out += sizeof(Block)) {
    Block block{};
    encode(values.subspan(i, step), block);
    std::memcpy(out, &block, sizeof(Block));
  }
}

template <typename Element, typename Convert>
void convert_all(std::span<const float> values, std::byte* out, Convert convert) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Element element = convert(values[i]);
    std::memcpy(out + i * sizeof(Element), &element, sizeof(Element));
  }
}

}  // namespace

void quantize(DType dtype, std::span<const float> values, std::span<std::byte> out) {
  REDKNOT_CHECK(out.size() == bytes_of(dtype, values.size()));
  const int elements = block_elements(dtype);
  switch (dtype) {
    case DType::kF32:
      return convert_all<float>(values, out.data(), [](float value) { return value; });
    case DType::kF16:
      return convert_all<std::uint16_t>(values, out.data(), f32_to_f16);
    case DType::kBF16:
      return convert_all<std::uint16_t>(values, out.data(), f32_to_bf16);
    case DType::kQ8_0:
      return encode_all<BlockQ8_0>(elements, values, out.data());
    case DType::kQ4_0:
      return encode_all<BlockQ4_0>(elements, values, out.data());
    case DType::kQ4_1:
      return encode_all<BlockQ4_1>(elements, values, out.data());
    case DType::kQ5_0:
      return encode_all<BlockQ5_0>(elements, values, out.data());
    case DType::kQ5_1:
      return encode_all<BlockQ5_1>(elements, values, out.data());
    case DType::kQ2_K:
      return encode_all<BlockQ2_K>(elements, values, out.data());
    case DType::kQ3_K:
      return encode_all<BlockQ3_K>(elements, values, out.data());
    case DType::kQ4_K:
      return encode_all<BlockQ4_K>(elements, values, out.data());
    case DType::kQ5_K:
      return encode_all<BlockQ5_K>(elements, values, out.data());
    case DType::kQ6_K:
      return encode_all<BlockQ6_K>(elements, values, out.data());
  }
}

}  // namespace redknot
