// SPDX-License-Identifier: Apache-2.0
#include "kv/page_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <vector>

namespace redknot {
namespace {

using testing::HasSubstr;

std::unique_ptr<PagePool> make_pool(int f16_pages, int q8_pages, int f32_pages = 0) {
  return PagePool::create({.shape = {.page_tokens = 16, .head_dim = 24},
                           .page_count = {f16_pages, q8_pages, f32_pages}})
      .value();
}

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
      ASSERT_GE(shape.key_scales_offset(), shape.values_offset(KvFormat::kQ8) + elements);
      ASSERT_GE(shape.value_scales_offset(), shape.key_scales_offset() + scale_bytes);
      ASSERT_GE(shape.bytes(KvFormat::kQ8), shape.value_scales_offset() + scale_bytes);
      for (const KvFormat format : kKvFormats) {
        ASSERT_EQ(shape.values_offset(format) % 64, 0u);
        ASSERT_EQ(shape.bytes(format) % 64, 0u);
      }
      ASSERT_EQ(shape.key_scales_offset() % 2, 0u);
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
    ASSERT_GE(bounded.key_bounds_offset(KvFormat::kQ8), bounded.value_scales_offset() + 2 * 16);
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
}

TEST(PagePool, NewPagesAreAlignedDistinctAndZero) {
  const auto pool = make_pool(5, 7, 3);
  for (const KvFormat format : kKvFormats) {
    const std::size_t page_bytes = pool->shape().bytes(format);
    std::vector<const std::byte*> pages;
    while (pool->free_pages(format) > 0) {
      const PageId page = pool->allocate(format).value();
      EXPECT_EQ(pool->format(page), format);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pool->bytes(page)) % 64, 0u);
      EXPECT_TRUE(std::all_of(pool->bytes(page), pool->bytes(page) + page_bytes,
                              [](std::byte byte) { return byte == std::byte{0}; }));
      pages.push_back(pool->bytes(page));
    }
    std::sort(pages.begin(), pages.end());
    ASSERT_EQ(static_cast<int>(pages.size()), pool->total_pages(format));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(pages[0]) % (2u << 20), 0u);
    for (std::size_t i = 1; i < pages.size(); ++i) {
      EXPECT_EQ(pages[i], pages[i - 1] + page_bytes);
    }
  }
  EXPECT_TRUE(pool->check());
}

TEST(PagePool, EmptyFormatRefusesWithResourceExhausted) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  EXPECT_EQ(pool->allocate(KvFormat::kQ8).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(pool->allocate(KvFormat::kF16).error().code(), ErrorCode::kResourceExhausted);
  pool->release(page);
  EXPECT_TRUE(pool->allocate(KvFormat::kF16).ok());
}

TEST(PagePool, SharedPageIsFreeOnlyAfterItsLastRelease) {
  const auto pool = make_pool(2, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->share(page);
  pool->release(page);
  EXPECT_EQ(pool->reference_count(page), 1);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 1);
  EXPECT_TRUE(pool->check());
  pool->release(page);
  EXPECT_EQ(pool->reference_count(page), 0);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 2);
  EXPECT_TRUE(pool->check());
}

TEST(PagePool, ReleasingASharedPageKeepsItsBytes) {
  const auto pool = make_pool(2, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->share(page);
  pool->bytes(page)[100] = std::byte{42};
  pool->release(page);
  EXPECT_EQ(pool->bytes(page)[100], std::byte{42});
}

TEST(PagePool, ShapesAndCountsOutOfRangeAreRefusedByName) {
  const auto refusal = [](PageShape shape, int f16_pages, int q8_pages) {
    const auto pool = PagePool::create({.shape = shape, .page_count = {f16_pages, q8_pages}});
    EXPECT_EQ(pool.error().code(), ErrorCode::kInvalidArgument);
    return pool.error().message();
  };
  for (const int page_tokens : {-16, 0, 8, 48, 256}) {
    EXPECT_THAT(refusal({.page_tokens = page_tokens, .head_dim = 8}, 1, 1),
                HasSubstr("page_tokens"));
  }
  for (const int head_dim : {-1, 0, 513}) {
    EXPECT_THAT(refusal({.page_tokens = 16, .head_dim = head_dim}, 1, 1), HasSubstr("head_dim"));
  }
  EXPECT_THAT(refusal({.page_tokens = 16, .head_dim = 8}, -1, 1), HasSubstr("page_count"));
  EXPECT_THAT(refusal({.page_tokens = 16, .head_dim = 8}, 0, 0), HasSubstr("page_count"));
}

TEST(PagePool, MoreThanTheSystemHasIsRefusedWithTheSize) {
  const int most = std::numeric_limits<int>::max();
  const auto pool = PagePool::create(
      {.shape = {.page_tokens = 128, .head_dim = 512}, .page_count = {most, most}});
  ASSERT_EQ(pool.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(pool.error().message(),
              testing::MatchesRegex("create page pool: allocate [0-9]+ MiB: .*"));
}

TEST(PagePoolDeathTest, ReleasingAFreePageAborts) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->release(page);
  EXPECT_DEATH(pool->release(page), "reference_count");
  EXPECT_DEATH(pool->share(page), "reference_count");
}

}  // namespace
}  // namespace redknot
