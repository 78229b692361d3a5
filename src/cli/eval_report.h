// SPDX-License-Identifier: Apache-2.0
// What `redknot eval` found, as text to read and as JSON. EvalReport is a plain value that
// eval_command.cc fills and owns; the functions are pure, and eval_pictures.h draws from the same
// value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "cli/eval_arms.h"
#include "eval/row.h"

namespace redknot::cli {

struct EvalReport {
  std::string suite{}, model{};
  std::string kv{};       // "f16"
  std::string prompts{};  // "plain"
  std::uint64_t seed = 1;
  std::vector<eval::Row> rows{};  // those of an arm follow each other
  std::optional<Divergences> divergences{};
  std::optional<int> skipped{};  // lines of a questions file
};

// One row as a line, when it is there: "dense, one_hop, 512 tokens: n 200, exact match ...".
std::string row_text(const eval::Row& row);

// A line that says what was measured, then tables with a row for each kind and a column for each
// length: exact match with its interval, F1 (or what else is partly right), what contains the
// expected answer, and how likely that is.
std::string report_text(const EvalReport& report);

// One object: suite, model, seed, rows; fractions from 0 to 1.
std::string report_json(const EvalReport& report);

}  // namespace redknot::cli
