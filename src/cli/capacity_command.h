// SPDX-License-Identifier: Apache-2.0
// `redknot capacity`: how many sessions fit into so much KV memory, dense and with a head profile.
// main.cc owns the options and calls both functions from the main thread; the verb opens one engine
// after the other, so that only one holds the memory.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <string>

#include "cli/computation.h"
#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct CapacityCommandOptions : ComputationOptions {
  std::string model;
  std::string profile;
  int context_tokens = 0;
  std::size_t kv_bytes = 0;
  std::string kv = "f16";
  bool json = false;
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_capacity(CLI::App& app, CapacityCommandOptions& options);

Result<ExitCode> capacity(const CapacityCommandOptions& options);

}  // namespace redknot::cli
