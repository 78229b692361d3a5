// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench_rag_command.h"
#include "cli/eval_options.h"
#include "cli/option_checks.h"
#include "cli/reuse_options.h"
#include "corpus/sample.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Measure what reuse of documents costs and what it saves\n"
    "\n"
    "Usage: redknot bench rag -m MODEL [--arms LIST] [--ratios LIST] [OPTIONS]\n"
    "       redknot bench rag -m MODEL --questions FILE[,FILE] [-n N] [OPTIONS]\n"
    "\n"
    "Questions about sets of documents, which stand in another order in every prompt;\n"
    "no question comes twice. Documents are known before the first question, but for\n"
    "--new of the sets. Every prompt goes through all arms, in turn:\n"
    "  dense      attention to everything, nothing kept\n"
    "  prefix     the same, with the prefix cache\n"
    "  noise      the same with f32 pages of another size and in other steps, in an\n"
    "             engine of its own: what rounding alone does (no --profile)\n"
    "  none, boundary, deviation, elastic, knot\n"
    "             documents reused wherever they stand, what they missed recovered\n"
    "             (redknot run --help, --recovery), each at every ratio, and knot\n"
    "             with what it computes again by default\n"
    "A row says how long the first token took, and what the answer was worth: the\n"
    "text that is scored is that of the pass that is timed. How likely the expected\n"
    "answer is, in nats a token under the same policy, tells arms apart where a model\n"
    "is too weak to answer. KL and same top-1 are over tokens of the dense answer.\n"
    "Differences to dense attention have 95 % intervals by paired bootstrap. Rows are\n"
    "printed when their kind is done; after Ctrl-C, of what there is. With --profile\n"
    "all arms run under it, and what knot costs by default is written into the\n"
    "profile's file.";

constexpr char kFooter[] =
    "Question files and prompts are those of redknot eval --help: documents with a\n"
    "question, HotpotQA, MuSiQue. Each question's documents are known before it is\n"
    "asked, and stand in another order in its prompt.\n"
    "\n"
    "Examples:\n"
    "  redknot bench rag -m models/redknot-reader.gguf --json rag.json --svg rag.svg\n"
    "  redknot bench rag -m model.gguf --text random --documents 8 --length 2000 \\\n"
    "    -n 3 --page-tokens 64 --arms dense,none,knot --ratios 0.1\n"
    "  redknot bench rag -m model.gguf --code ~/src/project --kinds extraction,keys \\\n"
    "    --length 512 -n 50 --arms none,knot --ratios 0.1\n"
    "  redknot bench rag -m model.gguf --questions musique.json,hotpot.json -n 100 \\\n"
    "    --arms none,boundary,knot --samples answers.jsonl\n"
    "\n";

void add_workload(CLI::App& verb, BenchRagOptions& o) {
  const auto count = [&verb](const char* name, int& value, int most, const char* description) {
    return verb.add_option(name, value, description)
        ->type_name("N")
        ->transform(integer_in(1, most))
        ->capture_default_str()
        ->group("Workload");
  };
  count("--documents", o.documents, 4096, "Documents of a prompt.");
  count("--length", o.length, 1 << 20,
        "Tokens of a document. Text of the corpus comes in documents of 50 to 600 tokens, as many "
        "as fill --documents times --length.");
  count("-n,--num-questions", o.questions, 1 << 20, "Questions of each kind, or file at most.");
  count("--per-set", o.per_set, 1024, "Questions about the same documents, at most.");
  verb.add_option("--new", o.new_rate,
                  "Share of the sets of documents that are not known before the first question.")
      ->type_name("RATE")
      ->transform(real_in(0, 1))
      ->capture_default_str()
      ->group("Workload");
  verb.add_option("--text", o.text,
                  "corpus: documents and questions of redknot eval, whose answers are known. "
                  "random: random tokens, for speed and KL alone.")
      ->type_name("TEXT")
      ->check(one_of({"corpus", "random"}))
      ->capture_default_str()
      ->group("Workload");
  std::vector<std::string> kinds = kind_names();
  // A turn of a chat refers to the one before it.
  kinds.erase(std::find(kinds.begin(), kinds.end(), name_of(corpus::Kind::kChat)));
  verb.add_option("--kinds", o.kinds, "Kinds of questions, separated by commas (redknot eval).")
      ->type_name("LIST")
      ->delimiter(',')
      ->check(one_of(std::move(kinds)))
      ->default_str("one_hop,two_hop,alias,continuation,correction; with --code, code")
      ->group("Workload");
  verb.add_option("--questions", o.question_files,
                  "Files of questions, separated by commas, instead of --text.")
      ->type_name("FILE")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->group("Workload");
  verb.add_flag("--raw", o.raw, "Ask in plain text even if the model has a chat template.")
      ->group("Workload");
  verb.add_option("--code", o.code,
                  "Also ask for lines of source code of this folder, other files of it as "
                  "documents (kind code).")
      ->type_name("FOLDER")
      ->group("Workload");
  verb.add_option("--seed", o.seed, "Of documents, questions and orders.")
      ->type_name("N")
      ->transform(integer_in(0, std::int64_t{1} << 62))
      ->capture_default_str()
      ->group("Workload");
}

void add_arms(CLI::App& verb, BenchRagOptions& o) {
  std::vector<std::string> names = {"dense", "prefix", kNoiseArm};
  names.insert(names.end(), kRecoveryNames.begin(), kRecoveryNames.end());
  verb.add_option("--arms", o.arms, "Arms, separated by commas. dense always runs.")
      ->type_name("LIST")
      ->delimiter(',')
      ->check(one_of(std::move(names)))
      ->capture_default_str()
      ->group("Arms");
  verb.add_option("--ratios", o.ratios, "Shares of tokens that policies compute again.")
      ->type_name("LIST")
      ->delimiter(',')
      ->transform(real_in(0, 1))
      ->capture_default_str()
      ->group("Arms");
  verb.add_option("--canonical", o.canonical,
                  "What documents are computed behind: prefix or bare (redknot run --help).")
      ->type_name("CONTEXT")
      ->check(one_of({"prefix", "bare"}))
      ->capture_default_str()
      ->group("Arms");
}

}  // namespace

CLI::App* add_bench_rag(CLI::App& bench, BenchRagOptions& options) {
  CLI::App* verb = bench.add_subcommand("rag", kDescription);
  verb->preparse_callback([&bench](std::size_t) { bench.get_option("--model")->required(false); });
  add_model(*verb, options.model);
  add_profile_file(*verb, options.profile);
  add_workload(*verb, options);
  add_arms(*verb, options);
  add_kv(*verb, options.kv);
  add_computation(*verb, options);
  verb->add_option("--json", options.json, "Write all rows to a JSON file.")
      ->type_name("FILE")
      ->group("Output");
  verb->add_option("--samples", options.samples,
                   "Write a JSON line for each prompt under each arm as it comes: kind, prompt, "
                   "arm, ttft_s, recovered_tokens, exact_match, contains, gold_log_probability, "
                   "answer, ...")
      ->type_name("FILE")
      ->group("Output");
  verb->add_option("--write-questions", options.write_questions,
                   "Write the questions with documents in the order of their prompts, a JSON line "
                   "each, for --questions and for redknot bench serve --mix questions.")
      ->type_name("FILE")
      ->group("Output");
  verb->add_option("--svg", options.svg, "Draw quality against TTFT, a line a policy.")
      ->type_name("FILE")
      ->group("Output");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
