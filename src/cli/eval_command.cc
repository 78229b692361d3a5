// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_command.h"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/eval_arms.h"
#include "cli/eval_pictures.h"
#include "cli/eval_plan.h"
#include "cli/eval_profiles.h"
#include "cli/eval_report.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "cli/time_left.h"

namespace redknot::cli {
namespace {

using eval::PromptFormat;
using eval::Question;
using eval::Row;
using Answers = std::vector<std::string>;

// How far an evaluation is, and for how long it goes on: the questions of every arm, then their
// predictions under all arms but the first beside the first.
class Advance {
 public:
  Advance(const EvalPlan& plan, std::size_t arms) {
    double once = 0;
    for (const EvalCell& cell : plan.cells) once += cell.work;
    for (const eval::Sequence& sequence : plan.text) {
      once += static_cast<double>(sequence.tokens.size());
    }
    const double asked_arms = plan.cells.empty() ? 0 : static_cast<double>(arms);
    work_ = once * (asked_arms + passes(arms));
    arms_ = arms;
  }
  void add(double tokens) { done_ += tokens; }
  void compared(double tokens) { done_ += tokens * passes(arms_); }
  double fraction() const { return std::min(1.0, done_ / work_); }
  std::string activity(const std::string& what) { return what + time_left_.text(fraction()); }

 private:
  static double passes(std::size_t arms) { return static_cast<double>(arms); }

  TimeLeft time_left_;
  std::size_t arms_ = 1;
  double work_ = 0, done_ = 0;
};

// Shows how far an evaluation is, on a terminal alone.
class AdvancePrinter {
 public:
  AdvancePrinter(Advance& advance, std::string what)
      : advance_(advance), what_(std::move(what)), print_(printer_.callback()) {}
  void show() const {
    if (terminal_) print_(advance_.activity(what_), advance_.fraction());
  }

 private:
  Advance& advance_;
  std::string what_;
  ProgressPrinter printer_;
  Progress print_;
  bool terminal_ = ::isatty(STDERR_FILENO) == 1;
};

Result<Engine> open_engine(const EvalOptions& options, const Arm& arm, const EvalPlan& plan) {
  EngineOptions out = engine_options(options, arm, plan.context_tokens);
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

std::string described(const Arm& arm, const Row& row) {
  return format("%s, %s, %d tokens", arm.name.c_str(), row.kind.c_str(), row.context_tokens);
}

void show(const std::string& cell, const Question& question, const std::string& given) {
  note(format("%s: %s: expected %s, given %s", cell.c_str(), quoted(question.text).c_str(),
              quoted(question.answer).c_str(), quoted(given).c_str()));
}

struct CellResult {
  Row row;
  Answers answers;
};

Result<CellResult> run_cell(Engine& engine, const EvalCell& cell, const Arm& arm,
                            PromptFormat format, const EvalOptions& options, Advance& advance) {
  REDKNOT_TRY(const std::vector<Question> questions, cell.questions());
  const std::string what = described(arm, cell.row);
  CellResult result{.row = cell.row, .answers = {}};
  {
    const AdvancePrinter printer(advance, what);
    const auto on_answer = [&](const Question&) {
      advance.add(cell.work / static_cast<double>(questions.size()));
      printer.show();
    };
    REDKNOT_TRY(
        result.answers,
        generate_answers(engine, questions,
                         {.format = format, .at_once = arm.at_once, .on_answer = on_answer}));
  }
  const std::size_t shown = std::min(static_cast<std::size_t>(options.show), questions.size());
  for (std::size_t i = 0; i < shown; ++i) show(what, questions[i], result.answers[i]);
  result.row.arm = arm.name;
  result.row = scored(std::move(result.row), questions, result.answers, options.seed);
  return result;
}

// The rows of all arms. The first is dense attention, which the others are held against.
Result<std::vector<Row>> run_cells(const EvalOptions& options, const std::vector<Arm>& arms,
                                   const EvalPlan& plan, Advance& advance) {
  std::vector<Row> rows;
  std::vector<Answers> dense;
  if (plan.cells.empty()) return rows;
  for (const Arm& arm : arms) {
    REDKNOT_TRY(Engine engine, open_engine(options, arm, plan));
    for (std::size_t i = 0; i < plan.cells.size(); ++i) {
      const EvalCell& cell = plan.cells[i];
      REDKNOT_TRY(CellResult result, run_cell(engine, cell, arm, plan.format, options, advance));
      if (dense.size() < plan.cells.size()) {
        dense.push_back(std::move(result.answers));
      } else {
        REDKNOT_TRY(const std::vector<Question> questions, cell.questions());
        result.row.against_dense = against_dense(questions, result.answers, dense[i], options.seed);
      }
      rows.push_back(std::move(result.row));
    }
  }
  return rows;
}

// "f16" or "f32": the format whose pages are as large as those of the model's default.
Result<std::string> kv_name(const EvalOptions& options, const ModelFile& model) {
  if (compares(options) || !options.kv.empty()) return std::string("f16");
  REDKNOT_TRY(const KvCost chosen, model.kv_cost(std::nullopt, options.page_tokens, 1));
  REDKNOT_TRY(const KvCost single, model.kv_cost(KvFormat::kF32, options.page_tokens, 1));
  return std::string(chosen.bytes_per_token == single.bytes_per_token ? "f32" : "f16");
}

}  // namespace

Result<ExitCode> eval(const EvalOptions& options) {
  if (options.json) REDKNOT_RETURN_IF_ERROR(check_replaceable(*options.json));
  if (options.report) REDKNOT_RETURN_IF_ERROR(make_directory(*options.report));
  REDKNOT_TRY(const ModelFile model, ModelFile::open(options.model));
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  REDKNOT_TRY(const EvalPlan plan, make_plan(options, model.info(), tokenizer));
  for (const std::string& profile : options.profiles) {  // a wrong one is said before the work
    REDKNOT_RETURN_IF_ERROR(model.profile_kv(profile, options.page_tokens, 1));
  }
  const std::vector<Arm> arms = arms_of(options);
  REDKNOT_TRY(std::vector<NamedProfile> profiles, read_profiles(arms));
  EvalReport report{.suite = options.suite, .model = model.info().name};
  report.prompts = plan.format == PromptFormat::kMarks ? "marked" : "plain";
  report.seed = options.seed;
  report.skipped = plan.skipped;
  REDKNOT_TRY(report.kv, kv_name(options, model));
  Advance advance(plan, arms.size());
  REDKNOT_TRY(report.rows, run_cells(options, arms, plan, advance));
  if (arms.size() > 1) {
    const AdvancePrinter printer(advance, "comparing predictions");
    REDKNOT_TRY(report.divergences, compare_arms(options, arms, plan, tokenizer, [&](int tokens) {
                  advance.compared(tokens);
                  printer.show();
                }));
  }
  // After a long evaluation one is not lost with the other.
  const Status printed = print(report_text(report));
  const Status written =
      options.json ? replace_file(*options.json, report_json(report)) : Status(Done{});
  if (report.divergences) record_validation(profiles, *report.divergences);
  if (options.report) {
    REDKNOT_RETURN_IF_ERROR(write_pictures(*options.report, report, profiles));
  }
  REDKNOT_RETURN_IF_ERROR(written);
  REDKNOT_RETURN_IF_ERROR(printed);
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
