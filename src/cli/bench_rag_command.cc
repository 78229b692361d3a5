// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_rag_command.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/profile_files.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "cli/reuse_options.h"
#include "cli/time_left.h"
#include "eval/rag_workload.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Measure what reuse of documents costs and what it saves\n"
    "\n"
    "Usage: redknot bench rag -m MODEL [--arms LIST] [--ratios LIST] [OPTIONS]\n"
    "\n"
    "Questions about sets of documents, which stand in another order in every prompt;\n"
    "no question comes twice. Documents are known before the first question, but for\n"
    "--new of the sets. Every prompt goes through all arms, in turn:\n"
    "  dense      attention to everything, nothing kept\n"
    "  prefix     the same, with the prefix cache\n"
    "  none, boundary, deviation, elastic, knot\n"
    "             documents reused wherever they stand, what they missed recovered\n"
    "             (redknot run --help, --recovery), each at every ratio, and knot\n"
    "             with what it computes again by default\n"
    "A row says how long the first token took, and what the answer was worth: the\n"
    "text that is scored is that of the pass that is timed. KL and same top-1 are\n"
    "over the tokens of the dense answer. With --profile all arms run under it, and\n"
    "what knot costs by default is written into the profile's file.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot bench rag -m models/redknot-reader.gguf --json rag.json --svg rag.svg\n"
    "  redknot bench rag -m model.gguf --text random --documents 8 --length 2000 \\\n"
    "    --questions 3 --page-tokens 64 --arms dense,none,knot --ratios 0.1\n"
    "\n";

constexpr int kMaxPromptTokens = 1 << 22;

bool has_ratio(const std::string& arm) {
  return recovery_policy(arm).value_or(RecoveryPolicy::kNone) != RecoveryPolicy::kNone;
}

std::vector<eval::RagArm> arms_of(const BenchRagOptions& options) {
  std::vector<eval::RagArm> arms;
  const auto add = [&](const std::string& name, std::optional<double> ratio) {
    eval::RagArm arm{.name = name,
                     .ratio = ratio.value_or(kDefaultRecoveryRatio),
                     .is_default = !ratio.has_value()};
    arm.canonical_context = canonical_from_name(options.canonical);
    arm.reuse = name == "dense"    ? Reuse::kNone
                : name == "prefix" ? Reuse::kPrefix
                                   : Reuse::kSegment;
    if (arm.reuse == Reuse::kSegment) arm.recovery = recovery_from_name(name, ratio);
    arms.push_back(std::move(arm));
  };
  add("dense", 0);  // what all others are held against
  for (const std::string& name : options.arms) {
    if (name == "dense") continue;
    if (!has_ratio(name)) add(name, 0);
    if (name == "knot") add(name, std::nullopt);
    for (const double ratio : options.ratios) {
      if (has_ratio(name)) add(name, ratio);
    }
  }
  return arms;
}

Result<std::vector<eval::RagSet>> sets_of(const BenchRagOptions& options, const Engine& engine) {
  eval::RagOptions rag{.documents = options.documents,
                       .length = options.length,
                       .questions = options.questions,
                       .questions_per_set = options.per_set,
                       .new_rate = options.new_rate,
                       .seed = options.seed};
  if (options.text == "random") return eval::random_sets(rag, engine.model().vocabulary_size);
  if (engine.tokenizer() == nullptr) {
    return Error(ErrorCode::kUnsupported,
                 "bench rag: the model has no tokenizer; --text random needs none");
  }
  for (const std::string& kind : options.kinds) rag.kinds.push_back(*corpus::kind_named(kind));
  return eval::corpus_sets(rag, *engine.tokenizer());
}

Result<Engine> open_engine(const BenchRagOptions& options, std::size_t arms) {
  ProgressPrinter progress;
  EngineOptions out;
  out.model = options.model;
  out.profile = options.profile;
  out.threads = options.threads;
  const int prompt = options.documents * options.length;
  out.context_tokens = prompt + prompt / 4 + 512;
  out.page_tokens = options.page_tokens;
  out.max_step_tokens = options.max_step_tokens;
  out.kv = kv_from_name(options.kv);
  out.activations = activation_format(options.activations);
  out.max_sequences = 2;
  // A cache for each arm, if they may not know what another one has met.
  const int caches = options.new_rate > 0 ? static_cast<int>(arms) : 1;
  out.segment_tokens = caches * (prompt + prompt / 2 + 512);
  out.progress = progress.callback();
  return Engine::open(out);
}

std::vector<eval::RagRow> rows_of(const std::vector<eval::RagArm>& arms,
                                  const std::vector<std::vector<eval::RagSample>>& samples,
                                  const BenchRagOptions& options) {
  std::vector<eval::RagRow> rows;
  const auto add = [&](const std::string& kind, auto&& chosen) {
    const auto pick = [&](const std::vector<eval::RagSample>& all) {
      std::vector<eval::RagSample> out;
      std::copy_if(all.begin(), all.end(), std::back_inserter(out), chosen);
      return out;
    };
    const std::vector<eval::RagSample> dense = pick(samples.front());
    if (dense.empty()) return;
    for (std::size_t arm = 0; arm < arms.size(); ++arm) {
      rows.push_back(summarize(arms[arm], pick(samples[arm]), dense, options.seed));
      rows.back().kind = kind;
    }
  };
  add("all", [](const eval::RagSample&) { return true; });
  if (options.text == "random") return rows;
  for (const std::string& kind : options.kinds) {
    add(kind, [&](const eval::RagSample& one) { return name_of(one.kind) == kind; });
  }
  return rows;
}

