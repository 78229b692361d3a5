// SPDX-License-Identifier: Apache-2.0
#include "kv/page_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "tensor/half.h"

namespace redknot {
namespace {

using testing::Each;
using testing::ElementsAre;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// One page of zeros and its shape.
struct TestPage {
  PageShape shape;
  KvFormat format;
  std::vector<std::byte> bytes;

  TestPage(PageShape page_shape, KvFormat kv_format)
      : shape(page_shape), format(kv_format), bytes(shape.bytes(format)) {}

  void write(int slot, const std::vector<float>& key, const std::vector<float>& value) {
    write_slot(shape, format, bytes.data(), slot, key, value);
  }
  std::vector<float> key(int slot) const {
    std::vector<float> out(static_cast<std::size_t>(shape.head_dim));
    read_key(shape, format, bytes.data(), slot, out);
    return out;
  }
  std::vector<float> value(int slot) const {
    std::vector<float> out(static_cast<std::size_t>(shape.head_dim));
    read_value(shape, format, bytes.data(), slot, out);
    return out;
  }
};

std::vector<float> random_vector(std::mt19937& random, int size, float spread) {
  std::normal_distribution<float> normal(0.0f, spread);
  std::vector<float> x(static_cast<std::size_t>(size));
  std::generate(x.begin(), x.end(), [&] { return normal(random); });
  return x;
}

float largest(const std::vector<float>& x) {
  float result = 0.0f;
  for (const float element : x) result = std::max(result, std::abs(element));
  return result;
}

TEST(PageCodec, F16SlotsReadBackAsTheNearestHalf) {
  std::mt19937 random(1);
  for (const int head_dim : {1, 7, 64, 512}) {
    TestPage page({.page_tokens = 16, .head_dim = head_dim}, KvFormat::kF16);
    std::vector<std::vector<float>> keys, values;
    for (int slot = 0; slot < 16; ++slot) {
      keys.push_back(random_vector(random, head_dim, 3.0f));
      values.push_back(random_vector(random, head_dim, 0.01f));
      page.write(slot, keys.back(), values.back());
    }
    const auto halved = [](std::vector<float> x) {
      for (float& element : x) element = f16_to_f32(f32_to_f16(element));
      return x;
    };
    for (std::size_t slot = 0; slot < 16; ++slot) {
      EXPECT_EQ(page.key(static_cast<int>(slot)), halved(keys[slot]));
      EXPECT_EQ(page.value(static_cast<int>(slot)), halved(values[slot]));
    }
  }
}

TEST(PageCodec, F16TiesGoToEven) {
  TestPage page({.page_tokens = 16, .head_dim = 2}, KvFormat::kF16);
  page.write(0, {2049.0f, 2051.0f}, {0, 0});
  EXPECT_THAT(page.key(0), ElementsAre(2048.0f, 2052.0f));
}

TEST(PageCodec, KeysLieTransposedAndValuesInRows) {
  const PageShape shape{.page_tokens = 32, .head_dim = 3};
  TestPage page(shape, KvFormat::kQ8);
  page.write(5, {127, -127, 64}, {1, 2, 127});
  const auto at = [&](std::size_t offset) { return static_cast<std::int8_t>(page.bytes[offset]); };
  EXPECT_EQ(at(0 * 32 + 5), 127);
  EXPECT_EQ(at(1 * 32 + 5), -127);
  EXPECT_EQ(at(2 * 32 + 5), 64);
  EXPECT_EQ(at(shape.values_offset(KvFormat::kQ8) + 5 * 3 + 1), 2);
}

TEST(PageCodec, Q8NeverClipsAndIsOffByHalfAStepAtMost) {
  std::mt19937 random(2);
  TestPage page({.page_tokens = 64, .head_dim = 33}, KvFormat::kQ8);
  for (const float spread : {1e-9f, 1e-6f, 1e-3f, 1.0f, 1e3f, 1e4f}) {
    for (int slot = 0; slot < 64; ++slot) {
      const std::vector<float> key = random_vector(random, 33, spread);
      const std::vector<float> value = random_vector(random, 33, spread);
      page.write(slot, key, value);
      // The scale is at most one half's step above the smallest that does not clip.
      const float key_step = std::max(largest(key) / 127.0f * 1.001f, 0x1p-24f) + 0x1p-24f;
      const float value_step = std::max(largest(value) / 127.0f * 1.001f, 0x1p-24f) + 0x1p-24f;
      EXPECT_THAT(page.key(slot), testing::Pointwise(testing::FloatNear(key_step * 0.501f), key));
      EXPECT_THAT(page.value(slot),
                  testing::Pointwise(testing::FloatNear(value_step * 0.501f), value));
    }
  }
}

TEST(PageCodec, Q8ScaleIsTheSmallestHalfThatDoesNotClip) {
  std::mt19937 random(3);
  const PageShape shape{.page_tokens = 16, .head_dim = 1};
  TestPage page(shape, KvFormat::kQ8);
  std::uniform_real_distribution<float> exponent(-26.0f, 15.9f);
  for (int round = 0; round < 20000; ++round) {
    const float x = std::exp2(exponent(random));
    page.write(3, {-x}, {x});
    const std::size_t at = shape.key_scales_offset() + 2 * 3;
    const auto scale =
        static_cast<std::uint16_t>(std::to_integer<unsigned>(page.bytes[at]) |
                                   std::to_integer<unsigned>(page.bytes[at + 1]) << 8);
    ASSERT_GE(double{f16_to_f32(scale)} * 127.0, x);
    ASSERT_LT(double{f16_to_f32(scale - 1)} * 127.0, x);
  }
}

TEST(PageCodec, ZeroVectorHasScaleZero) {
  const PageShape shape{.page_tokens = 16, .head_dim = 2};
  TestPage page(shape, KvFormat::kQ8);
  page.write(1, {5, 6}, {7, 8});
  page.write(1, {0.0f, -0.0f}, {0, 0});
  EXPECT_THAT(page.key(1), Each(0.0f));
  EXPECT_THAT(page.value(1), Each(0.0f));
  EXPECT_THAT(page.bytes, Each(std::byte{0}));
}

TEST(PageCodec, NothingWrittenIsEverNotFinite) {
  const std::vector<float> wild = {kNan, kInfinity, -kInfinity, 1e30f, -65520.0f, 1.0f};
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8}) {
    TestPage page({.page_tokens = 16, .head_dim = 6}, format);
    page.write(0, wild, wild);
    for (const std::vector<float>& out : {page.key(0), page.value(0)}) {
      EXPECT_EQ(out[0], 0.0f);
      EXPECT_NEAR(out[1], 65504.0f, 64.0f);
      EXPECT_NEAR(out[2], -65504.0f, 64.0f);
      EXPECT_NEAR(out[3], 65504.0f, 64.0f);
      EXPECT_NEAR(out[4], -65504.0f, 64.0f);
    }
  }
}

TEST(PageCodec, WritingOneSlotLeavesTheOthersAlone) {
  std::mt19937 random(4);
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kQ8}) {
    TestPage page({.page_tokens = 16, .head_dim = 5}, format);
    for (int slot = 0; slot < 16; ++slot) {
      page.write(slot, random_vector(random, 5, 1.0f), random_vector(random, 5, 1.0f));
    }
    const TestPage before = page;
    page.write(7, {1, 2, 3, 4, 5}, {6, 7, 8, 9, 10});
    for (int slot = 0; slot < 16; ++slot) {
      if (slot == 7) continue;
      EXPECT_EQ(page.key(slot), before.key(slot));
      EXPECT_EQ(page.value(slot), before.value(slot));
    }
  }
}

}  // namespace
}  // namespace redknot
