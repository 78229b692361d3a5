// SPDX-License-Identifier: Apache-2.0
#include "kv/segment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <utility>

namespace redknot {
namespace {

using testing::ElementsAre;

std::unique_ptr<PageAllocator> make_pool() {
  return PageAllocator::create(
             {.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {40, 40, 0}})
      .value();
}

HeadProfile mixed() {
  HeadProfile profile = uniform_profile(2, 2, {});
  profile.policies[1].kv_format = KvFormat::kQ8;
  return profile;
}

TEST(Segment, HoldsThePagesOfItsTokensBeyondTheSequence) {
  const auto pool = make_pool();
  const HeadProfile profile = mixed();
  std::optional<Segment> segment;
  {
    SequenceKv kv(*pool, profile);
    ASSERT_TRUE(kv.extend(5).ok());
    kv.end_page();
    ASSERT_TRUE(kv.extend(40).ok());
    segment.emplace(*pool, kv, PositionRange{5, 45});
  }
  EXPECT_EQ(segment->tokens(), 40);
  EXPECT_EQ(segment->canonical_position(), 5);
  EXPECT_THAT(segment->pages(),
              ElementsAre(PositionRange{0, 16}, PositionRange{16, 32}, PositionRange{32, 40}));
  EXPECT_THAT(segment->page_count(), ElementsAre(9, 3, 0, 0));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 40 - 9);
  Segment moved = std::move(*segment);
  segment.reset();
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 40 - 9);
  moved = Segment(std::move(moved));
  EXPECT_EQ(moved.tokens(), 40);
}

TEST(Segment, AnyNumberOfSequencesShareItsPagesWhereverItStands) {
  const auto pool = make_pool();
  const HeadProfile profile = mixed();
  std::vector<SequenceKv> readers;
  {
    SequenceKv kv(*pool, profile);
    ASSERT_TRUE(kv.extend(20).ok());
    const Segment segment(*pool, kv, {0, 20});
    for (int before = 0; before < 4; ++before) {
      SequenceKv& reader = readers.emplace_back(*pool, profile);
      ASSERT_TRUE(reader.extend(before).ok());
      segment.adopt_into(reader);
      segment.adopt_into(reader);
      ASSERT_TRUE(reader.extend(1).ok());
      EXPECT_EQ(reader.length(), before + 41);
      EXPECT_TRUE(reader.check());
      const PageTable& table = reader.table(1, 0);
      EXPECT_EQ(table.back().tokens, 1) << "what follows a segment has a page of its own";
      EXPECT_EQ(table[table.size() - 2].shift, before + 20);
      EXPECT_EQ(table[table.size() - 2].page, kv.table(1, 0)[1].page);
    }
  }
  // One copy of the segment, and of each reader its own tokens.
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 40 - 3 * (2 + 3 + 4));
  readers.clear();
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 40);
  EXPECT_TRUE(pool->check());
}

TEST(Segment, OfNoTokensIsNothing) {
  const auto pool = make_pool();
  const HeadProfile profile = mixed();
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(3).ok());
  const Segment segment(*pool, kv, {3, 3});
  EXPECT_EQ(segment.tokens(), 0);
  segment.adopt_into(kv);
  EXPECT_EQ(kv.length(), 3);
  EXPECT_TRUE(kv.check());
}

TEST(SegmentDeathTest, FromTheMiddleOfAPageAborts) {
  const auto pool = make_pool();
  const HeadProfile profile = mixed();
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(20).ok());
  EXPECT_DEATH(Segment(*pool, kv, {3, 20}), "entry.position == next");
}

}  // namespace
}  // namespace redknot
