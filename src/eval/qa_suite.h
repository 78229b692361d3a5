// SPDX-License-Identifier: Apache-2.0
// The suite "qa": questions about documents of the corpus's test split, which shares no name and no
// template with training, and tasks (corpus/task.h), by kind and by tokens of documents. Pure
// functions.
//
// A cell is one kind at one length. Its random numbers are its own: its questions depend on (seed,
// kind, document_tokens), the tokenizer and the style, not on what else is asked, and the first of
// them not on how many follow.
#pragma once

#include <cstdint>
#include <vector>

#include "corpus/task.h"
#include "eval/prompter.h"
#include "eval/question.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct QaCell {
  corpus::Kind kind = corpus::Kind::kOneHop;
  int document_tokens = 512;  // at most and nearly
  int questions = 200;
  std::uint64_t seed = 1;
  const corpus::CodeFolder* code = nullptr;  // of the kind "code", which needs it
};

// The seed of a cell's random stream; no stream of training has it (corpus::kFirstEvaluationSeed).
std::uint64_t stream_seed(const QaCell& cell);

// The last turn of each sample is asked; earlier ones have their expected answer in the prompt.
// kInvalidArgument if the documents are too short for the kind, or if a prompt with its answer
// takes more than document_tokens + room_tokens.
Result<std::vector<Question>> make_questions(const QaCell& cell, const Prompter& prompter);

}  // namespace redknot::eval
