// SPDX-License-Identifier: Apache-2.0
#include "sched/composition.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kv/kv_cache.h"

namespace redknot {
namespace {

// A prompt of tokens 0, 1, 2, ... of which ranges are segments; the text behind them is a question.
struct Prompted {
  Prompt prompt{};
  std::vector<SequencePart> parts{};
  RecoveryOptions recovery{};
  std::string salt{};
  Chain chain() const { return chain_of({prompt.tokens, parts, recovery, salt}, 16); }
};

Prompted prompted(int length, std::vector<PositionRange> segments,
                  RecoveryPolicy policy = RecoveryPolicy::kKnot) {
  Prompted out;
  out.prompt.tokens.resize(static_cast<std::size_t>(length));
  for (int i = 0; i < length; ++i) out.prompt.tokens[static_cast<std::size_t>(i)] = TokenId{i};
  out.prompt.reusable = std::move(segments);
  out.prompt.text_ends = {length};
  if (!out.prompt.reusable.empty()) {
    out.prompt.context_tokens = out.prompt.reusable.front().begin;
  }
  out.parts = parts_of(out.prompt, "");
  out.recovery = {.policy = policy, .ratio = 0.5};
  return out;
}

class CompositionTest : public testing::Test {
 protected:
  void keep(const Prompted& one) {
    SequenceKv kv(*pool_, profile_);
    for (const SequencePart& part : one.parts) {
      if (part.segment) {
        adopt(part, kv);
        continue;
      }
      ASSERT_TRUE(kv.extend(part.tokens()).ok());
      if (part.positions.end < static_cast<int>(one.prompt.tokens.size())) kv.end_page();
    }
    cache_.keep_prefix(one.chain(), kv);
    ASSERT_TRUE(cache_.check());
  }
  // A segment that is named by its key, so that it can be dropped.
  void adopt(const SequencePart& part, SequenceKv& kv) {
    if (cache_.segments().find(*part.segment) == nullptr) {
      SequenceKv build(*pool_, profile_);
      ASSERT_TRUE(build.extend(part.tokens()).ok());
      cache_.add_segment(*part.segment, Segment(*pool_, build, {0, part.tokens()}),
                         {"", hex(*part.segment)}, [] { return true; });
    }
    cache_.segments().find(*part.segment)->adopt_into(kv);
  }
  void evict_until_free(int pages) {
    cache_.evict_until([pages] { return PageCounts{pages, 0, 0}; });
    ASSERT_TRUE(cache_.check());
  }
  // How many tokens of a prompt are found.
  int found(const Prompted& one, int most_tokens = 1000) {
    const auto kv = cache_.find_prefix(one.chain(), most_tokens);
    EXPECT_TRUE(!kv || kv->check());
    return kv ? kv->length() : 0;
  }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create(
          {.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {200, 0, 0}})
          .value();
  KvCache cache_{*pool_, profile_, {}};
};

TEST_F(CompositionTest, FindsWhatTwoPromptsBeginWith) {
  keep(prompted(50, {}));
  EXPECT_EQ(found(prompted(80, {})), 50);
  EXPECT_EQ(found(prompted(30, {})), 30);
  EXPECT_EQ(found(prompted(80, {}), 20), 20);
  Prompted other = prompted(80, {});
  other.prompt.tokens[33] = TokenId{7};
  EXPECT_EQ(found(other), 33);
}

TEST_F(CompositionTest, NothingIsFoundUnderAnotherSalt) {
  Prompted mine = prompted(50, {});
  mine.salt = "mine";
  keep(mine);
  EXPECT_EQ(found(mine), 50);
  EXPECT_EQ(found(prompted(50, {})), 0);
}

TEST_F(CompositionTest, PagesThatWereChosenTogetherAreFoundTogether) {
  keep(prompted(100, {{5, 20}, {20, 40}, {40, 60}}));
  EXPECT_EQ(found(prompted(100, {{5, 20}, {20, 40}, {40, 60}})), 100);
  // The same tokens, cut otherwise: knot chose among other segments.
  EXPECT_EQ(found(prompted(100, {{5, 20}, {20, 60}})), 0);
  EXPECT_EQ(found(prompted(100, {{5, 20}, {20, 40}, {40, 50}, {50, 60}})), 0);
  // Another question.
  Prompted other = prompted(100, {{5, 20}, {20, 40}, {40, 60}});
  other.prompt.tokens[99] = TokenId{7};
  EXPECT_EQ(found(other), 0);
  // Policies that look at each segment by itself find those before.
  keep(prompted(100, {{5, 20}, {20, 40}, {40, 60}}, RecoveryPolicy::kBoundary));
  EXPECT_EQ(found(prompted(100, {{5, 20}, {20, 40}, {40, 50}}, RecoveryPolicy::kBoundary)), 40);
}

TEST_F(CompositionTest, WhatWasUsedLongestAgoGoesFirst) {
  keep(prompted(50, {}));
  Prompted other = prompted(40, {});
  other.prompt.tokens[0] = TokenId{7};
  keep(other);
  EXPECT_EQ(found(prompted(50, {})), 50);
  evict_until_free(196);  // all but the four pages of the first
  EXPECT_EQ(found(other), 0);
  EXPECT_EQ(found(prompted(50, {})), 50);
  evict_until_free(200);
  EXPECT_EQ(cache_.prefixes().nodes(), 0);
  EXPECT_EQ(found(prompted(50, {})), 0);
  EXPECT_EQ(pool_->free_pages(KvFormat::kF16), 200);
}

TEST_F(CompositionTest, APrefixIsEvictedFromItsEnd) {
  keep(prompted(50, {}));
  evict_until_free(198);
  EXPECT_EQ(found(prompted(50, {})), 32);
}

TEST_F(CompositionTest, GoesWithASegmentThatItHolds) {
  const Prompted one = prompted(100, {{5, 20}, {20, 40}});
  keep(one);
  keep(prompted(30, {}));
  EXPECT_EQ(cache_.drop_segments("", hex(*one.parts[2].segment)), 1);
  EXPECT_TRUE(cache_.check());
  EXPECT_EQ(found(one), 0);
  EXPECT_EQ(found(prompted(30, {})), 30);
}

// What knot chose of two segments together cannot be had for the first of them alone.
TEST_F(CompositionTest, NobodyGoesOnBetweenSegmentsThatWereChosenTogether) {
  const auto bound = [](const Prompted& one) {
    std::vector<bool> out;
    const Chain chain = one.chain();
    for (const ChainBlock& block : chain.blocks) out.push_back(block.is_bound);
    return out;
  };
  // The context, a segment, a separator, a segment, and a question of two pages.
  const std::vector<PositionRange> segments = {{5, 20}, {24, 60}};
  EXPECT_EQ(bound(prompted(80, segments)),
            (std::vector<bool>{true, true, true, false, false, false}));
  EXPECT_EQ(bound(prompted(80, segments, RecoveryPolicy::kBoundary)),
            (std::vector<bool>(6, false)));
}

TEST_F(CompositionTest, EverySettingOfRecoveryChangesTheKeyOfASegment) {
  const auto key = [](const RecoveryOptions& recovery) {
    Prompted one = prompted(80, {{5, 20}});
    one.recovery = recovery;
    return one.chain().blocks[1].composition;
  };
  using Policy = RecoveryPolicy;
  const RecoveryOptions first{.policy = Policy::kElastic, .ratio = 0.25};
  std::vector<RecoveryOptions> others(9, first);
  others[0].policy = Policy::kBoundary;
  others[1].ratio = 0.5;
  others[2].least_tokens = 1;
  others[3].boundary_tokens = 1;
  others[4].elastic.dense_until = 1;
  others[5].elastic.mass = 0.25;
  others[6].elastic.deep_start = 1;
  others[7].elastic.mass_deep = 0.25;
  others[8].elastic.recent_tokens = 1;
  EXPECT_EQ(key(first), key(first));
  for (const RecoveryOptions& other : others) EXPECT_NE(key(first), key(other));
}

}  // namespace
}  // namespace redknot
