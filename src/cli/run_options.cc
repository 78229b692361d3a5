// SPDX-License-Identifier: Apache-2.0
#include "cli/run_options.h"

#include <limits>

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
    "The answer goes to standard output as it is made; the prompt is not repeated.\n"
    "Timings, the seed and errors go to standard error.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot run -m model.gguf -p \"Once upon a time\" -n 200 --temp 0\n"
    "  redknot run -m model.gguf -f question.txt -n -1 --stop \"User:\" --seed 7\n"
    "  redknot run -m model.gguf --tokens ids.json -n 0 --logits logits.npy\n"
    "  redknot run -m model.gguf --doc a.txt --doc b.txt -p \"Who wrote it?\"\n"
    "\n"
    "Ctrl-C ends the answer: what was generated stays, --json and --logits are\n"
    "completed, and the exit code is 130. A second Ctrl-C ends the process at once.\n"
    "\n";

constexpr double kMaxReal = std::numeric_limits<float>::max();

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
      "A document that the prompt is a question about; may be given several times. The prompt is "
      "written as redknot eval writes it: see its --help.");
  documents->type_name("FILE")->allow_extra_args(false)->excludes(tokens)->excludes(no_special);
  documents->group("Documents");
  add_reuse(app, o.reuse);
  app.get_option("--reuse")->needs(documents);
  text->type_name("TEXT")->excludes(file)->excludes(tokens);
  file->type_name("FILE")->excludes(tokens);
  tokens->type_name("FILE")->excludes(no_bos)->excludes(no_special);
  for (CLI::Option* option : {text, file, tokens, no_bos, no_special}) option->group("Prompt");
}

void add_length_options(CLI::App& app, RunOptions& o) {
  app.add_option("-n,--predict,--n-predict", o.max_tokens,
                 "Most tokens to generate; -1: until the context is full; 0: none, only compute "
                 "the prompt.")
      ->type_name("TOKENS")
      ->transform(integer_in(-1, kMaxTokens))
      ->capture_default_str()
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

void add_choice_options(CLI::App& app, RunOptions& o) {
  const auto real = [&app](const char* name, float& value, double least, double most,
                           const char* description) {
    app.add_option(name, value, description)
        ->type_name("X")
        ->check(real_in(least, most))
        ->capture_default_str()
        ->group("Sampling");
  };
  Sampling& s = o.sampling;
  real("--temp", s.temperature, 0, 1e6,
       "Temperature: logits are divided by it; 0: always the most likely token.");
  app.add_option("--top-k", s.top_k, "Choose among this many most likely tokens; 0: off.")
      ->type_name("N")
      ->transform(integer_in(0, std::numeric_limits<int>::max()))
      ->capture_default_str()
      ->group("Sampling");
  real("--top-p", s.top_p, 0, 1,
       "Choose among the most likely tokens that together reach this probability; 1: off.");
  real("--min-p", s.min_p, 0, 1,
       "Leave out tokens less likely than this fraction of the most likely one; 0: off.");
  app.add_option("-s,--seed", o.seed,
                 "Seed of the random numbers; equal seeds give equal answers. -1: a random one, "
                 "which is printed.")
      ->type_name("N")
      ->transform(integer_in(-1, std::numeric_limits<std::int64_t>::max()))
      ->capture_default_str()
      ->group("Sampling");
  real("--repeat-penalty", s.repetition_penalty, 1e-6, kMaxReal,
       "Divide positive logits of tokens that occurred by this, multiply negative ones; 1: off.");
  app.add_option("--repeat-last-n", s.penalty_tokens,
                 "How many of the latest tokens, prompt and answer, the penalties look at; 0: "
                 "none; -1: all.")
      ->type_name("TOKENS")
      ->transform(integer_in(-1, kMaxTokens))
      ->capture_default_str()
      ->group("Sampling");
  real("--frequency-penalty", s.frequency_penalty, -kMaxReal, kMaxReal,
       "Subtract this from the logit of a token for each time it occurred; 0: off.");
  real("--presence-penalty", s.presence_penalty, -kMaxReal, kMaxReal,
       "Subtract this from the logit of a token that occurred; 0: off.");
  app.add_option("--logit-bias", o.logit_bias,
                 "Add to the logit of one token: 15043+1.5, 15043-2, or 15043-inf to forbid it. "
                 "May be given several times.")
      ->type_name("ID+BIAS")
      ->check(logit_bias())
      ->allow_extra_args(false)
      ->group("Sampling");
}

void add_output_options(CLI::App& app, RunOptions& o) {
  auto* echo = app.add_flag("--echo", o.echo, "Print the prompt before the answer.");
  auto* special = app.add_flag("--special", o.special, "Print special tokens as text too.");
  auto* json = app.add_flag("--json", o.json,
                            "Instead of streaming, print one JSON object at the end: text, tokens, "
                            "finish_reason, seed, usage.");
  echo->excludes(json)->excludes(app.get_option("--doc"));
  special->excludes(json);
  app.add_option("--logprobs", o.sampling.log_probabilities,
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

void add_computation_options(CLI::App& app, RunOptions& o) {
  app.add_option("-c,--ctx-size", o.context_tokens,
                 "Longest sequence, prompt and answer together; 0: as long as the model was "
                 "trained for. Memory for it is taken at the start.")
      ->type_name("TOKENS")
      ->transform(integer_in(0, kMaxTokens))
      ->capture_default_str()
      ->group("Computation");
  add_threads(app, o.threads);
  add_kv(app, o.kv);
  add_cache_types(app, o.kv);
  add_page_tokens(app, o.page_tokens);
  add_batch_size(app, o.max_step_tokens);
  add_kernels(app, o.kernels);
  add_activations(app, o.activations);
}

}  // namespace

CLI::App* add_run(CLI::App& app, RunOptions& options) {
  CLI::App* verb = app.add_subcommand("run", kDescription);
  add_model(*verb, options.model);
  add_profile_file(*verb, options.profile);
  add_prompt_options(*verb, options);
  add_length_options(*verb, options);
  add_form_options(*verb, options);
  add_choice_options(*verb, options);
  add_output_options(*verb, options);
  add_computation_options(*verb, options);
  add_record(*verb, options.record);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
