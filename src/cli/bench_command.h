// SPDX-License-Identifier: Apache-2.0
// `redknot bench`: speed of prefill and decode, against what the machine can do. The options also
// hold those of the verbs below it, `bench rag` and `bench serve`. main.cc owns the options and
// calls both functions from the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench_rag_command.h"
#include "cli/bench_serve_command.h"
#include "cli/computation.h"
#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct BenchCommandOptions : ComputationOptions {
  std::string model;
  std::string profile;
  std::vector<int> prefill_tokens = {512};
  std::vector<int> decode_tokens = {64};
  std::vector<int> depths = {0};
  std::vector<std::string> kv;  // empty: f16, or what the profile says
  int repetitions = 5;
  bool json = false;
  std::optional<std::string> svg;
  BenchRagOptions rag;      // of `redknot bench rag`
  BenchServeOptions serve;  // of `redknot bench serve`
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_bench(CLI::App& app, BenchCommandOptions& options);

// Why these options do not go together; empty if they do.
std::string wrong_combination(const BenchCommandOptions& options);
Result<ExitCode> bench(const BenchCommandOptions& options);

}  // namespace redknot::cli
