// SPDX-License-Identifier: Apache-2.0
#include "tensor/half.h"

#include <cmath>
#include <cstdint>

#include "gtest/gtest.h"

namespace redknot {
namespace {

// What the bits of a half mean, by the definition of IEEE 754 binary16.
double half_value(std::uint16_t half) {
  const int exponent = (half >> 10) & 31;
  const int fraction = half & 1023;
  const double sign = half & 0x8000 ? -1.0 : 1.0;
  if (exponent == 31) return fraction ? NAN : sign * INFINITY;
  if (exponent == 0) return sign * std::ldexp(fraction, -24);
  return sign * std::ldexp(1024 + fraction, exponent - 25);
}

TEST(Half, EveryHalfConvertsToItsValueAndBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<std::uint16_t>(bits);
    const float value = f16_to_f32(half);
    if (std::isnan(half_value(half))) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      ASSERT_TRUE(std::isnan(f16_to_f32(f32_to_f16(value)))) << bits;
      continue;
    }
    ASSERT_EQ(value, half_value(half)) << bits;
    ASSERT_EQ(std::signbit(value), (half & 0x8000) != 0) << bits;
    ASSERT_EQ(f32_to_f16(value), half) << bits;
  }
}

TEST(Half, RoundsToTheNearestAndTiesToEven) {
  for (std::uint32_t bits = 0; bits < 0x7bffu; ++bits) {
    const auto low = static_cast<std::uint16_t>(bits);
    const auto high = static_cast<std::uint16_t>(bits + 1);
    const float middle = (f16_to_f32(low) + f16_to_f32(high)) / 2;  // exact in a float
    ASSERT_EQ(f32_to_f16(middle), bits % 2 == 0 ? low : high) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 0.0f)), low) << bits;
    ASSERT_EQ(f32_to_f16(std::nextafter(middle, 1e9f)), high) << bits;
    ASSERT_EQ(f32_to_f16(-middle), f32_to_f16(middle) | 0x8000) << bits;
  }
}

TEST(Half, LargeValuesBecomeInfinity) {
  EXPECT_EQ(f32_to_f16(65519.996f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(3e38f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-INFINITY), 0xfc00);
}

TEST(Half, RoundsUpAndDownToTheNextHalfOrToItself) {
  for (std::uint32_t bits = 0; bits < 0x7bffu; ++bits) {
    const float low = f16_to_f32(static_cast<std::uint16_t>(bits));
    const float high = f16_to_f32(static_cast<std::uint16_t>(bits + 1));
    for (const float sign : {1.0f, -1.0f}) {
      const float exact = sign * low;
      ASSERT_EQ(f16_to_f32(f32_to_f16_up(exact)), exact);
      ASSERT_EQ(f16_to_f32(f32_to_f16_down(exact)), exact);
      for (const float between :
           {std::nextafter(low, high), (low + high) / 2, std::nextafter(high, low)}) {
        const float up = sign > 0 ? high : -low;
        const float down = sign > 0 ? low : -high;
        ASSERT_EQ(f16_to_f32(f32_to_f16_up(sign * between)), up) << bits;
        ASSERT_EQ(f16_to_f32(f32_to_f16_down(sign * between)), down) << bits;
      }
    }
  }
  EXPECT_EQ(f32_to_f16_up(1e9f), 0x7bff);
  EXPECT_EQ(f32_to_f16_down(-1e9f), 0xfbff);
  EXPECT_EQ(f32_to_f16_up(-1e9f), 0xfbff);
}

TEST(Half, EveryBfloatConvertsToItsValueAndBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto bfloat = static_cast<std::uint16_t>(bits);
    const float value = bf16_to_f32(bfloat);
    if (std::isnan(value)) {
      ASSERT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(value)))) << bits;
      continue;
    }
    ASSERT_EQ(f32_to_bf16(value), bfloat) << bits;
    if (!std::isfinite(value) || bits == 0x7f7f || bits == 0xff7f) continue;
    const float next = bf16_to_f32(static_cast<std::uint16_t>(bits + 1));
    const auto middle = static_cast<float>((static_cast<double>(value) + next) / 2);
    ASSERT_EQ(f32_to_bf16(middle), bits % 2 == 0 ? bits : bits + 1) << bits;
  }
}

}  // namespace
}  // namespace redknot
