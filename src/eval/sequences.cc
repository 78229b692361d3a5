// SPDX-License-Identifier: Apache-2.0
#include "eval/sequences.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "corpus/sample.h"
#include "eval/prompt_format.h"

namespace redknot::eval {
namespace {

constexpr std::size_t kMaxTextBytes = std::size_t{256} << 20;
constexpr int kTurns = 12;
// System text, questions and answers, marks.
constexpr int kRoomTokens = 512;

// How often each kind is asked, in the order of corpus::Kind.
constexpr std::array<double, corpus::kKinds> kMix = {5, 4, 1, 1, 2, 2, 2, 1, 1, 1.5, 1, 0.3};

// The whole sample with all its answers.
std::string whole_text(PromptFormat format, const corpus::Sample& sample) {
  return with_answer(format, write_prompt(format, sample, sample.turns.size() - 1),
                     sample.turns.back().answer);
}

Result<Sequence> corpus_sequence(PromptFormat format, const corpus::Sample& sample,
                                 const Tokenizer& tokenizer) {
  Sequence sequence;
  const bool marks = format == PromptFormat::kMarks;
  REDKNOT_TRY(sequence.tokens, tokenizer.tokenize(whole_text(format, sample), true, marks));
  REDKNOT_TRY(const int prompt,
              count_prompt_tokens(format, tokenizer, write_prompt(format, sample, 0)));
  sequence.first_compared = std::min(prompt, static_cast<int>(sequence.tokens.size())) - 1;
  return sequence;
}

}  // namespace

Result<std::vector<Sequence>> corpus_sequences(const CorpusSequenceOptions& options,
                                               const Tokenizer& tokenizer) {
  const PromptFormat format = prompt_format_for(tokenizer);
  corpus::SampleOptions sample_options;
  sample_options.split = options.split;
  sample_options.turns = kTurns;
  sample_options.mix = kMix;
  corpus::Random random(options.seed);
  std::optional<Error> error;
  const auto count = [&](std::string_view text) {
    auto tokens = tokenizer.tokenize(text, /*add_special=*/false, /*parse_special=*/false);
    if (tokens.ok()) return static_cast<int>(tokens->size());
    if (!error) error = std::move(tokens).error();
    return static_cast<int>(text.size());
  };
  std::vector<Sequence> sequences;
  // A prompt may take more room than expected: then its documents are made shorter.
  for (int room = kRoomTokens; static_cast<int>(sequences.size()) < options.count;) {
    sample_options.document_tokens = options.context_tokens - room;
    if (sample_options.document_tokens < kLeastTokens) {
      return invalid("make text of ", options.context_tokens,
                     " tokens: too few for documents and questions");
    }
    REDKNOT_TRY(const corpus::Sample sample, make_sample(sample_options, count, random));
    if (error) return *error;
    REDKNOT_TRY(Sequence sequence, corpus_sequence(format, sample, tokenizer));
    if (static_cast<int>(sequence.tokens.size()) <= options.context_tokens) {
      sequences.push_back(std::move(sequence));
    } else {
      room += kRoomTokens / 2;
    }
  }
  return sequences;
}

Result<SequenceHalves> file_sequences(std::span<const std::filesystem::path> files,
                                      int context_tokens, int most, const Tokenizer& tokenizer) {
  std::vector<int> tokens;
  for (const std::filesystem::path& path : files) {
    REDKNOT_TRY(const std::string text, read_file(path, kMaxTextBytes));
    auto found = tokenizer.tokenize(text, /*add_special=*/false, /*parse_special=*/false);
    if (!found.ok()) return found.error().within(concat("tokenize ", path));
    tokens.insert(tokens.end(), found->begin(), found->end());
  }
  REDKNOT_TRY(std::vector<int> begin, tokenizer.tokenize("", /*add_special=*/true, false));
  if (begin.size() > 1) begin.resize(1);  // BOS without EOS
  const std::size_t room = static_cast<std::size_t>(std::max(context_tokens, 1)) - begin.size();
  const std::size_t length = std::min(room, tokens.size() / 2);
  if (length < kLeastTokens) {
    return invalid("cut text into sequences: there are ", tokens.size(), " tokens of text and ",
                   context_tokens, " of context; it takes ", 2 * kLeastTokens, " of text and ",
                   kLeastTokens, " of context at least");
  }
  SequenceHalves halves;
  for (std::size_t first = 0; first + length <= tokens.size(); first += length) {
    std::vector<Sequence>& half = (first / length) % 2 == 0 ? halves.first : halves.second;
    if (static_cast<int>(half.size()) == most) break;
    Sequence& sequence = half.emplace_back();
    sequence.tokens = begin;
    const auto from = tokens.begin() + static_cast<std::ptrdiff_t>(first);
    sequence.tokens.insert(sequence.tokens.end(), from, from + static_cast<std::ptrdiff_t>(length));
    sequence.first_compared = static_cast<int>(sequence.tokens.size() / 2);
  }
  return halves;
}

}  // namespace redknot::eval
