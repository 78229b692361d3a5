// SPDX-License-Identifier: Apache-2.0
#include "kv/sequence_kv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "kv/peak_pages.h"

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int kF16 = static_cast<int>(KvFormat::kF16);
constexpr int kQ8 = static_cast<int>(KvFormat::kQ8);

std::unique_ptr<PageAllocator> make_pool(int f16_pages, int q8_pages = 0, int f32_pages = 0) {
  return PageAllocator::create({.shape = {.page_tokens = 16, .head_dim = 4},
                                .page_count = {f16_pages, q8_pages, f32_pages}})
      .value();
}

HeadPolicy local(int sink_tokens, int window_tokens) {
  return {
      .head_class = HeadClass::kLocal, .sink_tokens = sink_tokens, .window_tokens = window_tokens};
}

// The (position, end) of each entry of head (0, 0).
std::vector<std::pair<int, int>> ranges(const SequenceKv& kv) {
  std::vector<std::pair<int, int>> out;
  for (const PageRef& entry : kv.table(0, 0)) out.emplace_back(entry.position, entry.end());
  return out;
}

PageId last_page(const SequenceKv& kv) { return kv.table(0, 0).back().page; }

std::vector<PageId> page_ids(const SequenceKv& kv) {
  std::vector<PageId> out;
  for (const PageRef& entry : kv.table(0, 0)) out.push_back(entry.page);
  return out;
}

TEST(SequenceKv, PartlyFilledLastPageIsContinued) {
  const auto pool = make_pool(4);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(5).ok());
  ASSERT_TRUE(kv.extend(20).ok());
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 16), std::pair(16, 25)));
  EXPECT_EQ(kv.length(), 25);
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, EveryHeadGetsPagesOfItsOwnFormat) {
  const auto pool = make_pool(10, 10, 10);
  HeadProfile profile = uniform_profile(2, 2, {});
  profile.policies[2].kv_format = KvFormat::kF32;
  profile.policies[3].kv_format = KvFormat::kQ8;
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(17).ok());
  EXPECT_THAT(kv.pages(), ElementsAre(4, 2, 2, 0));
  EXPECT_EQ(pool->format(kv.table(1, 0)[0].page), KvFormat::kF32);
  EXPECT_EQ(pool->format(kv.table(1, 1)[0].page), KvFormat::kQ8);
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, LocalHeadGivesBackPagesThatLeftItsWindow) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, local(4, 8));
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(80).ok());
  kv.forget(/*next=*/80);
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 16), std::pair(64, 80)));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 6);
  EXPECT_TRUE(pool->check());
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, ForgettingForAnEarlierQueryKeepsEverythingBehindIt) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, local(0, 1));
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(64).ok());
  kv.forget(/*next=*/20);
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(16, 32), std::pair(32, 48), std::pair(48, 64)));
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, WindowOfOneWithoutSinkKeepsThePageBeingFilled) {
  const auto pool = make_pool(2);
  const HeadProfile profile = uniform_profile(1, 1, local(0, 1));
  SequenceKv kv(*pool, profile);
  for (int step = 0; step < 50; ++step) {
    ASSERT_TRUE(kv.extend(7).ok());
    ASSERT_TRUE(kv.check());
    kv.forget(kv.length());
    ASSERT_EQ(kv.table(0, 0).size(), 1u);
    ASSERT_EQ(kv.table(0, 0)[0].position % 16, 0);
    ASSERT_TRUE(kv.check());
  }
}

TEST(SequenceKv, ExtendThatDoesNotFitChangesNothing) {
  const auto pool = make_pool(10, 3);
  HeadProfile profile = uniform_profile(1, 2, {});
  profile.policies[1].kv_format = KvFormat::kQ8;
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(40).ok());
  const SequenceKv before = kv.fork();
  const Status status = kv.extend(16);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(status.error().message(), HasSubstr("needs 2 q8 pages, 0 are free"));
  for (const int kv_head : {0, 1}) EXPECT_EQ(kv.table(0, kv_head), before.table(0, kv_head));
  EXPECT_EQ(kv.length(), 40);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 7);
}

TEST(SequenceKv, ForkSharesAllPages) {
  const auto pool = make_pool(4);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(50).ok());
  const SequenceKv fork = kv.fork();
  EXPECT_EQ(fork.table(0, 0), kv.table(0, 0));
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 0);
  EXPECT_EQ(pool->reference_count(last_page(kv)), 2);
}

