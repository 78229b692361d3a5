// SPDX-License-Identifier: Apache-2.0
#include "eval/qa_suite.h"

#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/mix_bits.h"
#include "corpus/random.h"
#include "corpus/task.h"

namespace redknot::eval {
namespace {

std::string describe(const QaCell& cell) {
  return concat("make ", corpus::name_of(cell.kind), " questions on ", cell.document_tokens,
                " tokens of documents");
}

}  // namespace

std::uint64_t stream_seed(const QaCell& cell) {
  const std::uint64_t place = static_cast<std::uint64_t>(cell.kind) << 32 |
                              static_cast<std::uint32_t>(cell.document_tokens);
  const std::uint64_t seed = mix_bits(cell.seed + kGoldenGamma);
  return mix_bits((seed ^ place) + kGoldenGamma) | corpus::kFirstEvaluationSeed;
}

Result<std::vector<Question>> make_questions(const QaCell& cell, const Prompter& prompter) {
  const corpus::TaskOptions options{.document_tokens = cell.document_tokens, .code = cell.code};
  const int limit = cell.document_tokens + prompter.room_tokens(cell.document_tokens);
  const auto count = [&](std::string_view text) {
    return count_tokens(prompter.tokenizer(), text);
  };
  corpus::Random random(stream_seed(cell));
  std::vector<Question> questions;
  while (static_cast<int>(questions.size()) < cell.questions) {
    const auto task = corpus::make_task(cell.kind, options, count, random);
    if (!task.ok()) return task.error().within(describe(cell));
    auto question = prompter.question(*task);
    if (!question.ok()) return question.error().within(describe(cell));
    if (whole_tokens(*question) > limit) {
      return invalid(describe(cell), ": a prompt has ", question->prompt_tokens, " tokens; with ",
                     task->answer_tokens, " for its answer, more than ", limit);
    }
    questions.push_back(std::move(*question));
  }
  return questions;
}

}  // namespace redknot::eval
