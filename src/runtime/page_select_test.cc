// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_select.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "kv/sequence_kv.h"
#include "runtime/page_read.h"
#include "tensor/half.h"

namespace redknot {
namespace {

constexpr int kPageTokens = 16;

PageRef page_at(int position, int tokens = kPageTokens) {
  return {.page = PageId{0}, .position = position, .tokens = tokens, .shift = 0};
}

TEST(PageSelect, OnlyFullPagesOfThePastThatHoldSomethingUnseenMayBeSelected) {
  const HeadPolicy policy{
      .head_class = HeadClass::kRetrieval, .sink_tokens = 20, .window_tokens = 30, .top_pages = 1};
  const auto may = [&](const PageRef& page, int position) {
    return may_select(page, kPageTokens, position, visible(policy, position));
  };
  EXPECT_FALSE(may(page_at(0), 200)) << "within the sink";
  EXPECT_TRUE(may(page_at(16), 200)) << "half of it in the sink";
  EXPECT_TRUE(may(page_at(64), 200));
  EXPECT_FALSE(may(page_at(64, 15), 200)) << "not full";
  EXPECT_TRUE(may(page_at(160), 200)) << "the window begins at 171";
  EXPECT_FALSE(may(page_at(176), 200)) << "within the window";
  EXPECT_TRUE(may(page_at(64), 111));
  EXPECT_FALSE(may(page_at(16), 40)) << "sink and window meet";
  const HeadPolicy narrow{.head_class = HeadClass::kRetrieval, .window_tokens = 3, .top_pages = 1};
  EXPECT_TRUE(may_select(page_at(192), kPageTokens, 207, visible(narrow, 207)));
  EXPECT_FALSE(may_select(page_at(192), kPageTokens, 206, visible(narrow, 206))) << "not past";
}

TEST(PageSelect, TheRestOfAPartIsAlwaysSeenFromBehindIt) {
  const PageRef rest = page_at(32, 5);
  EXPECT_TRUE(always_selected(rest, kPageTokens, 37));
  EXPECT_FALSE(always_selected(rest, kPageTokens, 36)) << "it may still grow";
  EXPECT_FALSE(always_selected(page_at(32), kPageTokens, 100)) << "it has bounds";
}

TEST(PageSelect, MarksTheBestAndOfEqualOnesTheEarlier) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    const auto pages = static_cast<std::size_t>(random() % 20);
    const int top = static_cast<int>(random() % 6) + 1;
    std::vector<std::pair<float, int>> scores;
    for (std::size_t i = 0; i < pages; ++i) {
      scores.emplace_back(static_cast<float>(random() % 5), static_cast<int>(i));
    }
    std::vector<std::uint8_t> wanted(pages, 0), marks(pages, 0);
    for (std::size_t i = 0; i < pages; ++i) {
      int better = 0;
      for (std::size_t j = 0; j < pages; ++j) {
        better +=
            scores[j].first > scores[i].first || (scores[j].first == scores[i].first && j < i);
      }
      wanted[i] = better < top;
    }
    std::shuffle(scores.begin(), scores.end(), random);
    mark_best(scores, top, marks);
    ASSERT_EQ(marks, wanted);
  }
}

TEST(PageSelect, BoundsAreWrittenForFullPagesOfTheRangeOnly) {
  const PageOptions pages{.shape = {.page_tokens = kPageTokens, .head_dim = 1, .key_bounds = true},
                          .page_count = {8, 0, 0}};
  const auto pool = PageAllocator::create(pages).value();
  const auto memory = PageMemory::create(pages).value();
  const HeadProfile profile = uniform_profile(1, 1, {});
  SequenceKv kv(*pool, profile);
  ASSERT_TRUE(kv.extend(40).ok());
  const Kernels& kernels = kReferenceKernels;
  const PageTable& table = kv.table(0, 0);
  for (const PageRef& entry : table) {
    const PageView page = page_view(*memory, entry.frame);
    for (int slot = 0; slot < entry.tokens; ++slot) {
      const float number = static_cast<float>(entry.position + slot + 1);
      kernels.write_slot(page, slot, &number, &number);
    }
  }
  const auto greatest = [&](std::size_t entry) {
    return f16_to_f32(page_view(*memory, table[entry].frame).key_bounds[0]);
  };
  bound_keys(table, {16, 40}, *memory, kernels);
  EXPECT_EQ(greatest(0), 0);
  EXPECT_EQ(greatest(1), 32);
  EXPECT_EQ(greatest(2), 0);
  bound_keys(table, {15, 16}, *memory, kernels);
  EXPECT_EQ(greatest(0), 16);
}

}  // namespace
}  // namespace redknot
