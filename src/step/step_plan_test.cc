// SPDX-License-Identifier: Apache-2.0
#include "step/step_plan.h"

#include <gtest/gtest.h>

namespace redknot {
namespace {

TEST(StepPlan, PlansAreEqualIfEveryFieldIs) {
  const StepPlan plan{{TokenId{5}, TokenId{6}}, {0, 1}, {{SequenceId{3}, 0, 2}}, {1}};
  EXPECT_EQ(plan, StepPlan(plan));
  StepPlan other = plan;
  other.tokens[1] = TokenId{7};
  EXPECT_FALSE(plan == other);
  other = plan;
  other.positions[1] = 2;
  EXPECT_FALSE(plan == other);
  other = plan;
  other.slices[0].sequence = SequenceId{4};
  EXPECT_FALSE(plan == other);
  other = plan;
  other.logit_rows.clear();
  EXPECT_FALSE(plan == other);
  other = plan;
  other.page_ops.push_back({.kind = PageOp::Kind::kDrop});
  EXPECT_FALSE(plan == other);
  other = plan;
  other.samples.push_back({.row = 1, .position = 2});
  EXPECT_FALSE(plan == other);
  EXPECT_FALSE(plan.empty());
  EXPECT_TRUE(StepPlan().empty());
}

TEST(StepPlan, IsPrintedOneSliceALine) {
  const StepPlan plan{{TokenId{5}, TokenId{6}, TokenId{9}},
                      {30, 31, 0},
                      {{SequenceId{3}, 0, 2}, {SequenceId{8}, 2, 1}},
                      {1, 2}};
  EXPECT_EQ(to_string(plan),
            "sequence 3: rows 0..1 at positions 30..31\n"
            "sequence 8: rows 2..2 at positions 0..0\n"
            "2 rows of logits\n");
  EXPECT_EQ(to_string(StepPlan()), "0 rows of logits\n");
  // One that cannot be, as a file may have it.
  const StepPlan odd{.tokens = {TokenId{1}},
                     .positions = {4},
                     .slices = {{SequenceId{3}, 500, 3}, {SequenceId{4}, 0, 0}}};
  EXPECT_EQ(to_string(odd),
            "sequence 3: rows 500..502 at positions that it does not have\n"
            "sequence 4: rows 0..-1 at positions that it does not have\n"
            "0 rows of logits\n");
  StepPlan more;
  more.samples.push_back({.row = 1, .position = 32});
  more.page_ops.push_back({.sequence = SequenceId{3},
                           .head = 2,
                           .entry = {.page = PageId{9}, .position = 16, .tokens = 5, .shift = 4}});
  EXPECT_EQ(to_string(more),
            "0 rows of logits\n"
            "row 1: the token at position 32\n"
            "sequence 3, head 2: append page 9 at 16, 5 tokens, shift 4\n");
}

}  // namespace
}  // namespace redknot
