// SPDX-License-Identifier: Apache-2.0
// How a sample of the corpus is put to a model.
//
// kMarks: as the default model was trained, corpus::prompt_text, for a tokenizer that has a token
// for each of its marks. kPlain, for all others:
//
//   Answer from the documents ...            the system text, if there is one
//
//   Document: ...                            each of the documents
//
//   Question: ...                            earlier turns, with their answers
//   Answer: ...
//
//   Question: ...                            the turn that is asked
//   Answer:
//
// with an empty line between the parts; the answer ends with its line. Pure functions.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "corpus/sample.h"
#include "redknot/redknot.h"

namespace redknot::eval {

enum class PromptFormat { kMarks, kPlain };

PromptFormat prompt_format_for(const Tokenizer& tokenizer);

// A part of a prompt, as text.
struct PromptPiece {
  std::string text{};
  bool is_document = false;  // may be reused in other prompts
  bool operator==(const PromptPiece&) const = default;
};

// The sample up to and with the question of `turn`; ends where the answer begins.
std::vector<PromptPiece> write_pieces(PromptFormat format, const corpus::Sample& sample,
                                      std::size_t turn);

// The same as one text.
std::string write_prompt(PromptFormat format, const corpus::Sample& sample, std::size_t turn);

// The prompt and the expected answer, as the format ends it.
std::string with_answer(PromptFormat format, const std::string& prompt, const std::string& answer);

// Tokens of a prompt as the engine takes it, with BOS. kInvalidArgument if the tokenizer cannot say
// it.
Result<int> count_prompt_tokens(PromptFormat format, const Tokenizer& tokenizer,
                                const std::string& prompt);

// Greedy, at most kAnswerTokens, ends where the format ends an answer. Documents are reusable.
Request make_request(PromptFormat format, std::vector<PromptPiece> pieces);
Request make_request(PromptFormat format, std::string prompt);

// Enough for a UUID or a sentence of the corpus.
inline constexpr int kAnswerTokens = 96;

}  // namespace redknot::eval
