// SPDX-License-Identifier: Apache-2.0
#include "kv/prefix_tree.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace redknot {
namespace {

constexpr int kPageTokens = 16;

std::vector<TokenId> counted(int tokens) {
  std::vector<TokenId> out;
  for (int i = 0; i < tokens; ++i) out.push_back(TokenId{i});
  return out;
}

std::vector<TokenId> with(std::vector<TokenId> tokens, int position, int token) {
  tokens[static_cast<std::size_t>(position)] = TokenId{token};
  return tokens;
}

// Text alone.
Chain chain_of_text(const std::vector<TokenId>& tokens, std::string_view tenant = "") {
  Chain chain{.tenant = tenant};
  const int length = static_cast<int>(tokens.size());
  for (int begin = 0; begin < length; begin += kPageTokens) {
    const int end = std::min(length, begin + kPageTokens);
    chain.blocks.push_back(
        {.positions = {begin, end},
         .tokens = std::span(tokens).subspan(static_cast<std::size_t>(begin),
                                             static_cast<std::size_t>(end - begin))});
  }
  return chain;
}

class PrefixTreeTest : public testing::Test {
 protected:
  PrefixTreeTest() {
    profile_ = uniform_profile(1, 2, {});
    profile_.policies[1] = {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 20};
  }
  // Computed in one chunk or two, with what left the window given back.
  void keep(const std::vector<TokenId>& tokens, const std::string& tenant = "") {
    SequenceKv kv(*pool_, profile_);
    ASSERT_TRUE(kv.extend(static_cast<int>(tokens.size())).ok());
    kv.forget(kv.length());
    tree_.insert(chain_of_text(tokens, tenant), kv, ++now_);
    ASSERT_TRUE(tree_.check() && pool_->check());
  }
  int found(const std::vector<TokenId>& tokens, int most = 1000, const std::string& tenant = "") {
    const auto kv = tree_.find(chain_of_text(tokens, tenant), most, ++now_);
    EXPECT_TRUE(!kv || kv->check());
    EXPECT_TRUE(tree_.check());
    return kv ? kv->length() : 0;
  }
  void evict() {
    tree_.evict(*order_.next());
    ASSERT_TRUE(tree_.check() && pool_->check() && order_.check());
  }
  int used() const { return 400 - pool_->free_pages(KvFormat::kF16); }

  HeadProfile profile_;
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create(
          {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {400, 0, 0}})
          .value();
  EvictionOrder order_;
  UseMemory memory_;
  PrefixTree tree_{*pool_, profile_, Domain{}, order_, memory_};
  std::uint64_t now_ = 0;
};

TEST_F(PrefixTreeTest, AHitEndsWhereEveryHeadHoldsWhatIsSeen) {
  keep(counted(100));
  EXPECT_EQ(found(counted(120)), 100);
  // The window of 20 behind 99 begins at 80, where a page is kept; behind 98 before it. The page of
  // the sink holds all that is seen behind its tokens.
  EXPECT_EQ(found(counted(120), 99), 99);
  EXPECT_EQ(found(with(counted(120), 99, -1)), 99);
  EXPECT_EQ(found(counted(120), 98), 16);
  EXPECT_EQ(found(with(counted(120), 98, -1)), 16);
  EXPECT_EQ(found(with(counted(120), 9, -1)), 9);
  // Where all is in the window or its sink, at any token.
  keep(counted(20));
  EXPECT_EQ(found(counted(120), 20), 20);
  EXPECT_EQ(found(with(counted(120), 9, -1)), 9);
}

TEST_F(PrefixTreeTest, SequencesThatBeginAlikeShareTheirNodes) {
  keep(counted(64));
  EXPECT_EQ(tree_.nodes(), 1 + 4);
  EXPECT_EQ(used(), 4 + 3);  // all; the sink, and what the window sees
  keep(with(counted(64), 50, -1));
  EXPECT_EQ(tree_.nodes(), 1 + 5);
  EXPECT_EQ(used(), 5 + 4);
  // A shorter one gives the local head what it lacks in the middle.
  keep(counted(48));
  EXPECT_EQ(tree_.nodes(), 1 + 5);
  EXPECT_EQ(used(), 5 + 5);
  EXPECT_EQ(found(counted(64), 48), 48);
}

TEST_F(PrefixTreeTest, ALongerBlockStandsInForThoseThatItBeginsWith) {
  keep(counted(17));
  keep(counted(20));
  EXPECT_EQ(tree_.nodes(), 1 + 2);
  keep(with(counted(20), 18, -1));
  EXPECT_EQ(tree_.nodes(), 1 + 3);
  keep(counted(18));
  EXPECT_EQ(tree_.nodes(), 1 + 3);
  EXPECT_EQ(found(counted(18)), 18);
  keep(counted(31));
  EXPECT_EQ(tree_.nodes(), 1 + 3);
  keep(counted(32));
  EXPECT_EQ(tree_.nodes(), 1 + 3);
  EXPECT_EQ(found(counted(90)), 32);
}

TEST_F(PrefixTreeTest, WhatIsGoodForNothingGoesWithALeaf) {
  keep(counted(100));
  EXPECT_EQ(found(counted(100)), 100);
  evict();
  // Nothing between the sink's page and the end could be gone on behind.
  EXPECT_EQ(tree_.nodes(), 1 + 1);
  EXPECT_EQ(used(), 2);
  EXPECT_EQ(found(counted(100)), 16);
  evict();
  EXPECT_EQ(tree_.nodes(), 0);
  EXPECT_EQ(used(), 0);
  EXPECT_EQ(order_.tenants(), 0);
}

TEST_F(PrefixTreeTest, TenantsDoNotMeet) {
  keep(counted(40), "mine");
  EXPECT_EQ(found(counted(40)), 0);
  EXPECT_EQ(found(counted(40), 1000, "mine"), 40);
  EXPECT_GT(order_.kept_bytes("mine"), 0u);
}

TEST_F(PrefixTreeTest, UsesAreRememberedAndCountedWhileItIsGone) {
  keep(counted(16));
  EXPECT_EQ(order_.next()->worth, order_.worth(16, 1));
  EXPECT_EQ(found(counted(16)), 16);
  EXPECT_EQ(order_.next()->worth, order_.worth(16, 2));
  evict();
  EXPECT_EQ(found(counted(16)), 0);
  keep(counted(16));
  EXPECT_EQ(order_.next()->worth, order_.worth(16, 3));
  keep(counted(16));  // nobody asked
  EXPECT_EQ(order_.next()->worth, order_.worth(16, 3));
}

TEST_F(PrefixTreeTest, ALeafThatASequenceHoldsIsSetAside) {
  keep(counted(16));
  const auto kv = tree_.find(chain_of_text(counted(16)), 16, ++now_);
  ASSERT_TRUE(kv);
  const EvictionOrder::Rank leaf = *order_.next();
  EXPECT_TRUE(tree_.set_aside(leaf.key));
  EXPECT_TRUE(tree_.check());
  EXPECT_FALSE(order_.next());
  EXPECT_TRUE(tree_.take_back());
  EXPECT_FALSE(tree_.take_back());
  EXPECT_EQ(order_.next(), leaf);
  keep(with(counted(16), 0, -1));
  EXPECT_FALSE(tree_.set_aside(order_.next()->key));
}

}  // namespace
}  // namespace redknot
