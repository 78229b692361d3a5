// SPDX-License-Identifier: Apache-2.0
// Passes plans on to another executor and writes them to a file with what they gave, from which
// they can be run again and compared bit for bit (engine/replay.h).
//
// The engine's loop owns one in the place of the executor that it holds; the loop's thread runs
// plans, any thread may ask how the recording goes. The run goes on whatever becomes of the file: a
// write that fails ends the recording, and the reason is kept.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "step/executor.h"
#include "step/step_file.h"

namespace redknot {

class RecordingExecutor final : public Executor {
 public:
  RecordingExecutor(std::unique_ptr<Executor> inner, StepWriter writer);

  // What the inner executor gives for the plan. It is asked for the logits of all slices meanwhile,
  // so that their digests can be written.
  StepResult run(const StepPlan& plan) override;

  std::uint64_t recorded_steps() const { return recorded_steps_.load(); }
  // Why no more steps are written; empty as long as they are.
  std::string why_stopped() const { return stopped_.load() ? why_stopped_ : std::string(); }

 private:
  std::unique_ptr<Executor> inner_;
  std::optional<StepWriter> writer_;  // nothing once the recording has stopped
  std::atomic<std::uint64_t> recorded_steps_{0};
  std::string why_stopped_;  // written once, before stopped_ is set
  std::atomic<bool> stopped_{false};
};

}  // namespace redknot
