// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_serve_command.h"

#include <cstdlib>
#include <limits>
#include <utility>

#include "cli/bench_pictures.h"
#include "cli/interrupt.h"
#include "cli/output.h"
#include "cli/replaced_file.h"
#include "cli/served_model.h"

namespace redknot::cli {
namespace {

load::Mix mix_from_name(const std::string& name) {
  if (name == "shared") return load::Mix::kShared;
  if (name == "multi-turn") return load::Mix::kMultiTurn;
  if (name == "questions") return load::Mix::kQuestions;
  return name == "trace" ? load::Mix::kTrace : load::Mix::kUnique;
}

Result<load::Workload> workload_of(const BenchServeOptions& options) {
  load::WorkloadOptions workload = options.workload;
  workload.mix = mix_from_name(options.mix);
  workload.orders_vary = options.order == "new";
  workload.rate = options.rate == "inf" ? std::numeric_limits<double>::infinity()
                                        : std::strtod(options.rate.c_str(), nullptr);
  load::Recorded recorded;
  if (workload.mix == load::Mix::kTrace) {
    REDKNOT_TRY(recorded.trace, load::read_trace(options.trace));
  }
  if (workload.mix == load::Mix::kQuestions) {
    REDKNOT_TRY(recorded.questions, load::read_question_sets(options.questions));
  }
  return load::make_workload(workload, recorded);
}

void show(const load::LoadProgress& now) {
  if (now.phase != load::LoadPhase::kLoad) {
    const char* what = now.phase == load::LoadPhase::kCheck ? "compared with the exact run"
                                                            : "sets of documents made known";
    note(format("bench serve: %s: %d of %d", what, now.done, now.due));
    return;
  }
  std::string line = format("bench serve: %.0f s: %d of %d sent, %d done, %d running", now.at_s,
                            now.sent, now.due, now.done, now.running);
  if (now.failed > 0) line += format(", %d failed", now.failed);
  note(line);
}

// The lines of --beside.
Result<std::vector<NamedLoads>> lines_beside(const BenchServeOptions& options) {
  std::vector<NamedLoads> out;
  for (const std::string& given : options.beside) {
    const std::size_t equals = given.find('=');
    NamedLoads& line = out.emplace_back(NamedLoads{.name = given.substr(0, equals)});
    for (std::size_t at = equals; at != given.npos;) {
      const std::size_t end = given.find(',', at + 1);
      REDKNOT_TRY(ServedLoad load, read_served_load(given.substr(at + 1, end - at - 1)));
      line.loads.push_back(std::move(load));
      at = end;
    }
  }
  return out;
}

ServedLoad load_of(const load::Report& report, const load::LoadResult& result) {
  ServedLoad out{.requests = report.requests, .output_tokens_per_s = report.output_tokens_per_s};
  for (const load::Answer& answer : result.answers) {
    if (answer.ok()) out.ttft_ms.push_back(1000 * answer.ttft_s());
  }
  return out;
}

// Every request failed: what the first one met with.
Error nothing_answered(const load::Report& report) {
  const auto& [kind, cause] = *report.causes.begin();
  return {ErrorCode::kUnavailable, "bench serve: no request was answered: " + kind +
                                       (cause.empty() ? std::string() : ": " + cause)};
}

}  // namespace

Result<ExitCode> bench_serve(const BenchServeOptions& options) {
  for (const auto& [mix, file] :
       {std::pair("trace", &options.trace), std::pair("questions", &options.questions)}) {
    if ((options.mix == mix) == !file->empty()) continue;
    note(format("bench serve: --mix %s and --%s FILE need each other", mix, mix));
    return ExitCode::kUsage;
  }
  for (const auto& file : {options.json, options.svg}) {
    if (file) REDKNOT_RETURN_IF_ERROR(check_replaceable(*file));
  }
  REDKNOT_TRY(std::vector<NamedLoads> lines, lines_beside(options));
  REDKNOT_TRY(load::Workload workload, workload_of(options));
  if (workload.left_out > 0) {
    note(format("bench serve: %d prompts of the trace are too long and left out",
                workload.left_out));
  }
  std::optional<ServedModel> served;
  if (!options.model.empty()) {
    REDKNOT_TRY(served, ServedModel::start(options.model, options.serve_options));
  }
  load::LoadOptions how = options.load;
  how.prompts.endpoint =
      options.endpoint == "chat" ? load::Endpoint::kChat : load::Endpoint::kCompletions;
  how.prompts.documents_in_message = options.documents_in == "message";
  how.prompts.seed = options.workload.seed;
  REDKNOT_TRY(how.server, load::parse_address(served ? served->url() : options.url));
  how.server.verify = !options.insecure;
  load::LoadRun run(std::move(workload), std::move(how), show);
  const InterruptScope scope([&run] { run.stop(); });
  REDKNOT_TRY(const load::LoadResult result, run.run());
  const load::Report report = load::make_report(result.answers, options.objectives);
  REDKNOT_RETURN_IF_ERROR(print(serve_table(report, result, options.objectives)));
  if (options.json) {
    REDKNOT_RETURN_IF_ERROR(
        replace_file(*options.json, serve_json(report, result, options, scope.interrupted())));
  }
  if (options.svg) {
    lines.push_back({.name = "this run", .loads = {load_of(report, result)}});
    REDKNOT_RETURN_IF_ERROR(replace_file(*options.svg, serving_picture(lines)));
  }
  if (scope.interrupted()) return ExitCode::kInterrupted;
  if (report.completed == 0 && !report.causes.empty()) return nothing_answered(report);
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
