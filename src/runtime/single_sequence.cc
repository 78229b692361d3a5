// SPDX-License-Identifier: Apache-2.0
#include "runtime/single_sequence.h"

#include <utility>

#include "base/check.h"

namespace redknot {

SingleSequence::SingleSequence(const SequenceHost& host, const HeadProfile& profile)
    : state_(std::make_unique<State>(host, profile)) {}

SingleSequence SingleSequence::fork(const HeadProfile& profile) const {
  SingleSequence copy(state_->host, profile);
  copy.kv().begin_with(kv());
  if (&profile != &kv().profile()) copy.kv().forget(length());
  return copy;
}

Status SingleSequence::reserve(int tokens) {
  REDKNOT_RETURN_IF_ERROR(kv().extend(tokens));
  kv().forget(length());
  return Done{};
}

std::vector<float> SingleSequence::advance(std::span<const TokenId> tokens, int first_logit) {
  const int first = length();
  REDKNOT_CHECK(kv().extend(static_cast<int>(tokens.size())).ok());
  std::vector<float> logits = compute(first, tokens, first_logit);
  kv().forget(length());
  return logits;
}

std::vector<float> SingleSequence::compute(int first, std::span<const TokenId> tokens,
                                           int first_logit) {
  const int count = static_cast<int>(tokens.size());
  StepPlan plan{.tokens = {tokens.begin(), tokens.end()},
                .slices = {{.sequence = SequenceId{}, .rows = count, .returns_logits = true}}};
  for (int row = 0; row < count; ++row) {
    plan.positions.push_back(first + row);
    if (row >= first_logit) plan.logit_rows.push_back(row);
  }
  plan.page_ops = std::exchange(state_->ops, {});
  StepResult result = state_->executor.run(plan);
  return std::move(result.slices.front().logits);
}

}  // namespace redknot
