// SPDX-License-Identifier: Apache-2.0
#include "engine/executors.h"

#include <filesystem>
#include <string>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "runtime/cpu_executor.h"

namespace redknot {
namespace {

StepFileHeader header_of(EngineCore& core, const EngineOptions& options) {
  return {.model = options.model.string(),
          .kernels = std::string(core.kernels().name),
          .activations = core.activations(),
          .profile = core.profile(),
          .pages = {.shape = core.pages().shape(), .page_count = core.pages().total_pages()},
          .vocabulary_size = core.model().config().vocabulary_size,
          .max_rows = core.max_step_tokens(),
          .max_logit_rows = core.max_logit_rows()};
}

}  // namespace

Result<LoopExecutor> make_executor(EngineCore& core, const EngineOptions& options) {
  auto cpu = std::make_unique<CpuExecutor>(core.backend(), core.profile());
  if (options.record.empty()) return LoopExecutor{.executor = std::move(cpu)};
  std::error_code not_there;
  if (std::filesystem::equivalent(options.record, options.model, not_there)) {
    return invalid("record ", options.record, ": this is the model's file");
  }
  REDKNOT_TRY(StepWriter writer, StepWriter::create(options.record, header_of(core, options)));
  auto recording = std::make_unique<RecordingExecutor>(std::move(cpu), std::move(writer));
  const RecordingExecutor* const shown = recording.get();
  return LoopExecutor{.executor = std::move(recording), .recording = shown};
}

}  // namespace redknot
