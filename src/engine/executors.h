// SPDX-License-Identifier: Apache-2.0
// What runs the plans of an engine's loop: the CPU's executor, and around it one that records if
// the options say so. Engine::open makes it and the loop owns it; the loop's thread runs plans.
#pragma once

#include <memory>

#include "engine/engine_core.h"
#include "redknot/redknot.h"
#include "step/executor.h"
#include "step/recording_executor.h"

namespace redknot {

struct LoopExecutor {
  std::unique_ptr<Executor> executor{};
  const RecordingExecutor* recording = nullptr;  // the same one, if it records; else null
};

// The core must outlive the executor. Errors of StepWriter::create, and kInvalidArgument if the
// file to record to is the model's.
Result<LoopExecutor> make_executor(EngineCore& core, const EngineOptions& options);

}  // namespace redknot
