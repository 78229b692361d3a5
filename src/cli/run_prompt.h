// SPDX-License-Identifier: Apache-2.0
// From the command line of `redknot run` to the parts of a prompt: text, documents or token ids,
// through the model's chat template or as they are.
//
// read_run_input() reads files before a model is loaded; run_prompt() needs the engine. Values and
// plain functions; main thread.
#pragma once

#include <string>
#include <vector>

#include "cli/run_options.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct RunInput {
  PromptPart prompt{};
  std::vector<std::string> documents{};  // their texts
};
Result<RunInput> read_run_input(const RunOptions& options);

struct RunPrompt {
  std::vector<PromptPart> parts{};
  bool add_bos = true;
  bool is_chat = false;  // written by the chat template
  std::string text{};    // of all parts, for --echo
};
// kUnsupported for what the model cannot be told: documents without a tokenizer, a system message
// without a chat template.
Result<RunPrompt> run_prompt(const RunOptions& options, RunInput input, const Engine& engine);

}  // namespace redknot::cli
