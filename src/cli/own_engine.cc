// SPDX-License-Identifier: Apache-2.0
#include "cli/own_engine.h"

#include "cli/option_checks.h"
#include "cli/output.h"

namespace redknot::cli {

void add_own_model(CLI::App& app, OwnEngineOptions& options) {
  add_model(app, options.model);
  add_profile_file(app, options.profile);
}

void add_own_computation(CLI::App& app, OwnEngineOptions& o) {
  app.add_option("-c,--ctx-size", o.context_tokens,
                 "Longest sequence, prompt and answer together; 0: as long as the model was "
                 "trained for. Memory for it is taken at the start.")
      ->type_name("TOKENS")
      ->transform(integer_in(0, kMaxTokens))
      ->capture_default_str()
      ->group("Computation");
  add_kv(app, o.kv);
  add_cache_types(app, o.kv);
  add_computation(app, o);
}

EngineOptions own_engine(const OwnEngineOptions& options, ProgressPrinter& progress) {
  EngineOptions out = engine_options(options, options.model, options.profile);
  out.context_tokens = options.context_tokens;
  // Documents are computed by themselves, beside the sequence that adopts them.
  if (options.reuse.reuse == "segment") {
    out.segment_tokens = -1;
    out.max_sequences = 2;
  }
  out.kv = kv_from_name(options.kv);
  out.progress = progress.callback();
  return out;
}

void apply_reuse(const ReuseOptions& options, Request& request) {
  request.reuse = reuse_from_name(options.reuse);
  request.canonical_context = canonical_from_name(options.canonical);
  request.recovery = recovery_from_name(options.recovery, options.ratio);
}

}  // namespace redknot::cli
