// SPDX-License-Identifier: Apache-2.0
// `redknot inspect`: what a model file holds, and what it will cost in memory. Reads the header and
// opens no engine. main.cc owns the options and calls both functions from the main thread.
// What is printed is for people, or with --json for programs.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct InspectOptions {
  std::string model;
  std::string profile;
  std::vector<int> context_tokens = {4096};  // 0: as trained
  std::vector<std::string> kv = {"f16", "q8"};
  int page_tokens = 64;
  bool all_tensors = false;
  bool no_tensors = false;
  bool json = false;
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_inspect(CLI::App& app, InspectOptions& options);

Result<ExitCode> inspect(const InspectOptions& options);

}  // namespace redknot::cli
