// SPDX-License-Identifier: Apache-2.0
// Every rule, broken once.
#include "runtime/plan_checker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>

namespace redknot {
namespace {

using testing::HasSubstr;

// Two heads in one layer: one keeps everything in f16, one a window in q8. Frames 0..9 are f16,
// 10..14 q8.
PlanLimits limits() {
  PlanLimits out{.profile = uniform_profile(1, 2, {}),
                 .pages = {.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {10, 5, 0}},
                 .vocabulary_size = 100,
                 .max_rows = 8,
                 .max_logit_rows = 2};
  out.profile.policies[1] = {
      .head_class = HeadClass::kLocal, .window_tokens = 8, .kv_format = KvFormat::kQ8};
  return out;
}

PageOp append(std::uint32_t sequence, int head, std::uint32_t frame, int position, int tokens) {
  return {.kind = PageOp::Kind::kAppend,
          .sequence = SequenceId{sequence},
          .head = head,
          .entry = {.frame = FrameId{frame}, .position = position, .tokens = tokens}};
}

// Two sequences of two and three rows, the second of which is sampled from.
StepPlan valid_plan() {
  StepPlan plan;
  plan.tokens.resize(5);
  plan.positions = {0, 1, 0, 1, 2};
  plan.slices = {{SequenceId{1}, 0, 2}, {SequenceId{2}, 2, 3}};
  plan.logit_rows = {4};
  plan.ffn_groups = {{.first_row = 0, .rows = 2}};
  plan.samples = {{.row = 4, .position = 3}};
  plan.page_ops = {append(1, 0, 0, 0, 2), append(1, 1, 10, 0, 2), append(2, 0, 1, 0, 3),
                   append(2, 1, 11, 0, 3)};
  return plan;
}

// Pages of sequence 1 are filled by two tokens, which are computed; sequence 2 ends.
StepPlan second_plan() {
  StepPlan plan;
  plan.tokens.resize(2);
  plan.positions = {2, 3};
  plan.slices = {{SequenceId{1}, 0, 2}};
  plan.page_ops = {{.kind = PageOp::Kind::kFill, .sequence = SequenceId{1}, .entry = {.tokens = 4}},
                   {.kind = PageOp::Kind::kTruncate, .sequence = SequenceId{2}}};
  return plan;
}

using Change = std::function<void(StepPlan&)>;

std::string complaint(const Change& change) {
  PlanChecker checker(limits());
  StepPlan plan = valid_plan();
  change(plan);
  const Status checked = checker.check(plan);
  return checked.ok() ? "" : checked.error().message();
}

// Of a change of the second plan.
std::string later_complaint(const Change& change) {
  PlanChecker checker(limits());
  EXPECT_TRUE(checker.check(valid_plan()).ok());
  StepPlan plan = second_plan();
  change(plan);
  const Status checked = checker.check(plan);
  return checked.ok() ? "" : checked.error().message();
}

TEST(PlanChecker, TakesPlansThatCanBeRun) {
  EXPECT_EQ(complaint([](StepPlan&) {}), "");
  EXPECT_EQ(later_complaint([](StepPlan&) {}), "");
  EXPECT_EQ(complaint([](StepPlan& plan) { plan = {}; }), "");
}

TEST(PlanChecker, LooksAtRows) {
  EXPECT_THAT(complaint([](StepPlan& p) { p.tokens[3] = TokenId{100}; }), HasSubstr("row 3"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.tokens[3] = TokenId{-1}; }), HasSubstr("row 3"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.positions.pop_back(); }), HasSubstr("4 positions"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.positions[0] = -1; }), HasSubstr("out of range"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.positions[1] = 0; }), HasSubstr("go back"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.positions[4] = 3; }), HasSubstr("position 3 has no"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.tokens.resize(9); }), HasSubstr("more than 8"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.depths = {0, 1}; }), HasSubstr("2 depths"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.depths = {0, 1, 2, 0, 0}; }), HasSubstr("depth 2"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.ffn_groups[0].rows = 6; }), HasSubstr("out of order"));
  EXPECT_THAT(complaint([](StepPlan& p) {
                p.ffn_groups[0].sparse.mass = std::numeric_limits<float>::quiet_NaN();
              }),
              HasSubstr("0..1"));
}

TEST(PlanChecker, LooksAtSlices) {
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].first_row = 1; }), HasSubstr("follow"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].rows = 4; }), HasSubstr("follow"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].rows = 2; }), HasSubstr("no slice"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].sequence = SequenceId{1}; }),
              HasSubstr("another one"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].sequence = SequenceId{7}; }),
              HasSubstr("no pages"));
  EXPECT_EQ(complaint([](StepPlan& p) { p.slices[1].measure = Measure::kDeviation; }), "");
  EXPECT_THAT(complaint([](StepPlan& p) { p.slices[1].measure = Measure::kPageMass; }),
              HasSubstr("of one row"));
}

TEST(PlanChecker, LooksAtLogitsAndSamples) {
  EXPECT_THAT(complaint([](StepPlan& p) { p.logit_rows = {4, 4}; }), HasSubstr("out of order"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.logit_rows = {4, 5}; }), HasSubstr("out of order"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.logit_rows = {2, 3, 4}; }), HasSubstr("more than 2"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples[0].row = 3; }), HasSubstr("has no logits"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples.push_back(p.samples[0]); }),
              HasSubstr("second one"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples[0].position = -1; }), HasSubstr("position"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples[0].sampling.top_k = -1; }), HasSubstr("top_k"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples[0].history = {TokenId{100}}; }),
              HasSubstr("history"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.samples[0].allowed.resize(1); }), HasSubstr("words"));
  EXPECT_EQ(complaint([](StepPlan& p) { p.samples[0].allowed.resize(2); }), "");
}

