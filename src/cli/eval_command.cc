// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_command.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/eval_report.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "cli/time_left.h"
#include "corpus/sample.h"
#include "eval/asking.h"
#include "eval/prompt_format.h"
#include "eval/qa_suite.h"
#include "eval/questions_file.h"
#include "eval/row.h"

namespace redknot::cli {
namespace {

using corpus::Kind;
using eval::PromptFormat;
using eval::Question;
using eval::Row;

// One row to be: its questions are made when they are asked, so that one row's are in memory.
struct Cell {
  Row row;
  double work = 0;  // tokens of its prompts, about
  std::function<Result<std::vector<Question>>()> questions;
};

struct Plan {
  PromptFormat format = PromptFormat::kPlain;
  int context_tokens = 0;  // of the longest sequence
  std::vector<Cell> cells;
  std::optional<int> skipped;
};

// How far a run is, and for how long it goes on.
class Advance {
 public:
  explicit Advance(const Plan& plan) {
    for (const Cell& cell : plan.cells) work_ += cell.work;
  }
  void add(double work) { done_ += work; }
  double fraction() const { return done_ / work_; }
  std::string activity(const Row& row) const {
    return format("%s, %d tokens: ", row.kind.c_str(), row.context_tokens) +
           time_left_.text(fraction());
  }