TEST(SequenceKv, ExtendingAForkCopiesTheSharedPartialPageOnce) {
  const auto pool = make_pool(6);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(20).ok());
  const PageId shared = last_page(kv);
  std::vector<PageOp> ops;
  SequenceKv fork = kv.fork({&ops});
  ops.clear();
  EXPECT_THAT(fork.pages_to_extend(1), ElementsAre(1, 0, 0, 0));
  ASSERT_TRUE(fork.extend(1).ok());
  EXPECT_NE(last_page(fork), shared);
  ASSERT_EQ(ops.size(), 2u);  // the copy, and one slot more
  EXPECT_EQ(ops[0].kind, PageOp::Kind::kCopy);
  EXPECT_EQ(ops[0].from, pool->frame(shared));
  EXPECT_EQ(ops[0].entry.page, last_page(fork));
  EXPECT_EQ(ops[0].entry.frame, pool->frame(last_page(fork)));
  EXPECT_THAT(kv.pages_to_extend(1), ElementsAre(0, 0, 0, 0));
  ASSERT_TRUE(kv.extend(1).ok());
  EXPECT_EQ(last_page(kv), shared);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 3);
}

TEST(SequenceKv, SharedFullPageIsNotCopied) {
  const auto pool = make_pool(2);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(16).ok());
  SequenceKv fork = kv.fork();
  ASSERT_TRUE(fork.extend(1).ok());
  EXPECT_EQ(fork.table(0, 0)[0], kv.table(0, 0)[0]);
}

TEST(SequenceKv, AdoptedPagesStandAtTheEndUnderTheirShift) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv segment(*pool, profile);
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(segment.extend(20).ok());
  ASSERT_TRUE(kv.extend(10).ok());
  kv.adopt(0, 0, page_ids(segment), 20, /*shift=*/10);
  kv.advance(20);
  EXPECT_EQ(kv.table(0, 0)[1], (PageRef{page_ids(segment)[0], pool->frame(page_ids(segment)[0]),
                                        /*position=*/10, /*tokens=*/16, /*shift=*/10,
                                        /*reused=*/true}));
  EXPECT_EQ(kv.table(0, 0)[2], (PageRef{page_ids(segment)[1], pool->frame(page_ids(segment)[1]),
                                        /*position=*/26, /*tokens=*/4, /*shift=*/10,
                                        /*reused=*/true}));
  EXPECT_EQ(kv.length(), 30);
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, PageUnderAShiftIsNeverContinued) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(10).ok());
  {
    SequenceKv segment(*pool, profile);
    ASSERT_TRUE(segment.extend(4).ok());
    kv.adopt(0, 0, page_ids(segment), 4, /*shift=*/10);
    kv.advance(4);
  }
  EXPECT_EQ(pool->reference_count(last_page(kv)), 1);
  ASSERT_TRUE(kv.extend(3).ok());
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 10), std::pair(10, 14), std::pair(14, 17)));
  EXPECT_EQ(kv.table(0, 0).back().shift, 0);
}

TEST(SequenceKv, PageBeingFilledIsKeptUnderAWindowOfOneToken) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, local(0, 1));
  SequenceKv kv(*pool, profile);
  const auto extend_and_forget = [&kv](int tokens) {
    EXPECT_TRUE(kv.extend(tokens).ok());
    kv.forget(kv.length());
    EXPECT_TRUE(kv.check());
    return ranges(kv);
  };
  EXPECT_THAT(extend_and_forget(20), ElementsAre(std::pair(16, 20)));
  EXPECT_THAT(extend_and_forget(12), ElementsAre(std::pair(16, 32)));
  EXPECT_THAT(extend_and_forget(1), ElementsAre(std::pair(32, 33)));
}

TEST(SequenceKv, AdoptedPrefixIsCopiedBeforeItIsContinued) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv prefix(*pool, profile);
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(prefix.extend(32).ok());
  kv.adopt(0, 0, page_ids(prefix), 20, /*shift=*/0);
  kv.advance(20);
  ASSERT_TRUE(kv.extend(12).ok());
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 16), std::pair(16, 32)));
  EXPECT_EQ(page_ids(kv)[0], page_ids(prefix)[0]);
  EXPECT_NE(page_ids(kv)[1], page_ids(prefix)[1]);
}

TEST(SequenceKv, APrefixNeedsThePageOfItsLastToken) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(
      1, 1, {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 1});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(60).ok());
  kv.forget(60);
  EXPECT_FALSE(kv.prefix(40));
  std::optional<SequenceKv> prefix = kv.prefix(60);
  ASSERT_TRUE(prefix);
  ASSERT_TRUE(prefix->extend(1).ok());
  EXPECT_TRUE(prefix->check());
}

