// SPDX-License-Identifier: Apache-2.0
#include "kv/page_memory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace redknot {
namespace {

using testing::HasSubstr;

PageOptions options(int f16_pages, int q8_pages, int f32_pages, int k8v4_pages) {
  return {.shape = {.page_tokens = 16, .head_dim = 24},
          .page_count = {f16_pages, q8_pages, f32_pages, k8v4_pages}};
}

std::unique_ptr<PageMemory> make_memory(int f16_pages, int q8_pages, int f32_pages = 0,
                                        int k8v4_pages = 0) {
  return PageMemory::create(options(f16_pages, q8_pages, f32_pages, k8v4_pages)).value();
}

// What names its frames.
std::unique_ptr<PageAllocator> make_pages(int f16_pages, int q8_pages, int f32_pages = 0,
                                          int k8v4_pages = 0) {
  return PageAllocator::create(options(f16_pages, q8_pages, f32_pages, k8v4_pages)).value();
}

TEST(PageMemory, NewPagesAreAlignedDistinctAndZero) {
  const auto pool = make_pages(5, 7, 3, 4);
  const auto memory = make_memory(5, 7, 3, 4);
  for (const KvFormat format : kKvFormats) {
    const std::size_t page_bytes = pool->shape().bytes(format);
    std::vector<const std::byte*> pages;
    while (pool->free_pages(format) > 0) {
      const PageId page = pool->allocate(format).value();
      EXPECT_EQ(pool->format(page), format);
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory->bytes(pool->frame(page))) % 64, 0u);
      EXPECT_TRUE(std::all_of(memory->bytes(pool->frame(page)),
                              memory->bytes(pool->frame(page)) + page_bytes,
                              [](std::byte byte) { return byte == std::byte{0}; }));
      pages.push_back(memory->bytes(pool->frame(page)));
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

TEST(PageMemory, ReleasingASharedPageKeepsItsBytes) {
  const auto pool = make_pages(2, 0);
  const auto memory = make_memory(2, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->share(page);
  memory->bytes(pool->frame(page))[100] = std::byte{42};
  pool->release(page);
  EXPECT_EQ(memory->bytes(pool->frame(page))[100], std::byte{42});
}

TEST(PageMemory, MoreThanTheSystemHasIsRefusedWithTheSize) {
  const int most = std::numeric_limits<int>::max();
  const auto pool = PageMemory::create(
      {.shape = {.page_tokens = 128, .head_dim = 512}, .page_count = {most, most}});
  ASSERT_EQ(pool.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(pool.error().message(),
              testing::MatchesRegex("create page pool: allocate [0-9]+ MiB: .*"));
}

TEST(PageMemory, ShapesAndCountsOutOfRangeAreRefusedByName) {
  const auto refusal = [](PageShape shape, int f16_pages, int q8_pages) {
    const auto pool = PageMemory::create({.shape = shape, .page_count = {f16_pages, q8_pages}});
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

TEST(PageMemory, CopiesAllBytesOfAFrame) {
  const auto memory = make_memory(3, 2);
  const std::size_t bytes = memory->shape().bytes(KvFormat::kF16);
  std::fill_n(memory->bytes(FrameId{0}), bytes, std::byte{7});
  memory->copy(FrameId{0}, FrameId{2});
  EXPECT_TRUE(std::all_of(memory->bytes(FrameId{2}), memory->bytes(FrameId{2}) + bytes,
                          [](std::byte byte) { return byte == std::byte{7}; }));
  EXPECT_EQ(memory->bytes(FrameId{1})[bytes - 1], std::byte{0});
  EXPECT_EQ(memory->bytes(FrameId{3})[0], std::byte{0});
}

TEST(PageMemoryDeathTest, AFrameIsNotCopiedToAnotherFormat) {
  const auto memory = make_memory(3, 2);
  EXPECT_DEATH(memory->copy(FrameId{0}, FrameId{3}), "format");
}

}  // namespace
}  // namespace redknot
