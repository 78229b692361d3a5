// SPDX-License-Identifier: Apache-2.0
#include "tests/fake_executor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "heads/visibility.h"

namespace redknot::tests {
namespace {

// The page of a table that holds a position; null if none does.
const PageRef* page_of(const PageTable& table, int position) {
  for (const PageRef& page : table) {
    if (position >= page.position && position < page.end()) return &page;
  }
  return nullptr;
}

}  // namespace

void SeenDigest::add(int position, TokenId token) {
  const auto both = (static_cast<std::uint64_t>(position) << 32) ^
                    static_cast<std::uint64_t>(static_cast<std::int32_t>(token));
  hash_ = (hash_ ^ both) * 0x9e3779b97f4a7c15u;
  hash_ ^= hash_ >> 29;
}

TokenId token_behind(const HeadProfile& profile, std::span<const TokenId> tokens) {
  SeenDigest digest;
  const int last = static_cast<int>(tokens.size()) - 1;
  for (const HeadPolicy& policy : profile.policies) {
    for (int key = 0; key <= last; ++key) {
      const bool seen = policy.head_class == HeadClass::kGlobal || key < policy.sink_tokens ||
                        key > last - policy.window_tokens;
      if (seen) digest.add(key, tokens[static_cast<std::size_t>(key)]);
    }
  }
  return digest.token();
}

FakeExecutor::FakeExecutor(const PageOptions& pages, const HeadProfile& profile, unsigned seed)
    : profile_(profile),
      page_tokens_(pages.shape.page_tokens),
      slots_(static_cast<std::size_t>(
                 std::accumulate(pages.page_count.begin(), pages.page_count.end(), 0)) *
             static_cast<std::size_t>(page_tokens_)),
      tables_(profile),
      checker_({.profile = profile,
                .pages = pages,
                .vocabulary_size = 1 << 20,
                .max_rows = 1 << 20,
                .max_logit_rows = 1 << 20}),
      random_(seed) {}

StepResult FakeExecutor::run(const StepPlan& plan) {
  const Status checked = checker_.check(plan);
  EXPECT_TRUE(checked.ok()) << checked.error().message();
  tables_.apply(plan.page_ops, [this](FrameId from, FrameId to) {
    const auto frame = [this](FrameId id) {
      return slots_.begin() + static_cast<std::ptrdiff_t>(id) * page_tokens_;
    };
    std::copy_n(frame(from), page_tokens_, frame(to));
  });
  StepResult result;
  auto sample = plan.samples.begin();
  for (const StepSlice& slice : plan.slices) {
    store(plan, slice);
    result.slices.push_back(measure(slice));
  }
  for (const StepSlice& slice : plan.slices) {
    for (; sample != plan.samples.end() && sample->row < slice.first_row + slice.rows; ++sample) {
      result.sampled.push_back({.token = next(slice.sequence, sample->position - 1)});
    }
  }
  return result;
}

void FakeExecutor::store(const StepPlan& plan, const StepSlice& slice) {
  const PageTables& tables = tables_.of(slice.sequence);
  for (int row = slice.first_row; row < slice.first_row + slice.rows; ++row) {
    const int position = plan.positions[static_cast<std::size_t>(row)];
    for (int head = 0; head < tables.heads(); ++head) {
      const PageRef* page = page_of(tables.at(head), position);
      ASSERT_NE(page, nullptr) << "position " << position << " is in no page";
      if (!page->reused) slot(*page, position) = plan.tokens[static_cast<std::size_t>(row)];
    }
  }
}

TokenId FakeExecutor::next(SequenceId sequence, int position) {
  const PageTables& tables = tables_.of(sequence);
  SeenDigest digest;
  for (int head = 0; head < tables.heads(); ++head) {
    const HeadPolicy& policy = profile_.policies[static_cast<std::size_t>(head)];
    const VisibleRange range = visible(policy, position);
    for (int key = 0; key <= position; ++key) {
      if (!range.contains(key)) continue;
      const PageRef* page = page_of(tables.at(head), key);
      EXPECT_NE(page, nullptr) << "position " << key << " is in no page";
      digest.add(key, page == nullptr ? TokenId{-1} : slot(*page, key));
    }
  }
  return digest.token();
}

SliceResult FakeExecutor::measure(const StepSlice& slice) {
  SliceResult result;
  if (slice.measure == Measure::kDeviation) {
    for (int row = 0; row < slice.rows; ++row) {
      result.deviations.push_back(static_cast<float>(random_() % 10));
    }
  }
  if (slice.measure == Measure::kPageMass) {
    const PageTables& tables = tables_.of(slice.sequence);
    const int pieces = page_tokens_ / kPieceTokens;
    result.page_mass.resize(static_cast<std::size_t>(tables.heads() * pieces) *
                            tables.at(0).size());
    for (std::int64_t& one : result.page_mass) one = random_() % 1001;
  }
  return result;
}

TokenId& FakeExecutor::slot(const PageRef& page, int position) {
  return slots_[static_cast<std::size_t>(page.frame) * static_cast<std::size_t>(page_tokens_) +
                static_cast<std::size_t>(position - page.position)];
}

}  // namespace redknot::tests