// Writes what the default recovery costs under a profile into its file, if it was measured on text,
// the profile says nothing of it yet, or it was measured on less. What keeps it from that is said
// and is no error.
void record_reuse(const BenchRagOptions& options, const ProfileFile& profile,
                  const std::vector<eval::RagRow>& rows) {
  const auto found = std::find_if(rows.begin(), rows.end(), [](const eval::RagRow& row) {
    return row.kind == "all" && row.is_default;
  });
  const BenchRagOptions standard;
  const bool usual = options.text == "corpus" && options.kv == "auto" &&
                     options.kinds == standard.kinds && options.canonical == "prefix";
  if (!usual || found == rows.end() || !std::isfinite(found->kl_mean)) return;
  if (profile.reuse && profile.reuse->questions >= found->n) return;
  ProfileFile file = profile;
  file.reuse = ReuseTrial{
      .description = format("made documents, %d x %d tokens, seed %llu", options.documents,
                            options.length, static_cast<unsigned long long>(options.seed)),
      .policy = found->arm,
      .ratio = found->recomputed,
      .questions = found->n,
      .page_tokens = options.page_tokens,
      .kl_mean = std::max(0.0, found->kl_mean),
      .same_top1 = found->same_top1};
  const Status written = replace_unchanged(options.profile, profile, file);
  note(written.ok()
           ? "bench rag: " + options.profile + " says now what reuse costs under it"
           : "bench rag: " + options.profile + " stays as it is: " + written.error().message());
}

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
  count("-n,--questions", o.questions, 1 << 20, "Questions of each kind.");
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
  std::vector<std::string> kinds;
  for (int kind = 0; kind < corpus::kKinds; ++kind) {
    // A turn of a chat refers to the one before it.
    if (static_cast<corpus::Kind>(kind) == corpus::Kind::kChat) continue;
    kinds.emplace_back(name_of(static_cast<corpus::Kind>(kind)));
  }
  verb.add_option("--kinds", o.kinds, "Kinds of questions, separated by commas (redknot eval).")
      ->type_name("LIST")
      ->delimiter(',')
      ->check(one_of(std::move(kinds)))
      ->capture_default_str()
      ->group("Workload");
  verb.add_option("--seed", o.seed, "Of documents, questions and orders.")
      ->type_name("N")
      ->transform(integer_in(0, std::int64_t{1} << 62))
      ->capture_default_str()
      ->group("Workload");
}

void add_arms(CLI::App& verb, BenchRagOptions& o) {
  std::vector<std::string> names = {"dense", "prefix"};
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
  add_threads(*verb, options.threads);
  add_kv(*verb, options.kv);
  add_page_tokens(*verb, options.page_tokens);
  add_batch_size(*verb, options.max_step_tokens);
  add_activations(*verb, options.activations);
  verb->add_option("--json", options.json, "Write all rows to a JSON file.")
      ->type_name("FILE")
      ->group("Output");
  verb->add_option("--svg", options.svg, "Draw quality against TTFT, a line a policy.")
      ->type_name("FILE")
      ->group("Output");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> bench_rag(const BenchRagOptions& options) {
  if (std::int64_t{options.documents} * options.length > kMaxPromptTokens) {
    note(format("bench rag: --documents times --length is more than %d tokens", kMaxPromptTokens));
    return ExitCode::kUsage;
  }
  for (const auto& file : {options.json, options.svg}) {
    if (file) REDKNOT_RETURN_IF_ERROR(check_replaceable(*file));
  }
  std::optional<ProfileFile> profile;
  if (!options.profile.empty()) {
    REDKNOT_TRY(profile, read_profile(options.profile));
  }
  const std::vector<eval::RagArm> arms = arms_of(options);
  REDKNOT_TRY(Engine engine, open_engine(options, arms.size()));
  REDKNOT_TRY(const std::vector<eval::RagSet> sets, sets_of(options, engine));
  std::vector<std::vector<eval::RagSample>> samples;
  {
    ProgressPrinter progress;
    const Progress show = progress.callback();
    TimeLeft left;
    // Of random tokens the first is all there is to wait for.
    const int answer_tokens = options.text == "random" ? 1 : eval::kAnswerTokens;
    REDKNOT_TRY(samples, eval::try_arms(engine, sets, arms, answer_tokens, [&](double done) {
                  show("asking" + left.text(done), done);
                }));
  }
  const std::vector<eval::RagRow> rows = rows_of(arms, samples, options);
  if (profile) record_reuse(options, *profile, rows);
  REDKNOT_RETURN_IF_ERROR(print(rag_table(rows)));
  if (options.json) {
    REDKNOT_RETURN_IF_ERROR(replace_file(*options.json, rag_json(rows, options, engine)));
  }
  if (options.svg) REDKNOT_RETURN_IF_ERROR(replace_file(*options.svg, rag_picture(rows)));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
