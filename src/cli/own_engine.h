// SPDX-License-Identifier: Apache-2.0
// An engine of one user, as `redknot run` and `redknot chat` open it: what the command line says of
// the model, of its KV cache and of how it computes, with the same words for both. The options of
// these verbs have it as their base; main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/computation.h"
#include "cli/progress_printer.h"
#include "cli/reuse_options.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct OwnEngineOptions : ComputationOptions {
  std::string model, profile;
  ReuseOptions reuse{};
  int context_tokens = 4096;
  std::string kv = "auto";
};

// -m and --profile.
void add_own_model(CLI::App& app, OwnEngineOptions& options);
// The group "Computation".
void add_own_computation(CLI::App& app, OwnEngineOptions& options);

// With memory for one sequence, and for the documents of it if they are reused by themselves.
EngineOptions own_engine(const OwnEngineOptions& options, ProgressPrinter& progress);

// What is reused, and how it is recovered.
void apply_reuse(const ReuseOptions& options, Request& request);

}  // namespace redknot::cli
