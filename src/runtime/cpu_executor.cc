// SPDX-License-Identifier: Apache-2.0
#include "runtime/cpu_executor.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "runtime/sampler.h"

namespace redknot {
namespace {

// The logits of one row of the step among those of all logit rows.
std::span<const float> logits_of(const StepPlan& plan, std::span<const float> logits, int row) {
  const std::size_t vocabulary = logits.size() / plan.logit_rows.size();
  const auto found = std::lower_bound(plan.logit_rows.begin(), plan.logit_rows.end(), row);
  REDKNOT_CHECK(found != plan.logit_rows.end() && *found == row);
  const auto index = static_cast<std::size_t>(found - plan.logit_rows.begin());
  return logits.subspan(index * vocabulary, vocabulary);
}

}  // namespace

CpuExecutor::CpuExecutor(CpuBackend& backend, const HeadProfile& profile)
    : backend_(backend), tables_(profile) {}

void CpuExecutor::find_rows(const StepPlan& plan) {
  REDKNOT_CHECK(plan.tokens.size() == plan.positions.size());
  rows_.clear();
  for (const StepSlice& slice : plan.slices) {
    const auto positions = std::span(plan.positions)
                               .subspan(static_cast<std::size_t>(slice.first_row),
                                        static_cast<std::size_t>(slice.rows));
    rows_.push_back({&tables_.of(slice.sequence), positions, slice.first_row, slice.measure});
  }
}

StepResult CpuExecutor::run(const StepPlan& plan) {
  tables_.apply(plan.page_ops,
                [this](FrameId from, FrameId to) { backend_.memory().copy(from, to); });
  find_rows(plan);
  StepOutput output = backend_.transformer().run({.tokens = plan.tokens,
                                                  .sequences = rows_,
                                                  .depths = plan.depths,
                                                  .ffn_groups = plan.ffn_groups,
                                                  .logit_rows = plan.logit_rows});
  StepResult result{.slices = std::move(output.slices)};
  add_logits(plan, output.logits, result);
  result.sampled = sample_rows(plan, output.logits);
  return result;
}

void CpuExecutor::add_logits(const StepPlan& plan, std::span<const float> logits,
                             StepResult& result) {
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    const StepSlice& slice = plan.slices[i];
    if (!slice.returns_logits) continue;
    std::vector<float>& own = result.slices[i].logits;
    for (const int row : plan.logit_rows) {
      if (row < slice.first_row || row >= slice.first_row + slice.rows) continue;
      const std::span<const float> one = logits_of(plan, logits, row);
      own.insert(own.end(), one.begin(), one.end());
    }
  }
}

std::vector<SampledToken> CpuExecutor::sample_rows(const StepPlan& plan,
                                                   std::span<const float> logits) {
  std::vector<SampledToken> sampled;
  for (const RowSample& one : plan.samples) {
    sampled.push_back(sample(logits_of(plan, logits, one.row), one.history, one.sampling,
                             one.position, one.allowed));
  }
  return sampled;
}

}  // namespace redknot
