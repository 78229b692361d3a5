// SPDX-License-Identifier: Apache-2.0
#include "cli/run_options.h"

#include "cli/exit_code.h"
#include "cli/option_checks.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Generate text from a prompt\n"
    "\n"
    "Usage: redknot run -m MODEL (-p TEXT | -f FILE | --tokens FILE) [OPTIONS]\n"
    "       redknot run -m MODEL --doc FILE [--doc FILE ...] -p QUESTION [OPTIONS]\n"
    "\n"
    "The prompt is a user's message where the model has a chat template, and raw text\n"
    "where it has none or with --raw.\n"
    "The answer goes to standard output as it is made; the prompt is not repeated.\n"
    "Timings, the seed and errors go to standard error.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot run -m model.gguf -p \"Why is the sky blue?\" --temp 0\n"
    "  redknot run -m model.gguf --raw -p \"Once upon a time\" -n 200 --seed 7\n"
    "  redknot run -m model.gguf --tokens ids.json -n 0 --logits logits.npy\n"
    "  redknot run -m model.gguf --doc a.txt --doc b.txt -p \"Who wrote it?\"\n"
    "\n"
    "Ctrl-C ends the answer: what was generated stays, --json and --logits are\n"
    "completed, and the exit code is 130. A second Ctrl-C ends the process at once.\n"
    "\n";

void add_prompt_options(CLI::App& app, RunOptions& o) {
  auto* text = app.add_option("-p,--prompt", o.prompt, "The prompt.");
  auto* file = app.add_option("-f,--file", o.prompt_file,
                              "Read the prompt from a file; \"-\" is standard input. One newline "
                              "at its end is left out.");
  auto* tokens =
      app.add_option("--tokens", o.tokens_file,
                     "Read the prompt as token ids from a JSON file: [1, 2, 3] or {\"tokens\": "
                     "[1, 2, 3]}. They are taken as they are; no BOS is added.");
  auto* no_bos = app.add_flag(
      "--no-bos", o.no_bos, "Add no beginning-of-sequence token, even if the model asks for one.");
  auto* no_special =
      app.add_flag("--no-parse-special", o.no_parse_special,
                   "Take text such as \"<|im_end|>\" in the prompt literally, not as its token.");
  auto* documents = app.add_option(
      "--doc", o.documents,
      "A document that the prompt is a question about; may be given several times. Without a chat "
      "template the prompt is written as redknot eval writes it: see its --help.");
  auto* raw = app.add_flag("--raw", o.raw,
                           "Take the prompt as it is. Otherwise a model that has a chat template "
                           "gets it as a user's message, and text such as \"<|im_end|>\" in it "
                           "is text.");
  auto* system =
      app.add_option("--system", o.system,
                     "What the model is told first, in the system message of its chat template.");
  system->type_name("TEXT")->excludes(raw)->excludes(tokens);
  documents->type_name("FILE")->allow_extra_args(false)->excludes(tokens)->excludes(no_special);
  documents->group("Documents");
  add_reuse(app, o.reuse);
  app.get_option("--reuse")->needs(documents);
  text->type_name("TEXT")->excludes(file)->excludes(tokens);
  file->type_name("FILE")->excludes(tokens);
  tokens->type_name("FILE")->excludes(no_bos)->excludes(no_special);
  for (CLI::Option* option : {text, file, tokens, raw, system, no_bos, no_special})
    option->group("Prompt");
}

void add_length_options(CLI::App& app, RunOptions& o) {
  app.add_option("-n,--predict,--n-predict", o.max_tokens,
                 "Most tokens to generate; -1: until the context is full; 0: none, only compute "
                 "the prompt.")
      ->type_name("TOKENS")
      ->transform(integer_in(-1, kMaxTokens))
      ->default_str("-1 with a chat template, else 128")
      ->group("End of the answer");
  app.add_option("--stop", o.stop, "End the answer before this text. May be given several times.")
      ->type_name("TEXT")
      ->allow_extra_args(false)
      ->group("End of the answer");
  app.add_flag("--ignore-eos", o.ignore_eos, "Go on after an end-of-sequence token.")
      ->group("End of the answer");
}

void add_form_options(CLI::App& app, RunOptions& o) {
  auto* schema = app.add_option(
      "-j,--json-schema", o.json_schema,
      "The answer is JSON that meets this JSON schema, such as '{\"type\": \"object\"}' for any "
      "object. Keys come in the order of the schema; keywords that are not supported are named.");
  auto* file = app.add_option("--json-schema-file", o.json_schema_file,
                              "The same, read from a file; \"-\" is standard input.");
  schema->type_name("SCHEMA")->excludes(file)->group("Form of the answer");
  file->type_name("FILE")->group("Form of the answer");
}

void add_output_options(CLI::App& app, RunOptions& o) {
  auto* echo = app.add_flag("--echo", o.echo, "Print the prompt before the answer.");
  auto* special = app.add_flag("--special", o.special, "Print special tokens as text too.");
  auto* json = app.add_flag("--json", o.json,
                            "Instead of streaming, print one JSON object at the end: text, tokens, "
                            "finish_reason, seed, usage.");
  echo->excludes(json)->excludes(app.get_option("--doc"));
  special->excludes(json);
  app.add_option("--logprobs", o.log_probabilities,
                 "With --json: add the log-probability of each token, and those of the N most "
                 "likely tokens at its place. They are the model's own, before sampling options.")
      ->type_name("N")
      ->transform(integer_in(0, 1024))
      ->needs(json)
      ->group("Output");
  app.add_option("--logits", o.logits_file,
                 "Write the logits of every position that was computed, of the prompt and of the "
                 "answer, to a NumPy file: float32 [positions, vocabulary].")
      ->excludes(app.get_option("--reuse"))
      ->type_name("FILE.npy")
      ->group("Output");
  auto* no_perf = app.add_flag("--no-perf", o.no_perf, "Print no timings.");
  auto* verbose = app.add_flag("--verbose", o.verbose,
                               "Print what was loaded, on which kernels it runs, and its memory.");
  for (CLI::Option* option : {echo, special, json, no_perf, verbose}) option->group("Output");
}

}  // namespace

CLI::App* add_run(CLI::App& app, RunOptions& options) {
  CLI::App* verb = app.add_subcommand("run", kDescription);
  add_own_model(*verb, options);
  add_prompt_options(*verb, options);
  add_length_options(*verb, options);
  add_form_options(*verb, options);
  add_sampling(*verb, options.sampling);
  add_output_options(*verb, options);
  add_own_computation(*verb, options);
  add_record(*verb, options.record);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