 private:
  TimeLeft time_left_;
  double work_ = 0, done_ = 0;
};

// In their own order, each once.
std::vector<Kind> chosen_kinds(const EvalOptions& options) {
  std::vector<Kind> kinds;
  for (const std::string& name : kind_names()) {
    const bool asked =
        options.kinds.empty() ||
        std::find(options.kinds.begin(), options.kinds.end(), name) != options.kinds.end();
    if (asked) kinds.push_back(corpus::kind_named(name).value());
  }
  return kinds;
}

// Tokens of the longest documents whose question and answer fit the trained length; 0 for none.
int longest_documents(PromptFormat format, int trained_tokens) {
  int length = std::min(trained_tokens, kMaxTokens);
  while (length > 0 && length + room_tokens(format, length) > trained_tokens) --length;
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

Result<Plan> plan_qa(const EvalOptions& options, const ModelInfo& model,
                     const Tokenizer& tokenizer) {
  Plan plan;
  plan.format = eval::prompt_format_for(tokenizer);
  const int longest = longest_documents(plan.format, model.context_tokens);
  REDKNOT_TRY(const std::vector<int> lengths,
              chosen_lengths(options, longest, model.context_tokens));
  plan.context_tokens = lengths.back() + room_tokens(plan.format, lengths.back());
  const int questions = options.questions.value_or(kStandardQuestions);
  for (const Kind kind : chosen_kinds(options)) {
    for (const int length : lengths) {
      const eval::QaCell cell{kind, length, questions, options.seed};
      plan.cells.push_back(
          {.row = {.arm = "dense", .kind = std::string(name_of(kind)), .context_tokens = length},
           .work = static_cast<double>(length) * questions,
           .questions = [cell, format = plan.format, &tokenizer] {
             return make_questions(cell, format, tokenizer);
           }});
    }
  }
  return plan;
}

Result<Plan> plan_file(const EvalOptions& options, const ModelInfo& model,
                       const Tokenizer& tokenizer) {
  const std::filesystem::path path = *options.file;
  Plan plan;
  plan.format = eval::prompt_format_for(tokenizer);
  REDKNOT_TRY(eval::QuestionsFile file,
              eval::read_questions(path,
                                   {.format = plan.format,
                                    .context_tokens = model.context_tokens,
                                    .lines = options.questions.value_or(0)},
                                   tokenizer));
  plan.skipped = file.skipped;
  if (file.questions.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 format("eval: %s: of %d questions none fits the %d tokens that the model was "
                        "trained for",
                        path.c_str(), file.skipped, model.context_tokens));
  }
  Cell cell{.row = {.arm = "dense", .kind = path.stem().string()}, .questions = {}};
  for (const Question& question : file.questions) {
    cell.row.context_tokens = std::max(cell.row.context_tokens, question.prompt_tokens);
    cell.work += question.prompt_tokens;
  }
  plan.context_tokens = cell.row.context_tokens + eval::kAnswerTokens;
  cell.questions = [questions = std::move(file.questions)] { return questions; };
  plan.cells.push_back(std::move(cell));
  return plan;
}

Result<Engine> open_engine(const EvalOptions& options, const Plan& plan) {
  EngineOptions out;
  out.model = options.model;
  out.threads = options.threads;
  out.context_tokens = plan.context_tokens;
  out.max_sequences = options.at_once;
  out.page_tokens = options.page_tokens;
  out.kv = kv_from_name(options.kv);
  out.max_step_tokens = options.max_step_tokens;
  if (options.kernels != "auto") out.kernels = options.kernels;
  ProgressPrinter progress;
  out.progress = progress.callback();
  return Engine::open(out);
}

// As a JSON string; of a long text, which may hold whole documents, the end.
std::string quoted(const std::string& text) {
  constexpr std::size_t kMostBytes = 300;
  const std::size_t bytes = std::min(text.size(), kMostBytes);
  const nlohmann::json end = text.substr(text.size() - bytes);
  return (bytes < text.size() ? "..." : "") +
         end.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

void show(const Row& row, const Question& question, const std::string& given) {
  note(format("%s, %d tokens: %s: expected %s, given %s", row.kind.c_str(), row.context_tokens,
              quoted(question.text).c_str(), quoted(question.answer).c_str(),
              quoted(given).c_str()));
}

Result<Row> ask_cell(Engine& engine, const Cell& cell, PromptFormat format,
                     const EvalOptions& options, Advance& advance) {
  REDKNOT_TRY(const std::vector<Question> questions, cell.questions());
  std::vector<std::string> answers;
  {
    ProgressPrinter printer;
    const Progress print_progress = printer.callback();
    const bool terminal = ::isatty(STDERR_FILENO) == 1;
    const auto answered = [&](const Question&) {
      advance.add(cell.work / static_cast<double>(questions.size()));
      if (terminal) print_progress(advance.activity(cell.row), advance.fraction());
    };
    REDKNOT_TRY(answers, ask(engine, questions,
                             {.format = format, .at_once = options.at_once, .answered = answered}));
  }
  const std::size_t shown = std::min(static_cast<std::size_t>(options.show), questions.size());
  for (std::size_t i = 0; i < shown; ++i) show(cell.row, questions[i], answers[i]);
  return scored(cell.row, questions, answers, options.seed);
}

// "f16" or "f32" for "auto": the format whose pages are as large.
Result<std::string> kv_name(const EvalOptions& options, const ModelFile& model) {
  if (options.kv != "auto") return options.kv;
  REDKNOT_TRY(const KvCost chosen, model.kv_cost(KvDType::kAuto, options.page_tokens, 1));
  REDKNOT_TRY(const KvCost single, model.kv_cost(KvDType::kF32, options.page_tokens, 1));
  return std::string(chosen.bytes_per_token == single.bytes_per_token ? "f32" : "f16");
}

}  // namespace

Result<ExitCode> eval(const EvalOptions& options) {
  if (options.json) REDKNOT_RETURN_IF_ERROR(check_replaceable(*options.json));
  REDKNOT_TRY(const ModelFile model, ModelFile::open(options.model));
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  const auto make_plan = options.suite == "qa" ? plan_qa : plan_file;
  REDKNOT_TRY(const Plan plan, make_plan(options, model.info(), tokenizer));
  EvalReport report{.suite = options.suite, .model = model.info().name};
  report.prompts = plan.format == PromptFormat::kMarks ? "marked" : "plain";
  report.seed = options.seed;
  report.skipped = plan.skipped;
  REDKNOT_TRY(report.kv, kv_name(options, model));
  REDKNOT_TRY(Engine engine, open_engine(options, plan));
  Advance advance(plan);
  for (const Cell& cell : plan.cells) {
    REDKNOT_TRY(Row row, ask_cell(engine, cell, plan.format, options, advance));
    report.rows.push_back(std::move(row));
  }
  // After a long run one is not lost with the other.
  const Status printed = print(report_text(report));
  if (options.json) REDKNOT_RETURN_IF_ERROR(replace_file(*options.json, report_json(report)));
  REDKNOT_RETURN_IF_ERROR(printed);
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