TEST(PlanChecker, LooksAtPagesThatAreAdded) {
  const auto with = [](const std::function<void(PageOp&)>& change) {
    return complaint([&change](StepPlan& plan) { change(plan.page_ops[1]); });
  };
  EXPECT_THAT(with([](PageOp& op) { op.head = 2; }), HasSubstr("no such head"));
  EXPECT_THAT(with([](PageOp& op) { op.head = PageOp::kAllHeads; }), HasSubstr("no such head"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.frame = FrameId{2}; }), HasSubstr("format"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.frame = FrameId{15}; }), HasSubstr("format"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.frame = kNoFrame; }), HasSubstr("format"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.tokens = 17; }), HasSubstr("as many tokens"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.tokens = 0; }), HasSubstr("as many tokens"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.position = -1; }), HasSubstr("out of range"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.position = std::numeric_limits<int>::max(); }),
              HasSubstr("out of range"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.shift = 1; }), HasSubstr("shift is out of range"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.frame = FrameId{11}; }), HasSubstr("others have too"));
  EXPECT_THAT(with([](PageOp& op) { op.kind = PageOp::Kind::kReplace; }), HasSubstr("no page"));
  EXPECT_THAT(complaint([](StepPlan& p) { p.page_ops.push_back(append(1, 0, 5, 1, 4)); }),
              HasSubstr("overlaps"));
}

TEST(PlanChecker, ACopyKeepsTheShiftOfWhatItTakesThePlaceOf) {
  const auto later = [](const std::function<void(PageOp&)>& change) {
    PlanChecker checker(limits());
    StepPlan plan = valid_plan();
    PageOp adopted = append(1, 0, 5, 2, 4);
    adopted.entry.shift = 2;
    adopted.entry.reused = true;
    plan.page_ops.push_back(adopted);
    EXPECT_TRUE(checker.check(plan).ok());
    PageOp copy = adopted;
    copy.kind = PageOp::Kind::kCopy;
    copy.from = copy.entry.frame;
    copy.entry.frame = FrameId{6};
    copy.entry.reused = false;
    change(copy);
    const Status checked = checker.check({.page_ops = {copy}});
    return checked.ok() ? "" : checked.error().message();
  };
  EXPECT_EQ(later([](PageOp&) {}), "");
  EXPECT_THAT(later([](PageOp& op) { op.entry.shift = 0; }), HasSubstr("another shift"));
  EXPECT_THAT(later([](PageOp& op) {
                op.kind = PageOp::Kind::kReplace;
                op.from = kNoFrame;
              }),
              HasSubstr("has a shift"));
}

TEST(PlanChecker, LooksAtPagesThatChange) {
  const auto with = [](const std::function<void(PageOp&)>& change) {
    return later_complaint([&change](StepPlan& plan) { change(plan.page_ops[0]); });
  };
  EXPECT_THAT(with([](PageOp& op) { op.entry.tokens = 2; }), HasSubstr("already"));
  EXPECT_THAT(with([](PageOp& op) { op.entry.tokens = 17; }), HasSubstr("as many tokens"));
  EXPECT_THAT(with([](PageOp& op) { op.sequence = SequenceId{9}; }), HasSubstr("no pages"));
  EXPECT_THAT(later_complaint([](StepPlan& p) { p.page_ops[1].sequence = SequenceId{1}; }),
              HasSubstr("the sequence has no pages"));
  EXPECT_THAT(later_complaint([](StepPlan& p) { p.page_ops[1].head = 0; }),
              HasSubstr("not of all heads"));
  const auto copy = [](const std::function<void(PageOp&)>& change) {
    return later_complaint([&change](StepPlan& plan) {
      PageOp op = append(1, 0, 5, 0, 4);
      op.kind = PageOp::Kind::kCopy;
      op.from = FrameId{0};
      change(op);
      plan.page_ops.insert(plan.page_ops.begin() + 1, op);
    });
  };
  EXPECT_EQ(copy([](PageOp&) {}), "");
  EXPECT_THAT(copy([](PageOp& op) { op.from = FrameId{3}; }), HasSubstr("another frame"));
  EXPECT_THAT(copy([](PageOp& op) { op.entry.frame = FrameId{0}; }), HasSubstr("to itself"));
  EXPECT_THAT(copy([](PageOp& op) { op.entry.position = 1; }), HasSubstr("no page stands"));
  EXPECT_THAT(copy([](PageOp& op) { op.entry.tokens = 3; }), HasSubstr("other tokens"));
  EXPECT_THAT(copy([](PageOp& op) { op.entry.shift = -1; }), HasSubstr("another shift"));
  EXPECT_THAT(copy([](PageOp& op) { op.kind = PageOp::Kind::kDrop; }), HasSubstr("everything"));
  EXPECT_THAT(copy([](PageOp& op) {
                op.kind = PageOp::Kind::kDrop;
                op.head = 1;
              }),
              HasSubstr("has no slot"));
  EXPECT_THAT(copy([](PageOp& op) {
                op = {.kind = PageOp::Kind::kTruncate, .sequence = op.sequence};
                op.entry.position = 1;
              }),
              HasSubstr("as a whole"));
  EXPECT_EQ(copy([](PageOp& op) { op.kind = PageOp::Kind::kReplace; }), "");
  EXPECT_THAT(copy([](PageOp& op) {
                op.kind = PageOp::Kind::kReplace;
                op.entry.tokens = 3;
              }),
              HasSubstr("other tokens"));
}

}  // namespace
}  // namespace redknot
