// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_command.h"
#include "cli/option_checks.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Chat with a model in the terminal\n"
    "\n"
    "Usage: redknot chat -m MODEL [--system TEXT] [--doc FILE ...] [OPTIONS]\n"
    "\n"
    "Answers go to standard output, everything else to standard error. Lines are edited\n"
    "as in a shell; a backslash at the end of a line, or a paste, makes a message of\n"
    "several lines. Where standard input is no terminal, each line of it is a message.\n"
    "\n"
    "  /doc FILE   adds a document to what is said next; what was computed for it is\n"
    "              used again with --reuse segment, wherever it comes back\n"
    "  /reset      forgets what was said, and the documents\n"
    "  /help       lists these\n"
    "  /exit       ends, as Ctrl-D does\n"
    "\n"
    "Ctrl-C stops an answer; at the prompt it clears the line, and ends on an empty one.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot chat -m model.gguf --system \"Answer in one sentence.\"\n"
    "  redknot chat -m model.gguf --doc manual.txt --reuse segment --temp 0\n"
    "\n";

}  // namespace

CLI::App* add_chat(CLI::App& app, ChatOptions& o) {
  CLI::App* verb = app.add_subcommand("chat", kDescription);
  add_own_model(*verb, o);
  verb->add_option("--system", o.system, "What the model is told before everything else.")
      ->type_name("TEXT")
      ->group("Conversation");
  verb->add_option("-n,--predict,--n-predict", o.max_tokens,
                   "Most tokens of an answer; -1: until the context is full.")
      ->type_name("TOKENS")
      ->transform(integer_in(-1, kMaxTokens))
      ->capture_default_str()
      ->group("Conversation");
  verb->add_flag("--no-perf", o.no_perf, "Print no timings behind answers.")->group("Conversation");
  verb->add_option("--doc", o.documents,
                   "The same as /doc at the start; may be given several times.")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->group("Documents");
  add_reuse(*verb, o.reuse);
  add_sampling(*verb, o.sampling);
  add_own_computation(*verb, o);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
