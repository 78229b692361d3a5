// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_options.h"

#include <algorithm>
#include <limits>

#include "cli/exit_code.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "corpus/code_tasks.h"

namespace redknot::cli {
namespace {

constexpr int kMaxQuestions = 10'000;  // of a cell, which are in memory together

constexpr char kDescription[] =
    "Measure how many questions a model answers rightly\n"
    "\n"
    "Usage: redknot eval -m MODEL [--suite qa] [--kinds LIST] [--context LIST]\n"
    "                    [-n N] [--seed N] [--json FILE] [OPTIONS]\n"
    "       redknot eval -m MODEL --suite questions --questions FILE[,FILE] [OPTIONS]\n"
    "       redknot eval -m MODEL --suite text --file FILE [OPTIONS]\n"
    "\n"
    "The suite qa asks about documents that are invented on the spot: people,\n"
    "companies, cities and events whose names no training has seen, so that what is\n"
    "right is known and must be read. Each cell, a kind of question at a length of\n"
    "the documents, is -n questions, each about documents of its own. The suite\n"
    "questions asks what files say. Answers are greedy. Printed are the share of\n"
    "exact matches with its 95 % bootstrap interval, the mean F1 of words, the share\n"
    "of answers that contain the expected one (all three ignore case, punctuation,\n"
    "the articles a, an, the, and white space, as SQuAD does), and how likely the\n"
    "expected answer is, in nats a token, which tells models apart that are too weak\n"
    "to answer. Equal options give equal numbers, whatever --threads and --parallel.\n"
    "After Ctrl-C the tables say what there is, and of how many questions.\n"
    "\n"
    "With --profile or --kv, the same is asked of dense attention with f16 pages, of\n"
    "the same with f32 pages of another size and in other steps (the noise floor:\n"
    "what rounding alone does), of each other format of pages, and of each profile;\n"
    "and their predictions are held against dense ones, token by token, over the end\n"
    "of each prompt and the expected answer. The suite text does that over the second\n"
    "half of every sequence of a file, and asks nothing; it needs neither.\n"
    "Differences of a quantised model's arms come with the rounding of activations,\n"
    "which is most of the floor: --activations exact leaves it out. A profile that\n"
    "nobody has validated, such as an imported head map, gets what was found written\n"
    "into its file as its validation.";

constexpr char kFooter[] =
    "Kinds of questions:\n"
    "  one_hop       a fact of one document\n"
    "  two_hop       where does the sister of X live: over two documents\n"
    "  comparison    which of two came first\n"
    "  counting      how many share a value, over all documents\n"
    "  alias         a name that one document defines and another uses\n"
    "  continuation  of a document that says \"she\" of the one before it\n"
    "  correction    the latest of several documents wins\n"
    "  quote         the sentence that says it, word for word\n"
    "  not_stated    no document says it; the answer is \"not stated\"\n"
    "  chat          a second question, about the subject of the first\n"
    "  key_value     a value in a JSON object of UUIDs\n"
    "  passkey       five digits in filler\n"
    "and of tasks for any model, asked only where they are named:\n"
    "  extraction    facts of several documents into JSON, which the answer must be;\n"
    "                scored by its fields\n"
    "  keys          a key among keys, all documents full of them (RULER)\n"
    "  variables     those that are assigned a value through others (RULER)\n"
    "  frequent_words  the three most frequent of coded words (RULER)\n"
    "  code          with --code FOLDER: the next line of a file; scored by edits\n"
    "\n"
    "Prompts: a model whose tokenizer has the tokens <|system|>, <|document|>,\n"
    "<|user|>, <|assistant|> and <|end|> is asked in that format, which RedKnot's\n"
    "own model is trained on. One with a chat template is asked through it: what is\n"
    "wanted as the system, documents in front of the question. Any other, and all\n"
    "with --raw, get plain text, \"Document: ...\", an empty line, \"Question: ...\",\n"
    "\"Answer:\", and the answer ends with the line. An answer has at most 96 tokens.\n"
    "\n"
    "A questions file has a JSON object a line, or is an array of them:\n"
    "  {\"documents\": [{\"title\": \"\", \"text\": \"\"}], \"question\": \"\", \"answers\": "
    "[\"\"]}\n"
    "  HotpotQA (distractor setting) and MuSiQue as they are published\n"
    "  {\"context\": \"...\", \"answer\": \"...\"}: the context is the whole prompt; a field\n"
    "  \"question\", if there is one, follows it after an empty line\n"
    "Those that with their answer are longer than the model was trained for are\n"
    "skipped, and their number is printed.\n"
    "\n"
    "Examples:\n"
    "  redknot eval -m model.gguf\n"
    "  redknot eval -m model.gguf --kinds one_hop,alias --context 2048 --json o.json\n"
    "  redknot eval -m model.gguf --code ~/src/project --kinds extraction,keys -n 100\n"
    "  redknot eval -m model.gguf --suite questions --questions hotpot.json -n 100\n"
    "\n";

void add_suite_options(CLI::App& app, EvalOptions& o) {
  auto* suite = app.add_option("--suite", o.suite, "What is asked: qa, questions or text.")
                    ->type_name("NAME")
                    ->check(one_of({"qa", "questions", "text"}))
                    ->capture_default_str();
  auto* kinds = app.add_option("--kinds", o.kinds, "qa: kinds of questions, separated by commas.")
                    ->type_name("LIST")
                    ->delimiter(',')
                    ->allow_extra_args(false)
                    ->check(one_of(kind_names()))
                    ->default_str("the first twelve; with --code, code");
  auto* code = app.add_option("--code", o.code,
                              "qa: ask for lines of source code of this folder, other files of it "
                              "as documents (kind code).")
                   ->type_name("FOLDER");
  auto* lengths =
      app.add_option("--context", o.document_tokens,
                     "qa: tokens of all documents of a question, separated by commas; less by a "
                     "few. Question and answer come on top, and all of it has to fit the length "
                     "that the model was trained for. text: tokens of a sequence.")
          ->type_name("LIST")
          ->delimiter(',')
          ->allow_extra_args(false)
          ->transform(integer_in(32, kMaxTokens))
          ->default_str("those of 512, 1024, 2048, 4096, 8192 and 16384 that fit");
  auto* files = app.add_option("--questions", o.question_files,
                               "questions: files of questions, separated by commas.")
                    ->type_name("FILE")
                    ->delimiter(',')
                    ->allow_extra_args(false);
  auto* file = app.add_option("--file", o.file, "text: the file. questions: one more file.")
                   ->type_name("FILE");
  auto* raw =
      app.add_flag("--raw", o.raw, "Ask in plain text even if the model has a chat template.");
  auto* questions = app.add_option("-n,--num-questions", o.questions,
                                   "qa: questions of each cell. questions: at most so many, from "
                                   "the beginning of a file. text: at most so many sequences.")
                        ->type_name("N")
                        ->transform(integer_in(1, kMaxQuestions))
                        ->default_str("200; of a file, all");
  auto* seed = app.add_option("-s,--seed", o.seed,
                              "Seed of the documents and questions, and of the bootstrap; another "
                              "one asks other questions.")
                   ->type_name("N")
                   ->transform(integer_in(0, std::numeric_limits<std::int64_t>::max()))
                   ->capture_default_str();
  for (CLI::Option* option : {suite, kinds, code, lengths, files, file, raw, questions, seed})
    option->group("Suite");
}

void add_output_options(CLI::App& app, EvalOptions& o) {
  app.add_option(
         "--json", o.json,
         "Also write one JSON object to a file: suite, model, seed, rows. A row has arm "
         "(dense: attention to everything), kind, context_tokens, n, exact_match, f1 (of kinds "
         "that are scored otherwise edit_similarity, fields or items), contains and ci95 (low "
         "and high end for exact_match), as fractions of 1, and gold_log_probability (nats a "
         "token). Of a questions file, kind is its name, context_tokens the longest prompt, and "
         "skipped the number of questions too long. With --profile, --kv or --suite text there are "
         "dense_perplexity and arms, "
         "one object each: arm, kl_mean, kl_ci95, kl_p99, kl_p999 (nats a token), same_top1, "
         "perplexity_ratio, greedy_agreement, accuracy_difference and its ci95 (all questions "
         "together, paired), positions, kv_bytes, kv_bytes_read, kv_bytes_dense. The file is "
         "replaced at the end, as a whole.")
      ->type_name("FILE")
      ->group("Output");
  app.add_option("--report", o.report,
                 "With --profile: also draw what was found, as SVG pictures and a page that shows "
                 "them (index.html): what each head keeps, how far heads look and what that does, "
                 "KL against KV bytes. The directory is made if it is not there.")
      ->type_name("DIR")
      ->group("Output");
  app.add_option("--show", o.show,
                 "Print the first questions of each cell on standard error, with the answers "
                 "expected and given.")
      ->type_name("N")
      ->transform(integer_in(0, kMaxQuestions))
      ->capture_default_str()
      ->group("Output");
}

void add_computation_options(CLI::App& app, EvalOptions& o) {
  app.add_option("--parallel", o.at_once,
                 "Questions that are answered at the same time. The KV cache holds so many of the "
                 "longest.")
      ->type_name("N")
      ->transform(integer_in(1, 256))
      ->capture_default_str()
      ->group("Computation");
  add_computation(app, o);
}

}  // namespace

std::vector<std::string> kind_names() {
  std::vector<std::string> names;
  names.reserve(corpus::kAllKinds);
  for (int kind = 0; kind < corpus::kAllKinds; ++kind) {
    names.emplace_back(name_of(static_cast<corpus::Kind>(kind)));
  }
  return names;
}

std::vector<corpus::Kind> chosen_kinds(const std::vector<std::string>& kinds, bool code) {
  std::vector<corpus::Kind> out;
  for (int i = 0; i < corpus::kAllKinds; ++i) {
    const auto kind = static_cast<corpus::Kind>(i);
    const bool named = std::find(kinds.begin(), kinds.end(), name_of(kind)) != kinds.end();
    const bool usual = kinds.empty() && !code && i < corpus::kKinds;
    if (named || usual || (code && kind == corpus::Kind::kCode)) out.push_back(kind);
  }
  return out;
}

std::string wrong_code(const std::vector<std::string>& kinds, bool code, int questions) {
  const bool named = std::find(kinds.begin(), kinds.end(), "code") != kinds.end();
  if (named && !code) return "the kind code needs --code FOLDER";
  if (!code || questions <= corpus::kMostCodeTasks) return {};
  return format("--code: at most %d questions (-n)", corpus::kMostCodeTasks);
}

bool compares(const EvalOptions& options) {
  const auto is_other = [](const std::string& format) { return format != "f16"; };
  return !options.profiles.empty() || options.suite == "text" ||
         std::any_of(options.kv.begin(), options.kv.end(), is_other);
}

std::vector<std::string> other_formats(const EvalOptions& options) {
  if (options.kv.empty()) return {"q8"};
  std::vector<std::string> formats;
  for (const std::string& format : options.kv) {
    const bool known = std::find(formats.begin(), formats.end(), format) != formats.end();
    if (format != "f16" && format != "f32" && !known) formats.push_back(format);
  }
  return formats;
}

std::string wrong_combination(const EvalOptions& options) {
  const bool file_suite = options.suite != "qa";
  if (options.suite != "questions" && !options.question_files.empty()) {
    return "--questions is for --suite questions; -n N is how many";
  }
  if (options.suite == "text" && !options.file) {
    return "--suite text: a file is required: --file FILE";
  }
  if (options.suite == "questions" && question_files(options).empty()) {
    return "--suite questions: a file is required: --questions FILE";
  }
  if (!file_suite && options.file) return "--file is for --suite questions and --suite text";
  if (file_suite && !options.kinds.empty()) return "--kinds is for --suite qa";
  if (file_suite && options.code) return "--code is for --suite qa";
  std::string code = wrong_code(options.kinds, options.code.has_value(),
                                options.questions.value_or(kStandardQuestions));
  if (!code.empty()) return code;
  if (options.suite == "questions" && !options.document_tokens.empty()) {
    return "--context is for --suite qa and --suite text";
  }
  if (options.suite == "text" && options.document_tokens.size() > 1) {
    return "--suite text: --context takes one number";
  }
  if (options.report && options.profiles.empty()) return "--report needs a --profile to draw";
  return {};
}

std::vector<std::string> question_files(const EvalOptions& options) {
  std::vector<std::string> files = options.question_files;
  if (options.file) files.push_back(*options.file);
  return files;
}

CLI::App* add_eval(CLI::App& app, EvalOptions& options) {
  CLI::App* verb = app.add_subcommand("eval", kDescription);
  add_model(*verb, options.model);
  verb->add_option("--profile", options.profiles,
                   "Head profiles of this model, made by redknot profile, to compare with dense "
                   "attention; may be given several times.")
      ->type_name("FILE")
      ->allow_extra_args(false)
      ->group("Model");
  verb->add_option("--kv", options.kv,
                   "Formats of the KV cache to compare with f16, separated by commas: q8 (8-bit "
                   "integers), k8v4 (8-bit keys, 4-bit values), f32 (the noise floor, which is "
                   "always compared). f16 alone: dense attention in f16, and nothing is compared.")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(one_of(kv_names()))
      ->default_str("as the model's weights are; with --profile or --suite text, q8")
      ->group("Model");
  add_suite_options(*verb, options);
  add_output_options(*verb, options);
  add_computation_options(*verb, options);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
