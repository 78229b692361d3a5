// SPDX-License-Identifier: Apache-2.0
// The command line of `redknot run`, as it was given: a plain value that main.cc owns, CLI11 fills
// and run_command.cc reads. Nothing here is opened or checked against a model. Main thread.
// Defaults are those of --help.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/own_engine.h"
#include "cli/sampling_options.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct RunOptions : OwnEngineOptions {
  // Exactly one of these is given.
  std::optional<std::string> prompt;
  std::optional<std::string> prompt_file;
  std::optional<std::string> tokens_file;
  std::vector<std::string> documents;  // files that the prompt is a question about
  bool no_bos = false;
  bool no_parse_special = false;
  bool raw = false;  // no chat template
  std::optional<std::string> system;

  std::optional<int> max_tokens;  // nothing: see --help
  std::vector<std::string> stop;
  bool ignore_eos = false;
  std::optional<std::string> json_schema;
  std::optional<std::string> json_schema_file;

  SamplingOptions sampling;
  int log_probabilities = -1;

  bool echo = false;
  bool special = false;
  bool json = false;
  std::optional<std::string> logits_file;
  bool no_perf = false;
  bool verbose = false;

  std::string record;  // file that steps are written to; empty: none
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_run(CLI::App& app, RunOptions& options);

}  // namespace redknot::cli
