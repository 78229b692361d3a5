// SPDX-License-Identifier: Apache-2.0
// Token sequences to compare predictions on: documents of the corpus with many questions and their
// answers, or any text files. Pure functions, but for reading the files.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "corpus/names.h"
#include "redknot/redknot.h"

namespace redknot::eval {

// One sequence as the engine takes it, with BOS; what follows position `first_compared` and later
// ones is what counts.
struct Sequence {
  std::vector<int> tokens{};
  int first_compared = 0;
};

struct CorpusSequenceOptions {
  corpus::Split split = corpus::Split::kTrain;
  int context_tokens = 4096;  // of a sequence, at most and nearly
  int count = 16;
  std::uint64_t seed = 1;
};

// Questions of all kinds, most of them of facts; compared from the first answer on.
// kInvalidArgument if context_tokens are too few.
Result<std::vector<Sequence>> corpus_sequences(const CorpusSequenceOptions& options,
                                               const Tokenizer& tokenizer);

// Two sets that share no text, of about equal length.
struct SequenceHalves {
  std::vector<Sequence> first{}, second{};
};

// The files one after another, cut into sequences of `context_tokens` (or two halves, if they are
// shorter), which go to the two sets in turn; compared from their middle on. At most `most`
// sequences each. kNotFound, kIo; kInvalidArgument if there are fewer than 2 x kLeastTokens tokens.
Result<SequenceHalves> file_sequences(std::span<const std::filesystem::path> files,
                                      int context_tokens, int most, const Tokenizer& tokenizer);
inline constexpr int kLeastTokens = 64;

}  // namespace redknot::eval