TEST(SequenceKv, TokensBehindAnEndedPageBeginTheirOwn) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  kv.end_page();  // of nothing
  ASSERT_TRUE(kv.extend(5).ok());
  kv.end_page();
  kv.end_page();
  const SequenceKv fork = kv.fork();
  EXPECT_EQ(kv.pages_to_extend(11)[kF16], 1);
  ASSERT_TRUE(kv.extend(3).ok());
  ASSERT_TRUE(kv.extend(1).ok());
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 5), std::pair(5, 9)));
  SequenceKv other = fork.fork();
  ASSERT_TRUE(other.extend(1).ok());
  EXPECT_THAT(ranges(other), ElementsAre(std::pair(0, 5), std::pair(5, 6)));
  EXPECT_TRUE(kv.check() && other.check());
}

bool recovers(SequenceKv& kv, const std::vector<PositionRange>& positions) {
  const int wanted = kv.pages_to_recover(0, 0, positions);
  const int before = kv.own_pages(0, 0);
  const bool done = kv.recover(0, 0, positions).ok();
  EXPECT_EQ(kv.own_pages(0, 0) - before, done ? wanted : 0);
  return done;
}

TEST(SequenceKv, RecoveredPagesAreTheSequencesOwnAndTheOthersStay) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv segment(*pool, profile);
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(segment.extend(40).ok());
  ASSERT_TRUE(kv.extend(10).ok());
  kv.adopt(0, 0, page_ids(segment), 40, /*shift=*/10);
  kv.advance(40);
  ASSERT_TRUE(recovers(kv, {{26, 42}}));
  EXPECT_THAT(ranges(kv), ElementsAre(std::pair(0, 10), std::pair(10, 26), std::pair(26, 42),
                                      std::pair(42, 50)));
  const PageTable& table = kv.table(0, 0);
  EXPECT_EQ(table[1].page, page_ids(segment)[0]);
  EXPECT_NE(table[2].page, page_ids(segment)[1]);
  EXPECT_EQ(table[3].page, page_ids(segment)[2]);
  EXPECT_EQ(pool->reference_count(table[2].page), 1);
  EXPECT_EQ(pool->reference_count(page_ids(segment)[1]), 1);
  EXPECT_EQ(table[2].shift, 0);
  EXPECT_FALSE(table[2].reused);
  EXPECT_TRUE(table[1].reused && table[3].reused && !table[0].reused);
  // Again: it is its own already. And its own are never concerned.
  ASSERT_TRUE(recovers(kv, {{0, 42}}));
  EXPECT_EQ(pool->reference_count(page_ids(segment)[0]), 1);
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 8 - 3 - 1 - 2);
  ASSERT_TRUE(kv.extend(32).ok());  // takes the two that are left
  EXPECT_FALSE(recovers(kv, {{42, 50}}));
  EXPECT_TRUE(kv.table(0, 0)[3].reused);
  EXPECT_TRUE(kv.check());
}

TEST(SequenceKv, APageThatIsRecoveredInPartIsACopyUnderItsShift) {
  const auto pool = make_pool(8);
  const HeadProfile profile = uniform_profile(1, 1, {});
  std::vector<PageOp> ops;
  SequenceKv segment(*pool, profile);
  SequenceKv kv(*pool, profile, {&ops});
  ASSERT_TRUE(segment.extend(40).ok());
  ASSERT_TRUE(kv.extend(10).ok());
  kv.adopt(0, 0, page_ids(segment), 40, /*shift=*/10);
  kv.advance(40);
  kv.end_page();
  ops.clear();
  ASSERT_TRUE(recovers(kv, {{12, 13}, {20, 24}, {40, 50}}));
  const PageTable& table = kv.table(0, 0);
  ASSERT_EQ(ops.size(), 3u);
  for (const int copied : {0, 1}) {
    const auto entry = static_cast<std::size_t>(copied) + 1;
    EXPECT_EQ(ops[static_cast<std::size_t>(copied)].kind, PageOp::Kind::kCopy);
    EXPECT_EQ(ops[static_cast<std::size_t>(copied)].from,
              segment.table(0, 0)[static_cast<std::size_t>(copied)].frame);
    EXPECT_EQ(table[entry].shift, 10);
    EXPECT_FALSE(table[entry].reused);
    EXPECT_EQ(pool->reference_count(table[entry].page), 1);
  }
  EXPECT_EQ(ops[2].kind, PageOp::Kind::kReplace);
  EXPECT_EQ(table[3].shift, 0);
  // It is not cut, as what follows could not continue it, and what follows does not.
  EXPECT_FALSE(kv.prefix(20).has_value());
  EXPECT_TRUE(kv.prefix(26).has_value());
  ASSERT_TRUE(kv.extend(1).ok());
  EXPECT_EQ(table.back().position, 50);
  EXPECT_TRUE(kv.check() && segment.check());
}

