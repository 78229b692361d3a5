// SPDX-License-Identifier: Apache-2.0
// `redknot replay`: runs the steps that `redknot serve --record` or `redknot run --record` wrote
// again, and says whether they give the same bits. The main function calls both, on its thread; the
// options are its own.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct ReplayCommandOptions {
  std::string file;
  std::string model;  // empty: where the file says that it was
  int threads = 0;
  std::string kernels = "recorded";
  bool print = false;  // the plans, instead of running them
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_replay(CLI::App& app, ReplayCommandOptions& options);

// kFailure if a step gives other bits.
Result<ExitCode> replay_steps(const ReplayCommandOptions& options);

}  // namespace redknot::cli
