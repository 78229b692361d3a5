// SPDX-License-Identifier: Apache-2.0
// Whether a plan that nobody vouches for can be run: all that executors and the transformer require
// of plans, of one plan behind the other, checked before anything is computed.
//
// It keeps page tables of its own in step with the plans. Whoever replays a file owns one; one
// thread at a time. The engine's own plans are written to be right and are not checked.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_shape.h"
#include "redknot/result.h"
#include "step/step_plan.h"

namespace redknot {

// What plans are run on.
struct PlanLimits {
  HeadProfile profile{};
  PageOptions pages{};
  int vocabulary_size = 0;
  int max_rows = 0, max_logit_rows = 0;
};

class PlanChecker {
 public:
  // Of a sequence; the forward pass keeps a rotation for each.
  static constexpr int kMostPositions = 1 << 20;
  static constexpr std::size_t kMostSequences = 65536;  // that have pages at a time

  // Requires a profile with as many policies as heads, and check(limits.pages).
  explicit PlanChecker(PlanLimits limits);

  // kCorrupt, naming what is wrong first: the plan cannot be run, and none behind it is to be
  // checked. Takes over the plan's changes of page tables. O(rows x heads + pages of its
  // sequences).
  Status check(const StepPlan& plan);

 private:
  // Changes of page tables, each on the tables as they are.
  Status apply(const PageOp& op);
  Status truncate(const PageOp& op);
  Status check_op(const PageOp& op, const PageTable& table, int head) const;
  Status check_entry(const PageRef& entry, int head) const;
  Status check_frame(FrameId frame, int head) const;
  void name(FrameId frame, int count);

  // The parts of a plan.
  Status check_rows(const StepPlan& plan) const;
  Status check_slices(const StepPlan& plan) const;
  Status check_slots(const StepPlan& plan, const StepSlice& slice, const PageTable& table) const;
  Status check_mass(const StepSlice& slice, const PageTables& tables) const;
  Status check_logit_rows(const StepPlan& plan) const;
  Status check_depths(const StepPlan& plan) const;
  static Status check_groups(const StepPlan& plan);
  Status check_samples(const StepPlan& plan) const;
  Status check_sample(const RowSample& sample) const;
  bool is_token(TokenId token) const;

  // Constant after construction.
  PlanLimits limits_;
  PageCounts first_frame_{};  // by format
  std::int64_t frames_ = 0;

  std::unordered_map<SequenceId, PageTables> tables_;
  std::vector<std::uint32_t> names_;  // by frame: entries of all tables that name it
};

}  // namespace redknot
