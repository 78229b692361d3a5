// SPDX-License-Identifier: Apache-2.0
#include "sched/prefix_index.h"

#include <gtest/gtest.h>

#include <numeric>
#include <optional>
#include <string>

namespace redknot {
namespace {

// A prompt of tokens 0, 1, 2, ... of which ranges are segments; the text behind them is a question.
struct Prompted {
  Prompt prompt{};
  std::vector<SequencePart> parts{};
  RecoveryOptions recovery{};
  std::string salt{};
  ComposedTokens composed() const { return {prompt.tokens, parts, recovery, salt}; }
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

class PrefixIndexTest : public testing::Test {
 protected:
  void keep(const Prompted& one) {
    SequenceKv kv(*pool_, profile_);
    for (const SequencePart& part : one.parts) {
      ASSERT_TRUE(kv.extend(part.tokens()).ok());
      if (part.positions.end < static_cast<int>(one.prompt.tokens.size())) kv.end_page();
    }
    index_.insert(one.composed(), kv, ++now_);
  }
  // How many tokens of a prompt are found.
  int found(const Prompted& one, int most_tokens = 1000) {
    const auto kv = index_.find(one.composed(), most_tokens, ++now_);
    return kv ? kv->length() : 0;
  }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create(
          {.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {200, 0, 0}})
          .value();
  PrefixIndex index_;
  std::uint64_t now_ = 0;
};

TEST_F(PrefixIndexTest, FindsWhatTwoPromptsBeginWith) {
  keep(prompted(50, {}));
  EXPECT_EQ(found(prompted(80, {})), 50);
  EXPECT_EQ(found(prompted(30, {})), 30);
  EXPECT_EQ(found(prompted(80, {}), 20), 20);
  Prompted other = prompted(80, {});
  other.prompt.tokens[33] = TokenId{7};
  EXPECT_EQ(found(other), 33);
}

TEST_F(PrefixIndexTest, NothingIsFoundUnderAnotherSalt) {
  Prompted mine = prompted(50, {});
  mine.salt = "mine";
  keep(mine);
  EXPECT_EQ(found(mine), 50);
  EXPECT_EQ(found(prompted(50, {})), 0);
}

TEST_F(PrefixIndexTest, PagesThatWereChosenTogetherAreFoundTogether) {
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

TEST_F(PrefixIndexTest, WhatWasUsedLongestAgoGoesFirst) {
  keep(prompted(50, {}));
  const std::uint64_t first = now_;
  Prompted other = prompted(40, {});
  other.prompt.tokens[0] = TokenId{7};
  keep(other);
  EXPECT_EQ(index_.oldest_use(), std::optional(first));
  EXPECT_EQ(found(prompted(50, {})), 50);
  index_.drop_oldest();
  EXPECT_EQ(found(other), 0);
  EXPECT_EQ(found(prompted(50, {})), 50);
  index_.drop_oldest();
  EXPECT_EQ(index_.oldest_use(), std::nullopt);
  EXPECT_EQ(pool_->free_pages(KvFormat::kF16), 200);
}

TEST_F(PrefixIndexTest, GoesWithASegmentThatItHolds) {
  const Prompted one = prompted(100, {{5, 20}, {20, 40}});
  keep(one);
  keep(prompted(30, {}));
  index_.drop_holding(*one.parts[2].segment);
  EXPECT_EQ(found(one), 0);
  EXPECT_EQ(found(prompted(30, {})), 30);
}

}  // namespace
}  // namespace redknot
