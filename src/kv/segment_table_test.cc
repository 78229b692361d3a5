// SPDX-License-Identifier: Apache-2.0
#include "kv/segment_table.h"

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

class SegmentTableTest : public testing::Test {
 protected:
  Segment make(int tokens) {
    SequenceKv kv(*pool_, profile_);
    EXPECT_TRUE(kv.extend(tokens).ok());
    return {*pool_, kv, {0, tokens}};
  }
  bool has(int number) const { return table_.find(key_of(number)) != nullptr; }
  void use(int number) {
    table_.acquire(key_of(number), 0);
    table_.release(key_of(number));
  }
  void evict_until_free(int pages) {
    while (free() < pages) {
      const auto least = order_.next();
      if (!least) return;
      table_.evict(least->key);
    }
  }
  int free() const { return pool_->free_pages(KvFormat::kF16); }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create({.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {12, 0, 0}})
          .value();
  EvictionOrder order_;
  UseMemory memory_;
  SegmentTable table_{pool_->shape(), order_, memory_};
};

TEST_F(SegmentTableTest, FindsWhatWasInserted) {
  EXPECT_FALSE(has(1));
  table_.insert(key_of(1), make(20));
  ASSERT_TRUE(has(1));
  EXPECT_EQ(table_.find(key_of(1))->tokens(), 20);
  EXPECT_THAT(table_.pages(), ElementsAre(2, 0, 0, 0));
  EXPECT_THAT(table_.used_pages(), ElementsAre(0, 0, 0, 0));
  EXPECT_TRUE(table_.check());
}

TEST_F(SegmentTableTest, SegmentsInUseStay) {
  for (int i = 0; i < 3; ++i) table_.insert(key_of(i), make(64));
  table_.acquire(key_of(1), 0);
  table_.acquire(key_of(1), 0);
  table_.release(key_of(1));
  EXPECT_THAT(table_.used_pages(), ElementsAre(4, 0, 0, 0));
  evict_until_free(12);  // cannot be
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(0) || has(2));
  EXPECT_EQ(free(), 8);
  EXPECT_EQ(table_.evictions(), 2u);
  table_.release(key_of(1));
  evict_until_free(12);
  EXPECT_EQ(table_.segments(), 0);
  EXPECT_TRUE(table_.check());
}

TEST_F(SegmentTableTest, NoMoreGoThanAreInTheWay) {
  for (int i = 0; i < 3; ++i) table_.insert(key_of(i), make(64));
  evict_until_free(0);
  EXPECT_EQ(table_.segments(), 3);
  evict_until_free(1);
  EXPECT_EQ(table_.segments(), 2);
}

TEST_F(SegmentTableTest, SaysWhenTheNextToGoWasUsed) {
  table_.insert(key_of(0), make(16));
  table_.insert(key_of(1), make(64));  // took longer to compute
  table_.acquire(key_of(0), 7);
  table_.release(key_of(0));
  table_.acquire(key_of(1), 5);
  ASSERT_TRUE(order_.next().has_value());
  EXPECT_EQ(order_.next()->key, key_of(0));
  EXPECT_EQ(order_.next()->used, 7u);
  table_.evict(key_of(0));
  EXPECT_FALSE(order_.next().has_value());
}

TEST_F(SegmentTableTest, WhatComesOnceGoesBeforeWhatComesAgain) {
  table_.insert(key_of(0), make(32));
  use(0);
  use(0);
  // Fifty documents that come once do not drive out the one that came twice.
  for (int i = 1; i <= 50; ++i) {
    evict_until_free(4);
    table_.insert(key_of(i), make(64));
    use(i);
  }
  EXPECT_TRUE(has(0));
  // Others that come again and again do.
  for (int round = 0; round < 6; ++round) {
    for (int i = 100; i < 103; ++i) {
      if (!has(i)) {
        evict_until_free(4);
        table_.insert(key_of(i), make(64));
      }
      use(i);
    }
  }
  EXPECT_FALSE(has(0));
}

TEST_F(SegmentTableTest, PinnedSegmentsStay) {
  for (int i = 0; i < 3; ++i) table_.insert(key_of(i), make(64));
  table_.pin(key_of(1));
  evict_until_free(12);  // cannot be
  EXPECT_TRUE(has(1));
  EXPECT_FALSE(has(0) || has(2));
  table_.acquire(key_of(1), 0);
  table_.unpin(key_of(1));
  evict_until_free(12);
  EXPECT_TRUE(has(1));
  table_.release(key_of(1));
  evict_until_free(12);
  EXPECT_FALSE(has(1));
}

TEST_F(SegmentTableTest, FindsSegmentsByTheirNames) {
  table_.insert(key_of(1), make(20), {"mine", "a"});
  table_.insert(key_of(2), make(20), {"mine", "a"});
  table_.insert(key_of(3), make(20), {"mine", "b"});
  table_.insert(key_of(4), make(20), {"yours", "a"});
  EXPECT_THAT(table_.named({"mine", "a"}), ElementsAre(key_of(1), key_of(2)));
  EXPECT_THAT(table_.named({"mine", ""}), ElementsAre(key_of(1), key_of(2), key_of(3)));
  EXPECT_THAT(table_.named({"nobody", ""}), testing::IsEmpty());
  table_.erase(key_of(1));
  EXPECT_THAT(table_.named({"mine", "a"}), ElementsAre(key_of(2)));
}

TEST_F(SegmentTableTest, CountsAddUpWhateverHappens) {
  std::mt19937 random(4);
  std::vector<int> acquired;
  for (int step = 0; step < 3000; ++step) {
    const int number = static_cast<int>(random() % 40);
    const int tokens = 1 + static_cast<int>(random() % 90);
    const int pages = (tokens + 15) / 16;
    if (!has(number)) {
      evict_until_free(pages);
      if (free() >= pages) table_.insert(key_of(number), make(tokens));
    } else if (random() % 2 == 0) {
      table_.acquire(key_of(number), 0);
      acquired.push_back(number);
    }
    if (!acquired.empty() && random() % 2 == 0) {
      std::swap(acquired[random() % acquired.size()], acquired.back());
      table_.release(key_of(acquired.back()));
      acquired.pop_back();
    }
    for (const int one : acquired) ASSERT_TRUE(has(one));
    ASSERT_TRUE(table_.check() && order_.check() && pool_->check());
    ASSERT_EQ(order_.kept_bytes(), pool_->shape().bytes(table_.pages()));
    ASSERT_EQ(free() + table_.pages()[0], 12);
  }
  EXPECT_GT(table_.evictions(), 100u);
}

}  // namespace
}  // namespace redknot
