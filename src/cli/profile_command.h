// SPDX-License-Identifier: Apache-2.0
// `redknot profile`: measure the heads of a model and choose what each of them keeps. main.cc owns
// the options and calls both functions from the main thread, which also prints progress; the
// measuring itself is profiler/profiling.h.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "cli/computation.h"
#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct ProfileCommandOptions : ComputationOptions {
  ProfileCommandOptions() { activations = "exact"; }

  std::string model;
  std::string output;
  std::string imported_map;       // a head map that is taken over as it is
  std::string carried_profile;    // a profile of the same model in other weights, likewise
  std::vector<std::string> text;  // files; empty: the corpus
  int context_tokens = 0;
  int sequences = 5;
  std::uint64_t seed = 1;
  double budget_kl = 0.005;
  int sink_tokens = 4;
  int window_tokens = 64;
  std::vector<std::string> formats = {"f16", "q8", "k8v4"};
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_profile(CLI::App& app, ProfileCommandOptions& options);

Result<ExitCode> profile(const ProfileCommandOptions& options);

}  // namespace redknot::cli
