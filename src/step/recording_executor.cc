// SPDX-License-Identifier: Apache-2.0
#include "step/recording_executor.h"

#include <utility>

namespace redknot {

RecordingExecutor::RecordingExecutor(std::unique_ptr<Executor> inner, StepWriter writer)
    : inner_(std::move(inner)), writer_(std::move(writer)) {}

StepResult RecordingExecutor::run(const StepPlan& plan) {
  if (!writer_) return inner_->run(plan);
  StepResult result = inner_->run(with_all_logits(plan));
  const Status written = writer_->write(recorded(plan, result));
  if (written.ok()) {
    recorded_steps_.fetch_add(1);
  } else {
    writer_.reset();
    why_stopped_ = written.error().message();
    stopped_.store(true);
  }
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    if (!plan.slices[i].returns_logits) result.slices[i].logits = {};
  }
  return result;
}

}  // namespace redknot
