// SPDX-License-Identifier: Apache-2.0
#include "kv/page_allocator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <set>
#include <utility>
#include <vector>

namespace redknot {
namespace {

using testing::HasSubstr;

std::unique_ptr<PageAllocator> make_pool(int f16_pages, int q8_pages, int f32_pages = 0) {
  return PageAllocator::create({.shape = {.page_tokens = 16, .head_dim = 24},
                                .page_count = {f16_pages, q8_pages, f32_pages}})
      .value();
}

TEST(PageAllocator, EmptyFormatRefusesWithResourceExhausted) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  EXPECT_EQ(pool->allocate(KvFormat::kQ8).error().code(), ErrorCode::kResourceExhausted);
  EXPECT_EQ(pool->allocate(KvFormat::kF16).error().code(), ErrorCode::kResourceExhausted);
  pool->release(page);
  EXPECT_TRUE(pool->allocate(KvFormat::kF16).ok());
}

TEST(PageAllocator, SharedPageIsFreeOnlyAfterItsLastRelease) {
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

TEST(PageAllocator, ShapesAndCountsOutOfRangeAreRefusedByName) {
  const auto refusal = [](PageShape shape, int f16_pages, int q8_pages) {
    const auto pool = PageAllocator::create({.shape = shape, .page_count = {f16_pages, q8_pages}});
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

TEST(PageAllocatorDeathTest, ReleasingAFreePageAborts) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->release(page);
  EXPECT_DEATH(pool->release(page), "reference_count");
  EXPECT_DEATH(pool->share(page), "reference_count");
}

TEST(PageAllocator, AUserAndAKeeperAreCountedApart) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->allocate(KvFormat::kF16).value();
  pool->share(page, Hold::kKeeps);
  EXPECT_EQ(pool->uses(page), 1);
  EXPECT_EQ(pool->reference_count(page), 2);
  pool->release(page);
  EXPECT_EQ(pool->uses(page), 0);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 0);
  pool->release(page, Hold::kKeeps);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 1);
}

TEST(PageAllocator, ADeclaredPageHasAFrameOnceItIsGivenOne) {
  const auto pool = make_pool(1, 0);
  const PageId page = pool->declare(KvFormat::kF16, {.object = 3, .page = 7});
  EXPECT_FALSE(pool->resident(page));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 1);
  EXPECT_TRUE(pool->check());
  const PageId other = pool->allocate(KvFormat::kF16).value();
  EXPECT_EQ(pool->give_frame(page).error().code(), ErrorCode::kResourceExhausted);
  pool->release(other);
  ASSERT_TRUE(pool->give_frame(page).ok());
  EXPECT_TRUE(pool->resident(page));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 0);
  EXPECT_TRUE(pool->check());
  pool->take_frame(page);
  EXPECT_FALSE(pool->resident(page));
  EXPECT_EQ(pool->home(page), (Home{3, 7}));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 1);
  pool->release(page, Hold::kKeeps);
  EXPECT_TRUE(pool->check());
}

TEST(PageAllocatorDeathTest, AFrameIsNotTakenFromUsersNorFromPagesWithoutAHome) {
  const auto pool = make_pool(2, 0);
  const PageId homeless = pool->allocate(KvFormat::kF16, Hold::kKeeps).value();
  EXPECT_DEATH(pool->release(homeless, Hold::kUses), "count");
  EXPECT_DEATH(pool->take_frame(homeless), "home");
  pool->set_home(homeless, {.object = 1});
  pool->share(homeless);
  EXPECT_DEATH(pool->take_frame(homeless), "uses");
  pool->release(homeless);
  pool->take_frame(homeless);
  EXPECT_DEATH(pool->set_home(homeless, {}), "resident");
}

TEST(PageAllocator, InvariantsHoldWhateverHappens) {
  const auto pool = make_pool(6, 3);
  std::mt19937 random(5);
  std::vector<std::pair<PageId, Hold>> holds;
  const auto any = [&] { return holds[random() % holds.size()].first; };
  for (int step = 0; step < 5000; ++step) {
    const Hold hold = random() % 2 == 0 ? Hold::kUses : Hold::kKeeps;
    const KvFormat format = random() % 3 == 0 ? KvFormat::kQ8 : KvFormat::kF16;
    const auto choice = random() % 5;
    if (choice == 0) {
      if (const auto page = pool->allocate(format, hold); page.ok())
        holds.emplace_back(*page, hold);
    } else if (choice == 1 && holds.size() < 30) {
      holds.emplace_back(pool->declare(format, {.object = 1}), Hold::kKeeps);
    } else if (choice == 2 && !holds.empty()) {
      holds.emplace_back(any(), hold);
      pool->share(holds.back().first, hold);
    } else if (choice == 3 && !holds.empty()) {
      std::swap(holds[random() % holds.size()], holds.back());
      pool->release(holds.back().first, holds.back().second);
      holds.pop_back();
    } else if (!holds.empty()) {
      const PageId page = any();
      if (!pool->resident(page)) {
        const bool given = pool->give_frame(page).ok();
        EXPECT_EQ(given, pool->resident(page));
      } else if (pool->uses(page) == 0 && pool->home(page).object != 0) {
        pool->take_frame(page);
      }
    }
    ASSERT_TRUE(pool->check());
    std::set<FrameId> frames;
    for (const auto& [page, unused] : holds) {
      if (pool->resident(page)) frames.insert(pool->frame(page));
    }
    ASSERT_EQ(static_cast<int>(frames.size()),
              9 - pool->free_pages(KvFormat::kF16) - pool->free_pages(KvFormat::kQ8));
  }
}

}  // namespace
}  // namespace redknot
