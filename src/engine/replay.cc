// SPDX-License-Identifier: Apache-2.0
#include "engine/replay.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <system_error>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "engine/engine_core.h"
#include "heads/visibility.h"
#include "runtime/cpu_executor.h"
#include "runtime/plan_checker.h"
#include "step/step_file.h"

namespace redknot {
namespace {

// The profile of the file, if it is one of this model.
Result<HeadProfile> profile_for(const Model& model, const StepFileHeader& header) {
  const ModelConfig& config = model.config();
  const auto differs = [](const char* what, int recorded, int found) {
    return invalid("replay: the steps were recorded on a model with ", what, " ", recorded,
                   ", this one has ", found);
  };
  const HeadProfile& profile = header.profile;
  if (profile.layers != config.layers) return differs("layers", profile.layers, config.layers);
  if (profile.kv_heads != config.kv_heads) {
    return differs("kv_heads", profile.kv_heads, config.kv_heads);
  }
  const int head_dim = header.pages.shape.head_dim;
  if (head_dim != config.head_dim) return differs("head_dim", head_dim, config.head_dim);
  if (header.vocabulary_size != config.vocabulary_size) {
    return differs("vocabulary_size", header.vocabulary_size, config.vocabulary_size);
  }
  return profile;
}

Result<std::unique_ptr<EngineCore>> open_core(const ReplayOptions& options,
                                              const StepFileHeader& header) {
  EngineOptions engine;
  engine.model = options.model.empty() ? std::filesystem::path(header.model) : options.model;
  engine.threads = options.threads;
  engine.page_tokens = header.pages.shape.page_tokens;
  engine.max_step_tokens = header.max_rows;
  engine.kernels = options.kernels.empty() ? header.kernels : options.kernels;
  engine.activations = header.activations;
  engine.progress = options.progress;
  CoreOptions core;
  core.profile = [&header](const Model& model) { return profile_for(model, header); };
  core.pages = [&header](const Model&, const HeadProfile&, int) { return header.pages.page_count; };
  core.key_bounds = header.pages.shape.key_bounds;
  core.max_rows = header.max_rows;
  // No step has more of them than rows.
  core.logit_rows = [&header](const Model&) {
    return std::min(header.max_logit_rows, header.max_rows);
  };
  return EngineCore::open(engine, core);
}

class Replay {
 public:
  Replay(EngineCore& core, const StepFileHeader& header)
      : checker_(
            {.profile = core.profile(),
             .pages = {.shape = core.pages().shape(), .page_count = core.pages().total_pages()},
             .vocabulary_size = header.vocabulary_size,
             .max_rows = core.max_step_tokens(),
             .max_logit_rows = core.max_logit_rows()}),
        executor_(core.backend(), core.profile()) {
    report_.kernels = core.kernels().name;
    report_.recorded_kernels = header.kernels;
  }

  Status run(const RecordedStep& step) {
    REDKNOT_RETURN_IF_ERROR(checker_.check(step.plan));
    ++report_.steps;
    report_.rows += step.plan.tokens.size();
    for (const StepSlice& slice : step.plan.slices) {
      sequences_.insert(static_cast<std::uint32_t>(slice.sequence));
    }
    const StepResult result = executor_.run(with_all_logits(step.plan));
    const std::optional<std::string> difference =
        first_difference(step, recorded(step.plan, result));
    if (!difference) return Done{};
    ++report_.unequal_steps;
    if (report_.first_difference.empty()) {
      report_.first_difference = concat("step ", report_.steps, ", ", *difference);
    }
    return Done{};
  }

  ReplayReport report() && {
    report_.sequences = sequences_.size();
    return std::move(report_);
  }

 private:
  PlanChecker checker_;
  CpuExecutor executor_;
  ReplayReport report_;
  std::unordered_set<std::uint32_t> sequences_;
};

}  // namespace

Result<ReplayReport> replay(const ReplayOptions& options) {
  REDKNOT_TRY(StepReader reader, StepReader::open(options.file));
  const StepFileHeader& header = reader.header();
  if (selects_pages(header.profile) && !header.pages.shape.key_bounds) {
    return corrupt("replay ", options.file, ": heads select pages that have no bounds");
  }
  REDKNOT_TRY(const std::unique_ptr<EngineCore> core, open_core(options, header));
  std::error_code no_size;
  const auto file_bytes =
      std::max<double>(1.0, static_cast<double>(std::filesystem::file_size(options.file, no_size)));
  Replay replay(*core, header);
  while (true) {
    REDKNOT_TRY(const std::optional<RecordedStep> step, reader.next());
    if (!step) break;
    const Status run = replay.run(*step);
    if (!run.ok()) {
      return run.error().within(concat("replay ", options.file, ": line ", reader.line()));
    }
    if (options.progress) {
      options.progress("replaying", static_cast<double>(reader.bytes()) / file_bytes);
    }
  }
  ReplayReport report = std::move(replay).report();
  report.ends_within_line = reader.ends_within_line();
  return report;
}

Result<bool> print_steps(const std::filesystem::path& file,
                         const std::function<Status(std::string_view)>& print) {
  REDKNOT_TRY(StepReader reader, StepReader::open(file));
  const StepFileHeader& header = reader.header();
  REDKNOT_RETURN_IF_ERROR(print(concat(
      "model ", header.model, ": ", header.profile.layers, " layers of ", header.profile.kv_heads,
      " KV heads; kernels ", header.kernels, ", activations ", name(header.activations), "\n")));
  for (std::uint64_t number = 1;; ++number) {
    REDKNOT_TRY(const std::optional<RecordedStep> step, reader.next());
    if (!step) return reader.ends_within_line();
    REDKNOT_RETURN_IF_ERROR(print(concat("step ", number, "\n", to_string(step->plan))));
  }
}

}  // namespace redknot
