// SPDX-License-Identifier: Apache-2.0
// A task is one question about documents with all that is needed to score an answer: what question
// files say, what the generators of tasks make, and what a turn of a sample comes to. Whatever asks
// questions takes tasks; a value, made and read on the caller's thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "corpus/sample.h"

namespace redknot::corpus {

// What an answer is held against, and what counts as partly right.
enum class Scoring {
  kText,    // any of the answers; F1 of words
  kLine,    // the line of code that comes next; edit similarity
  kFields,  // a JSON object; the share of its fields
  kItems,   // all of the answers somewhere in the text; the share of them
};
std::string_view name_of(Scoring scoring);  // "f1", "edit_similarity", "fields", "items"
std::optional<Scoring> scoring_named(std::string_view name);  // of name_of

inline constexpr int kAnswerTokens = 96;  // enough for a UUID or a sentence of the corpus

struct Task {
  std::string kind{};                  // "one_hop", "code", or the name of a question file
  Sample sample{};                     // its last turn is asked
  std::vector<std::string> answers{};  // as Scoring says; the first is what a model should write
  Scoring scoring = Scoring::kText;
  std::string schema{};  // what the answer has to be, a JSON schema; empty: anything
  int answer_tokens = kAnswerTokens;
};

// The sample up to and with that turn, whose answer is the only right one.
Task task_of(Sample sample, std::size_t turn);

class CodeFolder;

struct TaskOptions {
  int document_tokens = 2048;        // all documents together, at most and nearly
  int documents = 8;                 // of kinds that are not of samples, at most
  const CodeFolder* code = nullptr;  // of kCode, which needs it
};

// A question of the test split about documents of its own. The errors of make_sample, and of
// CodeFolder::task.
Result<Task> make_task(Kind kind, const TaskOptions& options, const CountTokens& count,
                       Random& random);

}  // namespace redknot::corpus
