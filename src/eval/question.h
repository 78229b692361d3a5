// SPDX-License-Identifier: Apache-2.0
// A question as an engine takes it: every suite and every workload asks these, and all answers are
// scored by what they say is expected. Values; any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/task.h"
#include "eval/score.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct Question {
  corpus::Task task{};
  // Parts of tokens; the first begins with BOS if the model asks for it. Documents are reusable;
  // the last part is what is asked, up to where the answer begins.
  std::vector<PromptPart> prompt{};
  int prompt_tokens = 0;
  std::string prompt_text{};    // for people
  std::vector<int> gold{};      // tokens of the task's first answer, where the answer begins
  std::vector<int> gold_end{};  // of what ends it
  std::vector<std::string> stop{};
  std::optional<Constraint> constraint{};
};

// Greedy, with nothing reused.
Request request_of(const Question& question);

// Of the prompt and the longest answer.
int whole_tokens(const Question& question);

// Of the answer that a model gave.
Score score(const Question& question, std::string_view given);

// "f1", or "partial" if questions of several scorings are among them.
std::string measure_of(const std::vector<corpus::Scoring>& scorings);

}  // namespace redknot::eval
