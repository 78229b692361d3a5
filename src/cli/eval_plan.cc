// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_plan.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/option_checks.h"
#include "cli/output.h"
#include "corpus/sample.h"
#include "eval/qa_suite.h"
#include "eval/questions_file.h"

namespace redknot::cli {
namespace {

using corpus::Kind;
using eval::Prompter;
using eval::Question;

// Sequences of a text file, at most.
constexpr int kMostSequences = 10'000;

// Tokens of the longest documents whose question and answer fit the trained length; 0 for none.
int longest_documents(const Prompter& prompter, int trained_tokens) {
  int length = std::min(trained_tokens, kMaxTokens);
  while (length > 0 && length + prompter.room_tokens(length) > trained_tokens) --length;
  return length;
}

std::vector<int> sorted_once(std::vector<int> values) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  return values;
}

Error invalid_context(const std::string& lengths, const std::string& cause) {
  return {ErrorCode::kInvalidArgument, "eval: --context " + lengths + ": " + cause};
}

// Those asked for must fit; of the standard ones, what does not is left out.
Result<std::vector<int>> chosen_lengths(const EvalOptions& options, int longest,
                                        int trained_tokens) {
  const std::string too_long = format(
      "documents, question and answer are longer than the %d tokens that the model was "
      "trained for; of documents at most %d fit",
      trained_tokens, longest);
  if (!options.document_tokens.empty()) {
    std::vector<int> lengths = sorted_once(options.document_tokens);
    if (lengths.back() <= longest) return lengths;
    return invalid_context(std::to_string(lengths.back()), too_long);
  }
  std::vector<int> lengths;
  std::string left_out;
  for (const int length : kStandardLengths) {
    if (length <= longest) {
      lengths.push_back(length);
    } else {
      left_out += (left_out.empty() ? "" : ", ") + std::to_string(length);
    }
  }
  if (lengths.empty()) return invalid_context(left_out, too_long);
  if (!left_out.empty()) note("eval: left out --context " + left_out + ": " + too_long);
  return lengths;
}

Result<EvalPlan> plan_qa(const EvalOptions& options, const ModelInfo& model,
                         const Prompter& prompter) {
  EvalPlan plan;
  const int longest = longest_documents(prompter, model.context_tokens);
  REDKNOT_TRY(const std::vector<int> lengths,
              chosen_lengths(options, longest, model.context_tokens));
  plan.context_tokens = lengths.back() + prompter.room_tokens(lengths.back());
  const int questions = options.questions.value_or(kStandardQuestions);
  if (options.code) {
    REDKNOT_TRY(corpus::CodeFolder folder, corpus::CodeFolder::open(*options.code));
    plan.code = std::make_shared<const corpus::CodeFolder>(std::move(folder));
  }
  for (const Kind kind : chosen_kinds(options.kinds, options.code.has_value())) {
    for (const int length : lengths) {
      const eval::QaCell cell{kind, length, questions, options.seed, plan.code.get()};
      plan.cells.push_back(
          {.row = {.arm = "dense", .kind = std::string(name_of(kind)), .context_tokens = length},
           .work = static_cast<double>(length) * questions,
           .questions = [cell, &prompter] { return make_questions(cell, prompter); }});
    }
  }
  return plan;
}

Result<EvalPlan> plan_files(const EvalOptions& options, const ModelInfo& model,
                            const Prompter& prompter) {
  EvalPlan plan;
  plan.skipped = 0;
  for (const std::string& path : question_files(options)) {
    REDKNOT_TRY(const std::vector<corpus::Task> tasks,
                eval::read_questions(path, options.questions.value_or(0)));
    auto found = eval::fitting(tasks, prompter, model.context_tokens);
    if (!found.ok()) return found.error().within("read " + path);
    if (found->questions.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   format("eval: %s: of %d questions none fits the %d tokens that the model was "
                          "trained for",
                          path.c_str(), found->skipped, model.context_tokens));
    }
    *plan.skipped += found->skipped;
    EvalCell cell{.row = {.arm = "dense", .kind = std::filesystem::path(path).stem().string()},
                  .questions = {}};
    for (const Question& question : found->questions) {
      cell.row.context_tokens = std::max(cell.row.context_tokens, question.prompt_tokens);
      cell.work += question.prompt_tokens;
      plan.context_tokens = std::max(plan.context_tokens, whole_tokens(question));
    }
    cell.questions = [questions = std::move(found->questions)] { return questions; };
    plan.cells.push_back(std::move(cell));
  }
  return plan;
}

// All sequences of both halves count: nothing is chosen here.
Result<EvalPlan> plan_text(const EvalOptions& options, const ModelInfo& model,
                           const Tokenizer& tokenizer) {
  const std::filesystem::path path = *options.file;
  EvalPlan plan;
  plan.context_tokens =
      options.document_tokens.empty() ? model.context_tokens : options.document_tokens.front();
  if (plan.context_tokens > model.context_tokens) {
    return invalid_context(std::to_string(plan.context_tokens),
                           format("the model was trained for %d tokens", model.context_tokens));
  }
  REDKNOT_TRY(eval::SequenceHalves halves,
              eval::file_sequences({&path, 1}, plan.context_tokens, kMostSequences, tokenizer));
  for (std::size_t i = 0; i < halves.first.size(); ++i) {
    plan.text.push_back(std::move(halves.first[i]));
    if (i < halves.second.size()) plan.text.push_back(std::move(halves.second[i]));
  }
  const auto wanted = static_cast<std::size_t>(options.questions.value_or(kMostSequences));
  if (plan.text.size() > wanted) plan.text.resize(wanted);
  plan.context_tokens = 0;
  for (const eval::Sequence& sequence : plan.text) {
    plan.context_tokens = std::max(plan.context_tokens, static_cast<int>(sequence.tokens.size()));
  }
  return plan;
}

}  // namespace

Result<EvalPlan> make_plan(const EvalOptions& options, const ModelInfo& model,
                           const Prompter& prompter) {
  if (options.suite == "text") return plan_text(options, model, prompter.tokenizer());
  return options.suite == "qa" ? plan_qa(options, model, prompter)
                               : plan_files(options, model, prompter);
}

}  // namespace redknot::cli
