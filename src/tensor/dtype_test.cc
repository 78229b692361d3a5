// SPDX-License-Identifier: Apache-2.0
// The formats with reference data (Q8_0, Q4_0, Q4_K, Q5_K, Q6_K) are also checked against it, in
// model/golden_test.cc.
#include "tensor/dtype.h"

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tensor/blocks.h"
#include "tensor/half.h"
#include "tests/models/quantize.h"

namespace redknot {
namespace {

template <typename Block>
std::vector<float> decoded(DType dtype, const Block& block) {
  std::vector<float> out(static_cast<std::size_t>(block_elements(dtype)));
  dequantize(dtype, std::as_bytes(std::span(&block, 1)), out);
  return out;
}

TEST(DType, PlainFloatsAreTheirValues) {
  const float f32[] = {1.5f, -2.0f};
  const std::uint16_t f16[] = {f32_to_f16(0.25f), f32_to_f16(-3.0f)};
  const std::uint16_t bf16[] = {f32_to_bf16(0.5f), f32_to_bf16(-8.0f)};
  std::vector<float> out(2);
  dequantize(DType::kF32, std::as_bytes(std::span(f32)), out);
  EXPECT_THAT(out, testing::ElementsAre(1.5f, -2.0f));
  dequantize(DType::kF16, std::as_bytes(std::span(f16)), out);
  EXPECT_THAT(out, testing::ElementsAre(0.25f, -3.0f));
  dequantize(DType::kBF16, std::as_bytes(std::span(bf16)), out);
  EXPECT_THAT(out, testing::ElementsAre(0.5f, -8.0f));
}

TEST(DType, Q4_1IsScaleTimesNibblePlusMinimum) {
  BlockQ4_1 block{.scale = f32_to_f16(0.5f), .minimum = f32_to_f16(-2.0f), .values = {}};
  block.values[3] = 0xA1;
  const std::vector<float> out = decoded(DType::kQ4_1, block);
  EXPECT_EQ(out[0], -2.0f);
  EXPECT_EQ(out[3], -1.5f);
  EXPECT_EQ(out[19], 3.0f);
}

TEST(DType, Q5TakesItsFifthBitFromTheSameElement) {
  BlockQ5_0 q5_0{.scale = f32_to_f16(2.0f), .high_bits = {0x20, 0, 0x20, 0}, .values = {}};
  q5_0.values[5] = 0x43;
  const std::vector<float> symmetric = decoded(DType::kQ5_0, q5_0);
  EXPECT_EQ(symmetric[0], -32.0f);
  EXPECT_EQ(symmetric[5], 6.0f);   // 2 * (16 + 3 - 16)
  EXPECT_EQ(symmetric[21], 8.0f);  // 2 * (16 + 4 - 16)
  BlockQ5_1 q5_1{.scale = f32_to_f16(2.0f),
                 .minimum = f32_to_f16(1.0f),
                 .high_bits = {0, 0x80, 0, 0x40},
                 .values = {}};
  q5_1.values[15] = 0xF1;
  const std::vector<float> shifted = decoded(DType::kQ5_1, q5_1);
  EXPECT_EQ(shifted[15], 35.0f);  // 2 * (16 + 1) + 1
  EXPECT_EQ(shifted[30], 33.0f);  // 2 * 16 + 1
  EXPECT_EQ(shifted[31], 31.0f);  // 2 * 15 + 1
}

template <typename Block>
Block random_block(std::mt19937& random) {
  Block block;
  auto* bytes = reinterpret_cast<unsigned char*>(&block);
  for (std::size_t i = 0; i < sizeof(Block); ++i) bytes[i] = static_cast<unsigned char>(random());
  block.scale = f32_to_f16(0.125f);
  return block;
}

// Walks the block in the order in which its bytes lie, not element by element.
TEST(DType, Q2_KWalkedByteByByteGivesTheSame) {
  std::mt19937 random(7);
  BlockQ2_K block = random_block<BlockQ2_K>(random);
  block.minimum = f32_to_f16(0.25f);
  const std::vector<float> out = decoded(DType::kQ2_K, block);
  std::size_t i = 0;
  int sub_block = 0;
  for (int half = 0; half < 2; ++half) {
    for (int shift = 0; shift < 8; shift += 2) {
      for (int part = 0; part < 2; ++part, ++sub_block) {
        const int scales = block.scales[sub_block];
        for (int byte = 0; byte < 16; ++byte, ++i) {
          const int code = (block.values[half * 32 + part * 16 + byte] >> shift) & 3;
          ASSERT_EQ(out[i], 0.125f * static_cast<float>((scales & 15) * code) -
                                0.25f * static_cast<float>(scales >> 4));
        }
      }
    }
  }
}

TEST(DType, Q3_KWalkedByteByByteGivesTheSame) {
  std::mt19937 random(8);
  const BlockQ3_K block = random_block<BlockQ3_K>(random);
  // The scales as the reference unpacks them: four words of four bytes.
  std::uint32_t words[4];
  std::memcpy(words, block.scales, 12);
  const std::uint32_t top = words[2];
  words[2] = ((words[0] >> 4) & 0x0f0f0f0f) | (((top >> 4) & 0x03030303) << 4);
  words[3] = ((words[1] >> 4) & 0x0f0f0f0f) | (((top >> 6) & 0x03030303) << 4);
  words[0] = (words[0] & 0x0f0f0f0f) | ((top & 0x03030303) << 4);
  words[1] = (words[1] & 0x0f0f0f0f) | (((top >> 2) & 0x03030303) << 4);
  std::int8_t scales[16];
  std::memcpy(scales, words, 16);
  const std::vector<float> out = decoded(DType::kQ3_K, block);
  std::size_t i = 0;
  int sub_block = 0;
  int mask = 1;
  for (int half = 0; half < 2; ++half) {
    for (int shift = 0; shift < 8; shift += 2, mask <<= 1) {
      for (int part = 0; part < 2; ++part, ++sub_block) {
        for (int byte = part * 16; byte < part * 16 + 16; ++byte, ++i) {
          const int low = (block.values[half * 32 + byte] >> shift) & 3;
          const int code = low - ((block.high_bits[byte] & mask) ? 0 : 4);
          ASSERT_EQ(out[i], 0.125f * static_cast<float>((scales[sub_block] - 32) * code));
        }
      }
    }
  }
}

struct Accuracy {
  DType dtype;
  double relative_error;  // root mean square, of normal values
};

class Quantize : public testing::TestWithParam<Accuracy> {};

TEST_P(Quantize, NormalValuesComeBackWithinTheFormatsPrecision) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0.0f, 0.02f);
  std::vector<float> values(256 * 64);
  for (float& value : values) value = normal(random);
  std::vector<std::byte> bytes(bytes_of(GetParam().dtype, values.size()));
  std::vector<float> back(values.size());
  quantize(GetParam().dtype, values, bytes);
  dequantize(GetParam().dtype, bytes, back);
  double error = 0.0, power = 0.0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    error += std::pow(back[i] - values[i], 2);
    power += std::pow(values[i], 2);
  }
  EXPECT_LT(std::sqrt(error / power), GetParam().relative_error);
}

