// SPDX-License-Identifier: Apache-2.0
// Models that are known by name (models/names.json, which is built in): where they lie once they
// are fetched, and how they are fetched. Verbs that open a model ask find_model() first; `redknot
// pull` fetches one and does nothing else. ADR 0023. Main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "cli/exit_code.h"
#include "redknot/result.h"

namespace redknot::cli {

// What is given to -m, as a path: itself if there is such a file or folder, or if it is no name;
// else the file of the model of that name, which is fetched if it is not there yet. kNotFound for
// a word that is neither; the errors of fetching.
Result<std::string> find_model(const std::string& given);

struct PullOptions {
  std::string name;
};
CLI::App* add_pull(CLI::App& app, PullOptions& options);
// Fetches a model and prints its path. kInterrupted if Ctrl-C ended it.
Result<ExitCode> pull(const PullOptions& options);

// "smollm2-135m, ..."
std::string known_models();

}  // namespace redknot::cli
