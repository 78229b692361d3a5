// SPDX-License-Identifier: Apache-2.0
// `redknot tokenize`: text to token ids, and back. Opens the vocabulary of a model and no weights.
// main.cc owns the options and calls both functions from the main thread.
// What is printed is for people, or with --ids for programs.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "cli/exit_code.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct TokenizeOptions {
  std::string model;

  // Exactly one of these is given.
  std::optional<std::string> text;
  std::optional<std::string> file;
  bool from_stdin = false;
  std::optional<std::string> decode;

  bool no_bos = false;
  bool no_parse_special = false;
  bool special = false;
  bool ids = false;
  bool show_count = false;
};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_tokenize(CLI::App& app, TokenizeOptions& options);

Result<ExitCode> tokenize(const TokenizeOptions& options);

}  // namespace redknot::cli
