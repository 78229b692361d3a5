// SPDX-License-Identifier: Apache-2.0
// The command line of `redknot eval`, as it was given: a plain value that main.cc owns, CLI11 fills
// and the verb reads. It also says which options do not go together. Nothing here is opened or
// asked; all of it happens on the main thread.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/computation.h"
#include "corpus/sample.h"

namespace redknot::cli {

struct EvalOptions : ComputationOptions {
  std::string model;
  std::vector<std::string> profiles;
  std::string suite = "qa";
  std::optional<int> questions;  // absent: kStandardQuestions of a cell, or the whole file
  std::uint64_t seed = 1;

  // Of the suite "qa".
  std::vector<std::string> kinds;    // empty: all of samples; with `code`, that
  std::optional<std::string> code;   // folder for the kind "code"
  std::vector<int> document_tokens;  // empty: those of kStandardLengths that fit

  // Of the suite "questions", and of it and "text".
  std::vector<std::string> question_files;
  std::optional<std::string> file;
  bool raw = false;  // plain prompts even for a model with a chat template

  std::optional<std::string> json;
  std::optional<std::string> report;  // directory for pictures
  int show = 0;

  int at_once = 4;
  std::vector<std::string> kv;  // empty: nobody asked
};

inline constexpr int kStandardQuestions = 200;
inline constexpr int kStandardLengths[] = {512, 1024, 2048, 4096, 8192, 16384};

// Adds the verb; `options` is filled when the command line is parsed and must live until then.
CLI::App* add_eval(CLI::App& app, EvalOptions& options);

// Whether anything is held against dense attention.
bool compares(const EvalOptions& options);

// The formats that are arms of their own: those asked for but f16, which is dense attention's, and
// f32, which is the noise floor's; q8 if none is asked for. Requires compares().
std::vector<std::string> other_formats(const EvalOptions& options);
// Why a kind cannot be asked without a folder, or not so often; empty if it can.
std::string wrong_code(const std::vector<std::string>& kinds, bool code, int questions);

// Why these options do not go together; empty if they do.
std::string wrong_combination(const EvalOptions& options);

// Of the suite "questions".
std::vector<std::string> question_files(const EvalOptions& options);

// Those that are asked, in the order of corpus::Kind.
std::vector<corpus::Kind> chosen_kinds(const std::vector<std::string>& kinds, bool code);

// Of corpus::Kind, in its order.
std::vector<std::string> kind_names();

}  // namespace redknot::cli
