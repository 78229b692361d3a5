// SPDX-License-Identifier: Apache-2.0
#include "cli/replay_command.h"

#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "engine/replay.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Run recorded steps again and compare what they give\n"
    "\n"
    "Usage: redknot replay FILE [-m MODEL] [OPTIONS]\n"
    "       redknot replay FILE --print\n"
    "\n"
    "FILE was written by redknot serve --record or redknot run --record. Each of its\n"
    "steps is run on the model again, without a server and without deciding anything,\n"
    "and sampled tokens, logits, measures and counts of operations are compared with\n"
    "those of the file, bit for bit. Any number of threads must give equal bits;\n"
    "other kernels, or another build of them, need not.\n"
    "\n"
    "A file that ends within a line, because its writer was killed, is replayed as\n"
    "far as it goes.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot serve -m model.gguf --record steps.jsonl\n"
    "  redknot replay steps.jsonl -t 1\n"
    "  redknot replay steps.jsonl --print | less\n"
    "  tail -n +2 steps.jsonl | jq -c '[.slices[][2]]'  # rows by sequence\n"
    "\n"
    "The exit code is 1 if any step gives other bits.\n"
    "\n";

unsigned long long count(std::uint64_t number) { return number; }

std::string outcome(const ReplayReport& report) {
  if (report.unequal_steps == 0) {
    return format("%llu steps, %llu rows of %llu sequences: equal bit for bit\n",
                  count(report.steps), count(report.rows), count(report.sequences));
  }
  std::string out = report.first_difference + "\n";
  out += format("%llu of %llu steps differ\n", count(report.unequal_steps), count(report.steps));
  if (report.kernels != report.recorded_kernels) {
    out += format("they were recorded with the kernels %s and replayed with %s\n",
                  report.recorded_kernels.c_str(), report.kernels.c_str());
  }
  return out;
}

void note_end(bool ends_within_line) {
  if (ends_within_line) note("the file ends within a line: whoever wrote it was stopped");
}

Result<ExitCode> print_plans(const ReplayCommandOptions& options) {
  REDKNOT_TRY(const bool ends_within_line, print_steps(options.file, print));
  note_end(ends_within_line);
  return ExitCode::kSuccess;
}

}  // namespace

CLI::App* add_replay(CLI::App& app, ReplayCommandOptions& options) {
  CLI::App* verb = app.add_subcommand("replay", kDescription);
  verb->add_option("FILE", options.file, "The recorded steps.")
      ->type_name("PATH")
      ->required()
      ->group("Recording");
  add_model(*verb, options.model);
  verb->get_option("--model")->required(false)->description(
      "The model that they were recorded on. Default: where the file says it was.");
  auto* print = verb->add_flag("--print", options.print,
                               "Print what each step was to do instead of running it: its "
                               "sequences and positions, rows of logits, sampled tokens, changes "
                               "of page tables. Needs no model.");
  print->excludes(verb->get_option("--model"))->group("Output");
  add_threads(*verb, options.threads);
  verb->add_option("--kernels", options.kernels,
                   "Which compute kernels: recorded (those of the file), auto (the best this CPU "
                   "runs), reference (plain loops, slow), avx2 or avx512. Others than the "
                   "recorded ones round differently: expect differences.")
      ->type_name("NAME")
      ->check(one_of({"recorded", "auto", "reference", "avx2", "avx512"}))
      ->capture_default_str()
      ->group("Computation");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> replay_steps(const ReplayCommandOptions& options) {
  if (options.print) return print_plans(options);
  const auto report = [&options] {
    ProgressPrinter progress;
    return replay({.file = options.file,
                   .model = options.model,
                   .threads = options.threads,
                   .kernels = options.kernels == "recorded" ? "" : options.kernels,
                   .progress = progress.callback()});
  }();
  if (!report.ok()) return report.error();
  REDKNOT_RETURN_IF_ERROR(print(outcome(*report)));
  note_end(report->ends_within_line);
  return report->unequal_steps == 0 ? ExitCode::kSuccess : ExitCode::kFailure;
}

}  // namespace redknot::cli
