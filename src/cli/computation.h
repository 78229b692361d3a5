// SPDX-License-Identifier: Apache-2.0
// How an engine computes, as the command line says it: the options of the group "Computation" that
// verbs share, and their way into EngineOptions. Options of verbs that open an engine have them as
// their base. Main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "redknot/redknot.h"

namespace redknot::cli {

struct ComputationOptions {
  int threads = 0;
  int page_tokens = 64;
  int max_step_tokens = 512;
  std::string kernels = "auto";
  std::string activations = "auto";
};

// -t, --page-tokens, -b, --kernels and --activations.
void add_computation(CLI::App& app, ComputationOptions& options);

// The same with other pages and in other steps, for a noise floor: what differs is rounding.
ComputationOptions perturbed(const ComputationOptions& options);

// Everything else as EngineOptions has it.
EngineOptions engine_options(const ComputationOptions& options, const std::string& model,
                             const std::string& profile);

}  // namespace redknot::cli