TEST_P(Quantize, ZerosStayZero) {
  std::vector<float> values(256, 0.0f);
  std::vector<std::byte> bytes(bytes_of(GetParam().dtype, values.size()));
  std::vector<float> back(values.size(), 1.0f);
  quantize(GetParam().dtype, values, bytes);
  dequantize(GetParam().dtype, bytes, back);
  EXPECT_THAT(back, testing::Each(0.0f));
}

// About step / sqrt(12) for a block of normal values, with some air.
INSTANTIATE_TEST_SUITE_P(DTypes, Quantize,
                         testing::Values(Accuracy{DType::kF32, 1e-9}, Accuracy{DType::kF16, 5e-4},
                                         Accuracy{DType::kBF16, 3e-3}, Accuracy{DType::kQ8_0, 0.01},
                                         Accuracy{DType::kQ4_0, 0.12}, Accuracy{DType::kQ4_1, 0.10},
                                         Accuracy{DType::kQ5_0, 0.06}, Accuracy{DType::kQ5_1, 0.05},
                                         Accuracy{DType::kQ2_K, 0.40}, Accuracy{DType::kQ3_K, 0.20},
                                         Accuracy{DType::kQ4_K, 0.10}, Accuracy{DType::kQ5_K, 0.05},
                                         Accuracy{DType::kQ6_K, 0.03}),
                         [](const auto& test) { return std::string(name(test.param.dtype)); });

}  // namespace
}  // namespace redknot
