// SPDX-License-Identifier: Apache-2.0
// What `redknot eval` asks: its cells, in the order of the report. eval_command.cc makes one plan
// and owns it; the plan makes the questions of a cell when they are asked for, on the caller's
// thread, and borrows the prompter for that.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cli/eval_options.h"
#include "corpus/code_tasks.h"
#include "eval/prompter.h"
#include "eval/question.h"
#include "eval/row.h"
#include "eval/sequences.h"
#include "redknot/redknot.h"

namespace redknot::cli {

// One row to be: its questions are made when they are asked, so that one row's are in memory.
struct EvalCell {
  eval::Row row;
  double work = 0;  // tokens of its prompts, about
  std::function<Result<std::vector<eval::Question>>()> questions;
};

struct EvalPlan {
  int context_tokens = 0;  // of the longest sequence
  std::vector<EvalCell> cells;
  std::optional<int> skipped;                      // of all files
  std::vector<eval::Sequence> text;                // of the suite "text"
  std::shared_ptr<const corpus::CodeFolder> code;  // that cells make questions of
};

// The prompter must outlive the plan. Errors of the suites.
Result<EvalPlan> make_plan(const EvalOptions& options, const ModelInfo& model,
                           const eval::Prompter& prompter);

}  // namespace redknot::cli
