// SPDX-License-Identifier: Apache-2.0
// `redknot chat`: a conversation with a model in the terminal, over an engine of its own, whose
// prefix cache has the turns before. main.cc calls it on the main thread, which waits for lines and
// for pieces of answers by turns.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "cli/exit_code.h"
#include "cli/own_engine.h"
#include "cli/sampling_options.h"
#include "redknot/redknot.h"

namespace redknot::cli {

// As the command line has it; defaults are those of --help.
struct ChatOptions : OwnEngineOptions {
  std::string system;
  std::vector<std::string> documents;  // files
  int max_tokens = -1;
  SamplingOptions sampling;
  bool no_perf = false;
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_chat(CLI::App& app, ChatOptions& options);

Result<ExitCode> chat(const ChatOptions& options);

}  // namespace redknot::cli
