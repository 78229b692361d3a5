// SPDX-License-Identifier: Apache-2.0
// The binary `redknot`: reads the command line, runs one verb, reports how it ended.
#include <CLI/CLI.hpp>
#include <csignal>
#include <memory>
#include <string>

#include "cli/bench_command.h"
#include "cli/capacity_command.h"
#include "cli/chat_command.h"
#include "cli/eval_command.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/inspect_command.h"
#include "cli/interrupt.h"
#include "cli/model_names.h"
#include "cli/output.h"
#include "cli/profile_command.h"
#include "cli/replay_command.h"
#include "cli/run_command.h"
#include "cli/run_options.h"
#include "cli/serve_command.h"
#include "cli/tokenize_command.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "redknot: large language models over long contexts\n"
    "\n"
    "Usage: redknot VERB [OPTIONS]\n"
    "       redknot VERB --help";

struct CommandLine {
  CLI::App app{kDescription, "redknot"};
  RunOptions run_options;
  ChatOptions chat_options;
  ServeOptions serve_options;
  InspectOptions inspect_options;
  TokenizeOptions tokenize_options;
  BenchCommandOptions bench_options;
  EvalOptions eval_options;
  ProfileCommandOptions profile_options;
  CapacityCommandOptions capacity_options;
  ReplayCommandOptions replay_options;
  PullOptions pull_options;
  CLI::App* run = nullptr;
  CLI::App* chat = nullptr;
  CLI::App* serve = nullptr;
  CLI::App* inspect = nullptr;
  CLI::App* tokenize = nullptr;
  CLI::App* bench = nullptr;
  CLI::App* eval = nullptr;
  CLI::App* profile = nullptr;
  CLI::App* capacity = nullptr;
  CLI::App* replay = nullptr;
  CLI::App* pull = nullptr;
};

void declare(CommandLine& line) {
  CLI::App& app = line.app;
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", "Print this help and exit.");
  app.set_version_flag("--version", "redknot " REDKNOT_VERSION, "Print the version and exit.");
  app.require_subcommand(0, 1);
  app.footer(kExitCodesHelp);
  line.run = add_run(app, line.run_options);
  line.chat = add_chat(app, line.chat_options);
  line.serve = add_serve(app, line.serve_options);
  line.inspect = add_inspect(app, line.inspect_options);
  line.tokenize = add_tokenize(app, line.tokenize_options);
  line.bench = add_bench(app, line.bench_options);
  line.eval = add_eval(app, line.eval_options);
  line.profile = add_profile(app, line.profile_options);
  line.capacity = add_capacity(app, line.capacity_options);
  line.replay = add_replay(app, line.replay_options);
  line.pull = add_pull(app, line.pull_options);
}

// What a verb cannot do without, given in one of several ways, or cannot do together; empty if all
// is well.
std::string misuse(const CommandLine& line) {
  if (line.app.get_subcommands().empty()) {
    return "a verb is required: run, chat, serve, inspect, tokenize, bench, eval, profile, "
           "capacity, replay or pull";
  }
  const RunOptions& run = line.run_options;
  if (line.run->parsed() && !run.prompt && !run.prompt_file && !run.tokens_file) {
    return "a prompt is required: -p TEXT, -f FILE or --tokens FILE";
  }
  const TokenizeOptions& text = line.tokenize_options;
  const bool given = text.text || text.file || text.from_stdin || text.decode;
  if (line.tokenize->parsed() && !given) {
    return "a text is required: -p TEXT, -f FILE, --stdin or --decode IDS";
  }
  if (line.bench->got_subcommand("rag")) return wrong_combination(line.bench_options.rag);
  if (line.bench->got_subcommand("serve")) return {};
  if (line.bench->parsed()) return wrong_combination(line.bench_options);
  return line.eval->parsed() ? wrong_combination(line.eval_options) : std::string();
}

ExitCode wrong_usage(const CommandLine& line, const std::string& cause) {
  std::string verb;
  for (const CLI::App* parsed : line.app.get_subcommands()) verb = parsed->get_name();
  note(verb.empty() ? cause : verb + ": " + cause);
  note("see redknot " + verb + (verb.empty() ? "" : " ") + "--help");
  return ExitCode::kUsage;
}

// The models that verbs open may be given by name.
Status find_models(CommandLine& line) {
  for (std::string* model :
       {&line.run_options.model, &line.chat_options.model, &line.serve_options.model,
        &line.inspect_options.model, &line.tokenize_options.model, &line.bench_options.model,
        &line.bench_options.rag.model, &line.bench_options.serve.model, &line.eval_options.model,
        &line.profile_options.model, &line.capacity_options.model, &line.replay_options.model}) {
    if (model->empty()) continue;
    REDKNOT_TRY(*model, find_model(*model));
  }
  return Done{};
}

Result<ExitCode> run_verb(CommandLine& line) {
  REDKNOT_RETURN_IF_ERROR(find_models(line));
  if (line.run->parsed()) return run(line.run_options);
  if (line.chat->parsed()) return chat(line.chat_options);
  if (line.serve->parsed()) return serve(line.serve_options);
  if (line.inspect->parsed()) return inspect(line.inspect_options);
  if (line.tokenize->parsed()) return tokenize(line.tokenize_options);
  if (line.bench->got_subcommand("rag")) return bench_rag(line.bench_options.rag);
  if (line.bench->got_subcommand("serve")) return bench_serve(line.bench_options.serve);
  if (line.bench->parsed()) return bench(line.bench_options);
  if (line.eval->parsed()) return eval(line.eval_options);
  if (line.profile->parsed()) return profile(line.profile_options);
  if (line.pull->parsed()) return pull(line.pull_options);
  if (line.replay->parsed()) return replay_steps(line.replay_options);
  return capacity(line.capacity_options);
}

ExitCode report(const Result<ExitCode>& result) {
  if (result.ok()) return *result;
  note(result.error().message());
  return ExitCode::kFailure;
}

ExitCode print_and_leave(const std::string& text) {
  const Status printed = print(text);
  return printed.ok() ? ExitCode::kSuccess : report(printed.error());
}

ExitCode main(int argc, char** argv) {
  reserve_standard_descriptors();
  std::signal(SIGPIPE, SIG_IGN);  // a reader that left is a failed write
  exit_on_interrupt();
  CommandLine line;
  declare(line);
  try {
    line.app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    return print_and_leave(line.app.help());
  } catch (const CLI::CallForVersion& version) {
    return print_and_leave(std::string(version.what()) + "\n");
  } catch (const CLI::ParseError& error) {
    return wrong_usage(line, error.what());
  }
  if (const std::string cause = misuse(line); !cause.empty()) return wrong_usage(line, cause);
  return report(run_verb(line));
}

}  // namespace
}  // namespace redknot::cli

int main(int argc, char** argv) { return static_cast<int>(redknot::cli::main(argc, argv)); }
