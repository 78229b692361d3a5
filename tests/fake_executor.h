// SPDX-License-Identifier: Apache-2.0
// An executor whose model is a hash: the next token is a digest of everything that each KV head can
// see, so one wrong page, position, window or count anywhere changes the text. Keys are token ids,
// kept in frames as the plans' tables say; what slices measure is drawn from a seed. A plan that a
// real executor could not run fails the test. For tests of whatever writes plans; one thread.
#pragma once

#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "heads/head_profile.h"
#include "kv/page_shape.h"
#include "runtime/plan_checker.h"
#include "step/executor.h"
#include "step/sequence_tables.h"

namespace redknot::tests {

// What a query sees, folded into the token that follows it.
class SeenDigest {
 public:
  void add(int position, TokenId token);
  TokenId token() const { return TokenId{static_cast<std::int32_t>(hash_ % 1000)}; }

 private:
  std::uint64_t hash_ = 1;
};

// The token that the fake model puts behind these: every head sees the set of its policy.
TokenId token_behind(const HeadProfile& profile, std::span<const TokenId> tokens);

class FakeExecutor final : public Executor {
 public:
  // The profile must outlive the object.
  FakeExecutor(const PageOptions& pages, const HeadProfile& profile, unsigned seed = 1);

  StepResult run(const StepPlan& plan) override;

  // The tables as the plans have them.
  const SequenceTables& tables() const { return tables_; }

 private:
  // Writes the tokens of a slice where they are not reused.
  void store(const StepPlan& plan, const StepSlice& slice);
  TokenId next(SequenceId sequence, int position);
  SliceResult measure(const StepSlice& slice);
  // The slot of a head's position.
  TokenId& slot(const PageRef& page, int position);

  const HeadProfile& profile_;
  int page_tokens_;
  std::vector<TokenId> slots_;  // [frames, page_tokens]
  SequenceTables tables_;
  PlanChecker checker_;
  std::mt19937 random_;
};

}  // namespace redknot::tests
