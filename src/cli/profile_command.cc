// SPDX-License-Identifier: Apache-2.0
#include "cli/profile_command.h"

#include <algorithm>
#include <filesystem>
#include <limits>
#include <utility>

#include "cli/input.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/profile_files.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "cli/time_left.h"
#include "corpus/random.h"
#include "eval/sequences.h"
#include "heads/reference_map.h"
#include "profiler/profiling.h"

namespace redknot::cli {
namespace {

constexpr int kLongestStandard = 8192;

constexpr char kDescription[] =
    "Measure the heads of a model and choose what each of them keeps\n"
    "\n"
    "Usage: redknot profile -m MODEL -o PROFILE.json [--text FILE...]\n"
    "                       [--budget-kld X] [OPTIONS]\n"
    "       redknot profile -m MODEL -o PROFILE.json --import MAP.json\n"
    "       redknot profile -m MODEL -o PROFILE.json --carry OTHER.json\n"
    "\n"
    "Measures, for every (layer, KV head), how far it looks, how much its output\n"
    "depends on what stands before a text, and what it does: how far predictions\n"
    "move when it loses what lies beyond --window. Then chooses, for the smallest KV\n"
    "cache whose predictions stay within --budget-kld of dense attention, which heads\n"
    "keep everything, which only their first tokens and a window, which keep\n"
    "everything and read the pages that a query selects, and in which format each. A\n"
    "byte less to read for each token counts as a quarter of a byte less to keep. The\n"
    "choice is measured on other text. Profile and evidence go to one JSON file, for\n"
    "the option --profile of the other verbs.";

constexpr char kFooter[] =
    "Text: files of --text are cut into sequences; every second one is searched on,\n"
    "the others are for validation, and predictions count from the middle of a\n"
    "sequence. Without --text, documents with questions and answers are made, and\n"
    "predictions count from the first answer on; search and validation have documents\n"
    "of their own. Use text like that of your requests: what heads do on one kind of\n"
    "text says little of another.\n"
    "\n"
    "An interrupted search goes on where it was when it is started again with the\n"
    "same options: its trials are in PROFILE.json.partial until the profile is\n"
    "written.\n"
    "\n"
    "Examples:\n"
    "  redknot profile -m model.gguf -o profile.json\n"
    "  redknot profile -m model.gguf -o p.json --text book.txt notes.txt -c 4096\n"
    "  redknot run -m model.gguf --profile profile.json -f long.txt\n"
    "\n";

// Positions of a sequence that whole profiles are compared at: computing logits takes its time, and
// neighbours say much the same.
constexpr int kMostCompared = 384;

struct Texts {
  CalibrationText calibration, validation;
};

std::vector<ComparedText> compared(const std::vector<eval::Sequence>& sequences) {
  std::vector<ComparedText> out;
  for (const eval::Sequence& sequence : sequences) {
    ComparedText& text = out.emplace_back();
    for (const int token : sequence.tokens) text.tokens.push_back(TokenId{token});
    text.first_compared = sequence.first_compared;
    text.most_compared = kMostCompared;
  }
  return out;
}

Result<Texts> corpus_texts(const ProfileCommandOptions& options, int context_tokens,
                           const Tokenizer& tokenizer) {
  Texts texts;
  eval::CorpusSequenceOptions wanted{.split = corpus::Split::kTest,
                                     .context_tokens = context_tokens,
                                     .count = options.sequences,
                                     .seed = 2 * options.seed | corpus::kFirstEvaluationSeed};
  REDKNOT_TRY(const auto calibration, eval::corpus_sequences(wanted, tokenizer));
  texts.calibration = {format("made documents, seed %llu, the first stream",
                              static_cast<unsigned long long>(options.seed)),
                       compared(calibration)};
  ++wanted.seed;
  REDKNOT_TRY(const auto validation, eval::corpus_sequences(wanted, tokenizer));
  texts.validation = {format("made documents, seed %llu, the second stream",
                             static_cast<unsigned long long>(options.seed)),
                      compared(validation)};
  return texts;
}

Result<Texts> file_texts(const ProfileCommandOptions& options, int context_tokens,
                         const Tokenizer& tokenizer) {
  const std::vector<std::filesystem::path> files(options.text.begin(), options.text.end());
  REDKNOT_TRY(const eval::SequenceHalves halves,
              eval::file_sequences(files, context_tokens, options.sequences, tokenizer));
  std::string names;
  for (const std::filesystem::path& file : files) {
    names += (names.empty() ? "" : ", ") + file.filename().string();
  }
  return Texts{{names + ", every other sequence from the first", compared(halves.first)},
               {names + ", every other sequence from the second", compared(halves.second)}};
}

int longest_sequence(const Texts& texts) {
  std::size_t longest = 0;
  for (const CalibrationText* text : {&texts.calibration, &texts.validation}) {
    for (const ComparedText& sequence : text->sequences) {
      longest = std::max(longest, sequence.tokens.size());
    }
  }
  return static_cast<int>(longest);
}

std::string share(std::size_t part, std::size_t whole) {
  return format("%.1f %%", 100 * static_cast<double>(part) / static_cast<double>(whole));
}

std::string trial_text(const char* what, const MeasuredText& text, const Divergence& found) {
  return format(
      "%-11s KL mean %.5f, 99 %% %.4f, 99.9 %% %.4f nats; same top token %.2f %%; "
      "perplexity x %.4f\n            (%lld tokens: %s)\n",
      what, found.kl_mean, found.kl_p99, found.kl_p999, 100 * found.same_top1,
      found.perplexity_ratio, static_cast<long long>(text.tokens), text.description.c_str());
}

std::string summary(const ProfilingResult& result, int context_tokens) {
  const ProfileFile& file = result.file;
  int local = 0, retrieval = 0, q8 = 0, k8v4 = 0;
  for (const HeadPolicy& policy : file.profile.policies) {
    local += policy.head_class == HeadClass::kLocal ? 1 : 0;
    retrieval += policy.head_class == HeadClass::kRetrieval ? 1 : 0;
    q8 += policy.kv_format == KvFormat::kQ8 ? 1 : 0;
    k8v4 += policy.kv_format == KvFormat::kK8V4 ? 1 : 0;
  }
  const int heads = static_cast<int>(file.profile.policies.size());
  std::string out =
      format("Heads       %d: %d global, %d local, %d retrieval; %d in q8, %d in k8v4\n", heads,
             heads - local - retrieval, local, retrieval, q8, k8v4);
  out += format("KV cache    %s for %d tokens, %s of dense f16 (%s)\n",
                human_bytes(file.validated->kv_bytes).c_str(), context_tokens,
                share(file.validated->kv_bytes, file.validation->dense_bytes).c_str(),
                human_bytes(file.validation->dense_bytes).c_str());
  out += format("Read        %s of it by a token decoded there\n",
                human_bytes(file.validated->kv_bytes_read).c_str());
  out += trial_text("Search", *file.calibration, result.chosen.divergence);
  out += trial_text("Validation", *file.validation, file.validated->divergence);
  if (file.validated->divergence.kl_mean > file.budget_kl) {
    out += format(
        "The validation is over the budget of %g: give it more --sequences, or a smaller "
        "budget.\n",
        file.budget_kl);
  }
  return out;
}

ProfilingOptions profiling_options(const ProfileCommandOptions& options, int context_tokens) {
  ProfilingOptions out;
  out.engine = engine_options(options, options.model, /*profile=*/"");
  out.engine.context_tokens = context_tokens;
  out.budget_kl = options.budget_kl;
  out.trial.sink_tokens = options.sink_tokens;
  out.trial.window_tokens = options.window_tokens;
  out.windows.clear();
  for (int window = 32; window < context_tokens; window *= 2) {
    out.windows.push_back(window);
    if (window * 3 / 2 < context_tokens) out.windows.push_back(window * 3 / 2);
  }
  out.formats.clear();
  for (const std::string& format : options.formats) {
    if (format != "f16") out.formats.push_back(*kv_from_name(format));
  }
  out.journal = options.output + ".partial";
  return out;
}

Result<ProfilingResult> make(ProfilingOptions options, const Texts& texts) {
  ProgressPrinter printer;
  options.engine.progress = printer.callback();
  TimeLeft time_left;
  options.progress = [&](std::string_view activity, double fraction) {
    options.engine.progress(std::string(activity) + time_left.text(fraction), fraction);
  };
  return make_profile(options, texts.calibration, texts.validation);
}

// What the profile costs in the activation format that the model is served with, and what f32 pages
// alone do there, on the first of the text. Nothing if it was measured in that format.
Result<std::string> as_served(const ProfilingOptions& options, const CalibrationText& text,
                              const HeadProfile& profile) {
  constexpr std::size_t kMostSequences = 2;
  ProgressPrinter printer;
  EngineOptions engine = options.engine;
  engine.progress = printer.callback();
  const auto measured = std::exchange(engine.activations, std::nullopt);
  REDKNOT_TRY(DenseComparison comparison, DenseComparison::open(engine));
  const ActivationFormat served = comparison.core().activations();
  if (served == measured) return std::string();
  HeadProfile unrounded = comparison.dense();
  for (HeadPolicy& policy : unrounded.policies) policy.kv_format = KvFormat::kF32;
  DivergenceSum cost, noise;
  const std::size_t count = std::min(kMostSequences, text.sequences.size());
  for (std::size_t i = 0; i < count; ++i) {
    engine.progress("measuring as served", static_cast<double>(i) / static_cast<double>(count));
    const std::vector<float> dense = comparison.predict(text.sequences[i], kMostKeptFloats);
    cost.add(comparison.compare(text.sequences[i], profile, {.dense = dense}));
    noise.add(comparison.compare(text.sequences[i], unrounded, {.dense = dense}));
  }
  return format(
      "As served   KL mean %.5f nats with activations %s, where f32 pages alone make %.5f\n",
      cost.total().kl_mean, name(served).data(), noise.total().kl_mean);
}

Result<ExitCode> write_unvalidated(const ProfileCommandOptions& options, HeadProfile profile,
                                   const std::string& attempt) {
  auto file = unvalidated_profile(options.model, std::move(profile));
  if (!file.ok()) return file.error().within(attempt);
  REDKNOT_RETURN_IF_ERROR(replace_file(options.output, to_json(*file)));
  REDKNOT_RETURN_IF_ERROR(print("Written, not validated: redknot eval --profile " + options.output +
                                " says what it costs.\n"));
  return ExitCode::kSuccess;
}

Result<ExitCode> import_map(const ProfileCommandOptions& options) {
  const std::string attempt = "import head map " + options.imported_map;
  REDKNOT_TRY(const std::string json, read_input(options.imported_map));
  auto map = parse_reference_map(json);
  if (!map.ok()) return map.error().within(attempt);
  return write_unvalidated(options, std::move(*map), attempt);
}

// The same weights in other types, a BF16 folder and a quantised file of it, are two models to a
// fingerprint, but their heads do the same.
Result<ExitCode> carry_profile(const ProfileCommandOptions& options) {
  REDKNOT_TRY(ProfileFile other, read_profile(options.carried_profile));
  return write_unvalidated(options, std::move(other.profile),
                           "carry head profile " + options.carried_profile);
}

void add_text_options(CLI::App& app, ProfileCommandOptions& o) {
  app.add_option("--text", o.text, "Text files to measure on; at least 128 tokens.")
      ->type_name("FILE...")
      ->group("Text");
  app.add_option("-c,--ctx-size", o.context_tokens,
                 "Tokens of a sequence; 0: as many as the model was trained for, 8192 at most. A "
                 "profile is validated for sequences up to this length.")
      ->type_name("TOKENS")
      ->transform(integer_in(0, kMaxTokens))
      ->capture_default_str()
      ->group("Text");
  app.add_option("--sequences", o.sequences,
                 "Sequences to search on, and as many for validation. The time grows with it.")
      ->type_name("N")
      ->transform(integer_in(1, 10'000))
      ->capture_default_str()
      ->group("Text");
  app.add_option("-s,--seed", o.seed, "Seed of the documents that are made without --text.")
      ->type_name("N")
      ->transform(integer_in(0, std::numeric_limits<std::int64_t>::max()))
      ->capture_default_str()
      ->group("Text");
}

void add_choice_options(CLI::App& app, ProfileCommandOptions& o) {
  app.add_option("--budget-kld", o.budget_kl,
                 "How far predictions may move: mean KL divergence from dense attention with f16 "
                 "pages, in nats a token.")
      ->type_name("NATS")
      ->transform(real_in(0, 1e6))
      ->capture_default_str()
      ->group("Choice");
  app.add_option("--sink", o.sink_tokens, "First tokens that local heads keep.")
      ->type_name("TOKENS")
      ->transform(integer_in(0, kMaxTokens))
      ->capture_default_str()
      ->group("Choice");
  app.add_option("--window", o.window_tokens,
                 "Window that heads are tried with; the choice may be a larger or smaller one.")
      ->type_name("TOKENS")
      ->transform(integer_in(1, kMaxTokens))
      ->capture_default_str()
      ->group("Choice");
  app.add_option("--formats", o.formats, "KV formats that heads may have; f16 always.")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(one_of({"f16", "q8", "k8v4"}))
      ->default_str("f16,q8,k8v4")
      ->group("Choice");
}

}  // namespace

CLI::App* add_profile(CLI::App& app, ProfileCommandOptions& options) {
  CLI::App* verb = app.add_subcommand("profile", kDescription);
  add_model(*verb, options.model);
  verb->add_option("-o,--output", options.output, "The profile; replaced as a whole at the end.")
      ->type_name("FILE")
      ->required()
      ->group("Output");
  verb->add_option("--import", options.imported_map,
                   "Measure nothing: take over a head map in the JSON format of the RedKnot "
                   "paper's code (num_layers, kv_head_classification, kv_head_max_distance, "
                   "kv_head_sink_size). The profile is marked as not validated.")
      ->type_name("MAP.json")
      ->group("Output");
  verb->add_option("--carry", options.carried_profile,
                   "Measure nothing: take over the policies of a profile that was made for the "
                   "same model in another type of weights, such as a BF16 folder whose quantised "
                   "file this is. The profile is marked as not validated.")
      ->type_name("PROFILE.json")
      ->excludes(verb->get_option("--import"))
      ->group("Output");
  add_text_options(*verb, options);
  add_choice_options(*verb, options);
  add_computation(*verb, options);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> profile(const ProfileCommandOptions& options) {
  REDKNOT_RETURN_IF_ERROR(check_replaceable(options.output));
  if (!options.imported_map.empty()) return import_map(options);
  if (!options.carried_profile.empty()) return carry_profile(options);
  REDKNOT_TRY(const ModelFile model, ModelFile::open(options.model));
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  const int context_tokens = options.context_tokens > 0
                                 ? options.context_tokens
                                 : std::min(model.info().context_tokens, kLongestStandard);
  const auto make_texts = options.text.empty() ? corpus_texts : file_texts;
  REDKNOT_TRY(const Texts texts, make_texts(options, context_tokens, tokenizer));
  const int longest = longest_sequence(texts);
  if (longest < context_tokens) {
    note(
        format("profile: the longest sequence has %d tokens: measured up to that length", longest));
  }
  const ProfilingOptions profiling = profiling_options(options, longest);
  REDKNOT_TRY(const ProfilingResult result, make(profiling, texts));
  if (result.found > 0) {
    note(format("profile: %zu of %zu measurements were in %s", result.found,
                result.found + result.made, profiling.journal.c_str()));
  }
  REDKNOT_RETURN_IF_ERROR(replace_file(options.output, to_json(result.file)));
  std::error_code ignored;
  std::filesystem::remove(profiling.journal, ignored);
  REDKNOT_RETURN_IF_ERROR(print(summary(result, longest)));
  REDKNOT_TRY(const std::string served,
              as_served(profiling, texts.validation, result.file.profile));
  REDKNOT_RETURN_IF_ERROR(print(served));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
