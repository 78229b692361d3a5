// SPDX-License-Identifier: Apache-2.0
#include "kv/page_shape.h"

#include <gtest/gtest.h>

namespace redknot {
namespace {

TEST(PageShape, PartsOfAPageFollowEachOtherWithoutOverlap) {
  for (const int page_tokens : {16, 32, 64, 128}) {
    for (int head_dim = 1; head_dim <= 512; ++head_dim) {
      const PageShape shape{.page_tokens = page_tokens, .head_dim = head_dim};
      const std::size_t elements = static_cast<std::size_t>(page_tokens) * head_dim;
      const auto scale_bytes = static_cast<std::size_t>(2 * page_tokens);
      ASSERT_GE(shape.values_offset(KvFormat::kF16), 2 * elements);
      ASSERT_GE(shape.bytes(KvFormat::kF16), shape.values_offset(KvFormat::kF16) + 2 * elements);
      ASSERT_GE(shape.values_offset(KvFormat::kF32), 4 * elements);
      ASSERT_GE(shape.bytes(KvFormat::kF32), shape.values_offset(KvFormat::kF32) + 4 * elements);
      ASSERT_GE(shape.values_offset(KvFormat::kQ8), elements);
      ASSERT_GE(shape.key_scales_offset(KvFormat::kQ8),
                shape.values_offset(KvFormat::kQ8) + elements);
      ASSERT_GE(shape.bytes(KvFormat::kQ8), shape.value_scales_offset(KvFormat::kQ8) + scale_bytes);
      const auto blocks = static_cast<std::size_t>((head_dim + 31) / 32);
      ASSERT_GE(shape.values_offset(KvFormat::kK8V4), elements);
      ASSERT_GE(shape.key_scales_offset(KvFormat::kK8V4),
                shape.values_offset(KvFormat::kK8V4) + blocks * 16 * page_tokens);
      ASSERT_GE(shape.value_minima_offset(),
                shape.value_scales_offset(KvFormat::kK8V4) + scale_bytes * blocks);
      ASSERT_GE(shape.bytes(KvFormat::kK8V4), shape.value_minima_offset() + scale_bytes * blocks);
      for (const KvFormat format : {KvFormat::kQ8, KvFormat::kK8V4}) {
        ASSERT_EQ(shape.key_scales_offset(format) % 2, 0u);
        ASSERT_GE(shape.value_scales_offset(format), shape.key_scales_offset(format) + scale_bytes);
      }
      for (const KvFormat format : kKvFormats) {
        ASSERT_EQ(shape.values_offset(format) % 64, 0u);
        ASSERT_EQ(shape.bytes(format) % 64, 0u);
      }
    }
  }
}

TEST(PageShape, KeyBoundsComeLast) {
  for (const int head_dim : {1, 7, 64, 80, 128, 511}) {
    const PageShape plain{.page_tokens = 16, .head_dim = head_dim};
    PageShape bounded = plain;
    bounded.key_bounds = true;
    for (const KvFormat format : kKvFormats) {
      const std::size_t at = bounded.key_bounds_offset(format);
      ASSERT_EQ(at % 2, 0u);
      ASSERT_LE(at, plain.bytes(format));
      ASSERT_GE(bounded.bytes(format), at + std::size_t{4} * head_dim);
      ASSERT_EQ(bounded.bytes(format) % 64, 0u);
    }
    ASSERT_GE(bounded.key_bounds_offset(KvFormat::kQ8),
              bounded.value_scales_offset(KvFormat::kQ8) + 2 * 16);
    ASSERT_GE(bounded.key_bounds_offset(KvFormat::kK8V4), bounded.value_minima_offset() + 2 * 16);
    ASSERT_GE(bounded.key_bounds_offset(KvFormat::kF16),
              bounded.values_offset(KvFormat::kF16) + std::size_t{2} * 16 * head_dim);
  }
}

TEST(PageShape, HasKeyBoundsIfAnyHeadSelectsPages) {
  HeadProfile profile = uniform_profile(2, 2, {});
  EXPECT_FALSE(page_shape(profile, 16, 8).key_bounds);
  profile.policies[3] = {.head_class = HeadClass::kRetrieval, .window_tokens = 1, .top_pages = 1};
  EXPECT_TRUE(page_shape(profile, 16, 8).key_bounds);
}

TEST(PageShape, WastesNothingAtCommonHeadSizes) {
  const PageShape shape{.page_tokens = 64, .head_dim = 128};
  EXPECT_EQ(shape.bytes(KvFormat::kF16), 64u * 128 * 2 * 2);
  EXPECT_EQ(shape.bytes(KvFormat::kQ8), 64u * (128 + 2) * 2);
  EXPECT_EQ(shape.bytes(KvFormat::kF32), 64u * 128 * 4 * 2);
  EXPECT_EQ(shape.bytes(KvFormat::kK8V4), 64u * (128 + 2 + 64 + 4 * 4));
}

}  // namespace
}  // namespace redknot
