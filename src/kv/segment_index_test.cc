// SPDX-License-Identifier: Apache-2.0
#include "kv/segment_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

namespace redknot {
namespace {

using testing::ElementsAre;

SegmentKey key_of(int number) {
  SegmentKey key{};
  key[0] = std::byte(number & 0xff);
  key[1] = std::byte(number >> 8 & 0xff);
  return key;
}

class SegmentIndexTest : public testing::Test {
 protected:
  Segment make(int tokens) {
    SequenceKv kv(*pool_, profile_);
    EXPECT_TRUE(kv.extend(tokens).ok());
    return {*pool_, kv, {0, tokens}};
  }
  bool has(int number) const { return index_.find(key_of(number)) != nullptr; }
  void use(int number) {
    index_.pin(key_of(number), 0);
    index_.unpin(key_of(number));
  }
  void make_room(int pages) {
    while (free() < pages) {
      const auto least = index_.least_worth();
      if (!least) return;
      index_.evict(least->key);
    }
  }
  int free() const { return pool_->free_pages(KvFormat::kF16); }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create({.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {12, 0, 0}})
          .value();
  SegmentIndex index_;
};

TEST_F(SegmentIndexTest, FindsWhatWasInserted) {
  EXPECT_FALSE(has(1));
  index_.insert(key_of(1), make(20));
  ASSERT_TRUE(has(1));
  EXPECT_EQ(index_.find(key_of(1))->tokens(), 20);
  EXPECT_THAT(index_.pages(), ElementsAre(2, 0, 0));
  EXPECT_THAT(index_.pinned_pages(), ElementsAre(0, 0, 0));
  EXPECT_TRUE(index_.check());
}

TEST_F(SegmentIndexTest, PinnedSegmentsStay) {
  for (int i = 0; i < 3; ++i) index_.insert(key_of(i), make(64));
  index_.pin(key_of(1), 0);
  index_.pin(key_of(1), 0);
  index_.unpin(key_of(1));
  EXPECT_THAT(index_.pinned_pages(), ElementsAre(4, 0, 0));
  make_room(12);  // cannot be
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(0) || has(2));
  EXPECT_EQ(free(), 8);
  EXPECT_EQ(index_.evictions(), 2u);
  index_.unpin(key_of(1));
  make_room(12);
  EXPECT_EQ(index_.segments(), 0);
  EXPECT_TRUE(index_.check());
}

TEST_F(SegmentIndexTest, NoMoreGoThanAreInTheWay) {
  for (int i = 0; i < 3; ++i) index_.insert(key_of(i), make(64));
  make_room(0);
  EXPECT_EQ(index_.segments(), 3);
  make_room(1);
  EXPECT_EQ(index_.segments(), 2);
}

TEST_F(SegmentIndexTest, SaysWhenTheNextToGoWasUsed) {
  index_.insert(key_of(0), make(16));
  index_.insert(key_of(1), make(64));  // took longer to compute
  index_.pin(key_of(0), 7);
  index_.unpin(key_of(0));
  index_.pin(key_of(1), 5);
  ASSERT_TRUE(index_.least_worth().has_value());
  EXPECT_EQ(index_.least_worth()->key, key_of(0));
  EXPECT_EQ(index_.least_worth()->used, 7u);
  index_.evict(key_of(0));
  EXPECT_FALSE(index_.least_worth().has_value());
}

TEST_F(SegmentIndexTest, WhatComesOnceGoesBeforeWhatComesAgain) {
  index_.insert(key_of(0), make(32));
  use(0);
  use(0);
  // Fifty documents that come once do not drive out the one that came twice.
  for (int i = 1; i <= 50; ++i) {
    make_room(4);
    index_.insert(key_of(i), make(64));
    use(i);
  }
  EXPECT_TRUE(has(0));
  // Others that come again and again do.
  for (int round = 0; round < 6; ++round) {
    for (int i = 100; i < 103; ++i) {
      if (!has(i)) {
        make_room(4);
        index_.insert(key_of(i), make(64));
      }
      use(i);
    }
  }
  EXPECT_FALSE(has(0));
}

TEST_F(SegmentIndexTest, CountsAddUpWhateverHappens) {
  std::mt19937 random(4);
  std::vector<int> pinned;
  for (int step = 0; step < 3000; ++step) {
    const int number = static_cast<int>(random() % 40);
    const int tokens = 1 + static_cast<int>(random() % 90);
    const int pages = (tokens + 15) / 16;
    if (!has(number)) {
      make_room(pages);
      if (free() >= pages) index_.insert(key_of(number), make(tokens));
    } else if (random() % 2 == 0) {
      index_.pin(key_of(number), 0);
      pinned.push_back(number);
    }
    if (!pinned.empty() && random() % 2 == 0) {
      std::swap(pinned[random() % pinned.size()], pinned.back());
      index_.unpin(key_of(pinned.back()));
      pinned.pop_back();
    }
    for (const int one : pinned) ASSERT_TRUE(has(one));
    ASSERT_TRUE(index_.check() && pool_->check());
    ASSERT_EQ(free() + index_.pages()[0], 12);
  }
  EXPECT_GT(index_.evictions(), 100u);
}

}  // namespace
}  // namespace redknot