TEST(SequenceKv, DestructionAndMovesReleaseEachPageOnce) {
  const auto pool = make_pool(4);
  const HeadProfile profile = uniform_profile(1, 1, {});
  {
    SequenceKv first(*pool, profile);
    SequenceKv second(*pool, profile);
    ASSERT_TRUE(first.extend(20).ok());
    ASSERT_TRUE(second.extend(20).ok());
    first = std::move(second);
    EXPECT_EQ(pool->free_pages(KvFormat::kF16), 2);
    const SequenceKv third(std::move(first));
    EXPECT_EQ(third.length(), 20);
    EXPECT_TRUE(third.check());
  }
  EXPECT_EQ(pool->free_pages(KvFormat::kF16), 4);
  EXPECT_TRUE(pool->check());
}

TEST(SequenceKvDeathTest, AdvancingWithoutAdoptingForEveryHeadAborts) {
  const auto pool = make_pool(4);
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  EXPECT_DEATH(kv.advance(1), "internal error");
}

// How a prompt and its answer are computed: a first chunk of its own size puts later ones anywhere.
struct Schedule {
  int first_tokens = 0;
  int chunk_tokens = 0;
  int prompt_tokens = 0;
  int tokens = 0;  // prompt and answer
};

int most_pages(PageAllocator& pool, const HeadProfile& profile, const Schedule& schedule) {
  SequenceKv kv(pool, profile);
  int most = 0;
  for (int chunk = schedule.first_tokens; kv.length() < schedule.tokens;) {
    const bool prefill = kv.length() < schedule.prompt_tokens;
    EXPECT_TRUE(
        kv.extend(prefill ? std::min(chunk, schedule.prompt_tokens - kv.length()) : 1).ok());
    most = std::max(most, kv.pages()[kF16] + kv.pages()[kQ8]);
    kv.forget(kv.length());
    chunk = schedule.chunk_tokens;
  }
  return most;
}

// The peak of one head, compared with the most pages that any schedule needs.
void compare_peak(PageAllocator& pool, const HeadPolicy& policy, int tokens, int chunk_tokens) {
  const HeadProfile profile = uniform_profile(1, 1, policy);
  const int peak = peak_pages(profile, pool.shape(), tokens, chunk_tokens)[kF16];
  int most = 0;
  for (const int answer_tokens : {0, 5}) {
    for (int first = 1; first <= chunk_tokens; ++first) {
      const int prompt_tokens = std::max(tokens - answer_tokens, 0);
      most = std::max(most, most_pages(pool, profile,
                                       {.first_tokens = first,
                                        .chunk_tokens = chunk_tokens,
                                        .prompt_tokens = prompt_tokens,
                                        .tokens = tokens}));
    }
  }
  SCOPED_TRACE(testing::Message() << "sink " << policy.sink_tokens << " window "
                                  << policy.window_tokens << " tokens " << tokens << " chunk "
                                  << chunk_tokens);
  EXPECT_GE(peak, most);
  EXPECT_LE(peak, policy.head_class == HeadClass::kGlobal ? most : most + 1);
}

TEST(PeakPages, IsReachedByGlobalHeadsAndMissedByOnePageAtMostByLocalOnes) {
  const auto pool = make_pool(64);
  for (const int tokens : {1, 5, 16, 30, 64, 100, 150}) {
    for (const int chunk_tokens : {1, 2, 7, 16, 17, 33, 48}) {
      compare_peak(*pool, {}, tokens, chunk_tokens);
      for (const int sink : {0, 1, 5, 16, 17, 40}) {
        for (const int window : {1, 2, 3, 15, 16, 17, 18, 50, 200}) {
          compare_peak(*pool, local(sink, window), tokens, chunk_tokens);
        }
      }
    }
  }
}

TEST(PeakPages, AddsUpHeadsByFormatAndSaturates) {
  HeadProfile profile = uniform_profile(2, 2, {});
  profile.policies[1].kv_format = KvFormat::kQ8;
  const PageShape shape{.page_tokens = 16, .head_dim = 4};
  EXPECT_THAT(peak_pages(profile, shape, 33, 8), ElementsAre(9, 3, 0, 0));
  EXPECT_THAT(peak_pages(profile, shape, 0, 8), ElementsAre(0, 0, 0, 0));
  const int most = std::numeric_limits<int>::max();
  const HeadProfile many = uniform_profile(64, 8, local(most, most));
  EXPECT_THAT(peak_pages(many, shape, most, most), ElementsAre(most, 0, 0, 0));
}

}  // namespace
}  // namespace redknot
