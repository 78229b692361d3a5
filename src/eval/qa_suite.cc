// SPDX-License-Identifier: Apache-2.0
#include "eval/qa_suite.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/mix_bits.h"
#include "corpus/random.h"

namespace redknot::eval {
namespace {

std::string describe(const QaCell& cell) {
  return concat("make ", corpus::name_of(cell.kind), " questions on ", cell.document_tokens,
                " tokens of documents");
}

// Counts tokens for the generator, which cannot take an error, and keeps the first.
class Counter {
 public:
  explicit Counter(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}

  int count(std::string_view text) {
    auto tokens = tokenizer_.tokenize(text, /*add_special=*/false, /*parse_special=*/false);
    if (tokens.ok()) return static_cast<int>(tokens->size());
    if (!error_) error_ = std::move(tokens).error();
    return static_cast<int>(text.size());  // the generator ends: it fills up to a number of tokens
  }
  const std::optional<Error>& error() const { return error_; }

 private:
  const Tokenizer& tokenizer_;
  std::optional<Error> error_;
};

Result<Question> make_question(const corpus::Sample& sample, PromptFormat format,
                               const Tokenizer& tokenizer) {
  const std::size_t last = sample.turns.size() - 1;
  Question question{.prompt = write_prompt(format, sample, last),
                    .pieces = write_pieces(format, sample, last),
                    .text = sample.turns[last].question,
                    .answer = sample.turns[last].answer};
  REDKNOT_TRY(question.prompt_tokens, count_prompt_tokens(format, tokenizer, question.prompt));
  return question;
}

}  // namespace

std::uint64_t stream_seed(const QaCell& cell) {
  const std::uint64_t place = static_cast<std::uint64_t>(cell.kind) << 32 |
                              static_cast<std::uint32_t>(cell.document_tokens);
  const std::uint64_t seed = mix_bits(cell.seed + kGoldenGamma);
  return mix_bits((seed ^ place) + kGoldenGamma) | corpus::kFirstEvaluationSeed;
}

// With the tokenizer of the default model prompts exceed document_tokens by 80 at most. Other
// tokenizers cut words finer, and the plain format labels every document.
int room_tokens(PromptFormat format, int document_tokens) {
  return format == PromptFormat::kMarks ? 256 : 512 + document_tokens / 4;
}

Result<std::vector<Question>> make_questions(const QaCell& cell, PromptFormat format,
                                             const Tokenizer& tokenizer) {
  corpus::SampleOptions options;
  options.split = corpus::Split::kTest;
  options.document_tokens = cell.document_tokens;
  options.mix[static_cast<std::size_t>(cell.kind)] = 1;
  const int limit = cell.document_tokens + room_tokens(format, cell.document_tokens);
  Counter counter(tokenizer);
  const auto count = [&counter](std::string_view text) { return counter.count(text); };
  corpus::Random random(stream_seed(cell));
  std::vector<Question> questions;
  while (static_cast<int>(questions.size()) < cell.questions) {
    const auto sample = corpus::make_sample(options, count, random);
    if (!sample.ok()) return sample.error().within(describe(cell));
    if (counter.error()) return counter.error()->within(describe(cell));
    auto question = make_question(*sample, format, tokenizer);
    if (!question.ok()) return question.error().within(describe(cell));
    if (question->prompt_tokens + kAnswerTokens > limit) {
      return invalid(describe(cell), ": a prompt has ", question->prompt_tokens, " tokens; with ",
                     kAnswerTokens, " for its answer, more than ", limit);
    }
    questions.push_back(std::move(*question));
  }
  return questions;
}

}  // namespace redknot::eval
