// SPDX-License-Identifier: Apache-2.0
#include "kv/kv_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace redknot {
namespace {

constexpr int kPageTokens = 16;
constexpr int kPages = 60;

bool always() { return true; }

SegmentKey key_of(int number) {
  SegmentKey key{};
  key[0] = std::byte(number & 0xff);
  key[1] = std::byte(number >> 8 & 0xff);
  return key;
}

class KvCacheTest : public testing::Test {
 protected:
  std::size_t page_bytes() const { return pool_->shape().bytes(KvFormat::kF16); }
  void evict_until_free(int pages) {
    evict_until([pages] { return PageCounts{pages, 0, 0}; }, 0);
  }
  // What is wanted is asked for before every entry that goes, which shows whose it was.
  void evict_until(const std::function<PageCounts()>& wanted, std::size_t bytes_in_use) {
    std::size_t quiet = cache_.kept_bytes("quiet"), loud = cache_.kept_bytes("loud");
    cache_.evict_until([&] {
      if (watches_ && cache_.kept_bytes("quiet") < quiet) {
        ++losses_;
        const bool has_share = 2 * quiet >= quiet + loud;
        EXPECT_TRUE(has_share || loud <= cache_.pins().bytes("loud") + bytes_in_use);
      }
      quiet = cache_.kept_bytes("quiet");
      loud = cache_.kept_bytes("loud");
      return wanted();
    });
  }
  std::vector<TokenId> text(int length, int first) {
    std::vector<TokenId> tokens(static_cast<std::size_t>(length), TokenId{7});
    tokens[0] = TokenId{first};
    return tokens;
  }
  static Chain chain_of_text(const std::vector<TokenId>& tokens, const std::string& tenant) {
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
  // As the scheduler would: what is there is taken up, the rest computed and left.
  void run_prompt(const std::string& tenant, int length, int first) {
    const std::vector<TokenId> tokens = text(length, first);
    const Chain chain = chain_of_text(tokens, tenant);
    auto found = cache_.find_prefix(chain, length - 1);
    SequenceKv kv = found ? std::move(*found) : SequenceKv(*pool_, profile_);
    const int rest = length - kv.length();
    evict_until([&] { return kv.pages_to_extend(rest); }, pool_->shape().bytes(kv.pages()));
    ASSERT_TRUE(kv.extend(rest).ok());
    cache_.keep_prefix(chain, kv);
  }
  int found(const std::string& tenant, int length, int first) {
    const std::vector<TokenId> tokens = text(length, first);
    const auto kv = cache_.find_prefix(chain_of_text(tokens, tenant), length);
    return kv ? kv->length() : 0;
  }
  void add_segment(int number, int tokens, const SegmentName& name) {
    evict_until_free(static_cast<int>(pages_for(tokens, kPageTokens)));
    SequenceKv kv(*pool_, profile_);
    ASSERT_TRUE(kv.extend(tokens).ok());
    cache_.add_segment(key_of(number), Segment(*pool_, kv, {0, tokens}), name, always);
  }
  bool has(int number) const { return cache_.segments().find(key_of(number)) != nullptr; }

  HeadProfile profile_ = uniform_profile(1, 1, {});
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create(
          {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {kPages, 0, 0}})
          .value();
  KvCache cache_{*pool_, profile_, {}};
  bool watches_ = false;  // what the tenant "quiet" loses
  int losses_ = 0;
};

TEST_F(KvCacheTest, PrefixesAndSegmentsGoInOneOrder) {
  add_segment(1, 64, {"", "a"});
  run_prompt("", 32, 1);
  run_prompt("", 128, 2);
  cache_.acquire(key_of(1));
  cache_.release(key_of(1));
  evict_until_free(kPages - 12);  // the least worth: 32 tokens
  EXPECT_EQ(found("", 32, 1), 0);
  EXPECT_TRUE(has(1));
  evict_until_free(kPages - 8);  // then the segment, before pages behind more than 64 tokens
  EXPECT_FALSE(has(1));
  EXPECT_EQ(found("", 128, 2), 128);
  EXPECT_TRUE(cache_.check());
}

TEST_F(KvCacheTest, ADoomedSegmentGoesWithItsLastUserEvenIfItWasPinnedAgain) {
  add_segment(1, 64, {"", "a"});
  cache_.acquire(key_of(1));
  EXPECT_EQ(cache_.drop_segments("", "a"), 1);
  EXPECT_TRUE(has(1));
  EXPECT_TRUE(cache_.pins().pin({"", "a"}, {}, always));
  cache_.release(key_of(1));
  EXPECT_FALSE(has(1));
  EXPECT_TRUE(cache_.check() && pool_->check());
}

TEST_F(KvCacheTest, WhatSequencesHoldTooGoesLast) {
  run_prompt("", 32, 1);
  const std::vector<TokenId> tokens = text(32, 1);
  const auto kv = cache_.find_prefix(chain_of_text(tokens, ""), 32);
  run_prompt("", 480, 2);
  found("", 480, 2);
  evict_until_free(40);
  EXPECT_EQ(found("", 32, 1), 32);
  evict_until_free(kPages);  // cannot be
  EXPECT_EQ(cache_.prefixes().nodes(), 0);
  EXPECT_EQ(pool_->free_pages(KvFormat::kF16), kPages - 2);
}

TEST_F(KvCacheTest, TinyPromptsOfOneTenantDoNotDriveOutAnother) {
  run_prompt("large", 23 * kPageTokens, 1);
  for (int i = 0; i < 300; ++i) run_prompt("tiny", 5, i);
  EXPECT_EQ(found("large", 23 * kPageTokens, 1), 23 * kPageTokens);
  EXPECT_TRUE(cache_.check());
}

// One does whatever it wants; the other never loses what is below its share, unless all that the
// first keeps is pinned or in use, and that is limited.
TEST_F(KvCacheTest, NobodyPushesAnotherBelowItsShare) {
  std::mt19937 random(5);
  const std::size_t quota = 20 * page_bytes();
  int number = 0;
  run_prompt("quiet", 20 * kPageTokens, 1);
  watches_ = true;
  for (int step = 0; step < 4000; ++step) {
    const int what = static_cast<int>(random() % 10);
    const SegmentName name{"loud", std::to_string(random() % 6)};
    if (what < 4) {
      run_prompt("loud", 1 + static_cast<int>(random() % 12), static_cast<int>(random() % 1000));
    } else if (what < 5) {
      run_prompt("loud", 1 + static_cast<int>(random() % 480), static_cast<int>(random() % 50));
    } else if (what < 7) {
      add_segment(++number, 1 + static_cast<int>(random() % 60), name);
    } else if (what < 9) {
      cache_.pins().pin(name, {.until = {}, .quota_bytes = quota}, always);
    } else if (random() % 4 == 0) {
      cache_.pins().unpin_one();
    }
    ASSERT_TRUE(cache_.check() && pool_->check());
    ASSERT_LE(cache_.pins().bytes("loud"), quota);
    ASSERT_FALSE(HasFailure()) << "step " << step;
    if (random() % 50 == 0) run_prompt("quiet", 20 * kPageTokens, 1);
  }
  EXPECT_GT(losses_, 0);
}

}  // namespace
}  // namespace redknot
