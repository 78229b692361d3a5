// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_command.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/eval_arms.h"
#include "cli/eval_pictures.h"
#include "cli/eval_plan.h"
#include "cli/eval_profiles.h"
#include "cli/eval_report.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"

namespace redknot::cli {
namespace {

using eval::Answer;
using eval::Question;
using eval::Row;
using Answers = std::vector<Answer>;

// How far an evaluation is, and for how long it goes on: the questions of every arm, then their
// predictions under all arms but the first beside the first. It ends early after Ctrl-C.
class Advance {
 public:
  Advance(const EvalPlan& plan, std::size_t arms) : arms_(static_cast<double>(arms)) {
    double once = 0;
    for (const EvalCell& cell : plan.cells) once += cell.work;
    for (const eval::Sequence& sequence : plan.text) {
      once += static_cast<double>(sequence.tokens.size());
    }
    work_ = once * ((plan.cells.empty() ? 0 : arms_) + (arms > 1 ? arms_ : 0));
  }

  void add(double tokens, const std::string& what) {
    done_ += tokens;
    progress_.show(what, std::min(1.0, done_ / work_));
  }
  void compared(double tokens) { add(tokens * arms_, "comparing predictions"); }
  // Before something is printed.
  void clear() { progress_.clear(); }
  bool stopped() const { return interrupt_.interrupted(); }

 private:
  WorkProgress progress_;
  InterruptScope interrupt_{[] {}};
  double arms_, work_ = 0, done_ = 0;
};

Result<Engine> open_engine(const EvalOptions& options, const Arm& arm, const EvalPlan& plan) {
  EngineOptions out = arm_engine(options, arm, plan.context_tokens);
  // A prompt is kept while it is answered and while its expected answer is looked at.
  out.segment_tokens = arm.at_once * plan.context_tokens;
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

void show(const std::string& cell, const Question& question, const Answer& given) {
  note(format("%s: %s: expected %s, given %s", cell.c_str(),
              quoted(question.task.sample.turns.back().question).c_str(),
              quoted(question.task.answers.front()).c_str(), quoted(given.text).c_str()));
}

// The answers of an arm to a cell's questions; fewer, if it was stopped.
Result<Answers> ask_cell(Engine& engine, const EvalCell& cell, const Arm& arm,
                         std::span<const Question> questions, const EvalOptions& options,
                         Advance& advance) {
  const std::string what = described(arm, cell.row);
  const auto on_answer = [&](const Question&, const Answer&) {
    advance.add(cell.work / static_cast<double>(questions.size()), what);
  };
  REDKNOT_TRY(Answers answers, generate_answers(engine, questions,
                                                {.at_once = arm.at_once,
                                                 .likelihood = true,
                                                 .stop = [&advance] { return advance.stopped(); },
                                                 .on_answer = on_answer}));
  advance.clear();
  const std::size_t shown = std::min(static_cast<std::size_t>(options.show), answers.size());
  for (std::size_t i = 0; i < shown; ++i) show(what, questions[i], answers[i]);
  return answers;
}

// The rows of all arms, printed as they come. The first is dense attention, which the others are
// held against.
Result<std::vector<Row>> run_cells(const EvalOptions& options, const std::vector<Arm>& arms,
                                   const EvalPlan& plan, Advance& advance) {
  std::vector<Row> rows;
  std::vector<Answers> dense;
  if (plan.cells.empty()) return rows;
  for (const Arm& arm : arms) {
    REDKNOT_TRY(Engine engine, open_engine(options, arm, plan));
    for (std::size_t i = 0; i < plan.cells.size() && !advance.stopped(); ++i) {
      const EvalCell& cell = plan.cells[i];
      REDKNOT_TRY(std::vector<Question> questions, cell.questions());
      REDKNOT_TRY(Answers answers, ask_cell(engine, cell, arm, questions, options, advance));
      if (answers.empty()) break;
      questions.resize(answers.size());
      Row row = cell.row;
      row.arm = arm.name;
      row = scored(std::move(row), questions, answers, options.seed);
      if (dense.size() < plan.cells.size()) {
        dense.push_back(std::move(answers));
      } else {
        row.against_dense = against_dense(questions, answers,
                                          std::span(dense[i]).first(answers.size()), options.seed);
      }
      REDKNOT_RETURN_IF_ERROR(print(row_text(row)));
      rows.push_back(std::move(row));
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

// After a long evaluation one output is not lost with the other.
Result<ExitCode> finish(const EvalOptions& options, const EvalReport& report,
                        std::vector<NamedProfile>& profiles, bool interrupted) {
  if (interrupted && report.rows.empty() && !report.divergences) return ExitCode::kInterrupted;
  const Status printed = print(report_text(report));
  const Status written =
      options.json ? replace_file(*options.json, report_json(report)) : Status(Done{});
  if (report.divergences && !interrupted) record_validation(profiles, *report.divergences);
  if (options.report && report.divergences) {
    REDKNOT_RETURN_IF_ERROR(write_pictures(*options.report, report, profiles));
  }
  REDKNOT_RETURN_IF_ERROR(written);
  REDKNOT_RETURN_IF_ERROR(printed);
  if (interrupted) note("eval: interrupted; the tables are of what there was by then");
  return interrupted ? ExitCode::kInterrupted : ExitCode::kSuccess;
}

}  // namespace

Result<ExitCode> eval(const EvalOptions& options) {
  if (options.json) REDKNOT_RETURN_IF_ERROR(check_replaceable(*options.json));
  if (options.report) REDKNOT_RETURN_IF_ERROR(make_directory(*options.report));
  REDKNOT_TRY(const ModelFile model, ModelFile::open(options.model));
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  REDKNOT_TRY(const eval::Prompter prompter,
              eval::Prompter::open(model.info(), tokenizer, options.raw));
  REDKNOT_TRY(const EvalPlan plan, make_plan(options, model.info(), prompter));
  for (const std::string& profile : options.profiles) {  // a wrong one is said before the work
    REDKNOT_RETURN_IF_ERROR(model.profile_kv(profile, options.page_tokens, 1));
  }
  const std::vector<Arm> arms = arms_of(options);
  REDKNOT_TRY(std::vector<NamedProfile> profiles, read_profiles(arms));
  EvalReport report{.suite = options.suite, .model = model.info().name};
  report.prompts = name_of(prompter.style());
  report.seed = options.seed;
  report.skipped = plan.skipped;
  REDKNOT_TRY(report.kv, kv_name(options, model));
  Advance advance(plan, arms.size());
  REDKNOT_TRY(report.rows, run_cells(options, arms, plan, advance));
  if (arms.size() > 1 && !advance.stopped()) {
    REDKNOT_TRY(report.divergences, compare_arms(options, arms, plan, [&](int tokens) {
                  advance.compared(tokens);
                  return !advance.stopped();
                }));
  }
  advance.clear();
  return finish(options, report, profiles, advance.stopped());
}

}  // namespace redknot::cli
