// SPDX-License-Identifier: Apache-2.0
// Prompts as retrieval makes them: questions about documents that were there before, in another
// order every time. Pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corpus/task.h"
#include "eval/prompter.h"
#include "eval/question.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct RagOptions {
  int documents = 8;          // of a prompt, of `length` tokens on average
  int length = 256;           // text of the corpus comes in documents of 50 to 600 tokens
  int questions = 40;         // of each kind; of random tokens, in all
  int questions_per_set = 8;  // at most: that are asked about the same documents
  double new_rate = 0;        // share of the sets of documents that come unannounced
  std::uint64_t seed = 1;
  std::vector<corpus::Kind> kinds{};         // empty: documents and questions are random tokens
  int question_tokens = 64;                  // of random tokens
  const corpus::CodeFolder* code = nullptr;  // of the kind "code", which needs it
};

// Questions about the same documents, each prompt with them in another order.
struct RagSet {
  bool is_new = false;                 // or known before the first question
  std::vector<PromptPart> original{};  // the documents and what stands before them
  std::vector<Question> prompts{};     // without answers: random tokens
};

// Text of the corpus's test split. kInvalidArgument if the documents are too short for a kind.
Result<std::vector<RagSet>> corpus_sets(const RagOptions& options, const Prompter& prompter);

// A set for each task, its documents in another order than it has them, if there are two.
Result<std::vector<RagSet>> task_sets(std::span<const corpus::Task> tasks,
                                      const RagOptions& options, const Prompter& prompter);

// Random tokens of a vocabulary.
std::vector<RagSet> random_sets(const RagOptions& options, int vocabulary_size);

// Tokens of the longest prompt with its answer; 0 without any.
int longest_tokens(std::span<const RagSet> sets);

}  // namespace redknot::eval
