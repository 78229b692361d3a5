// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_rag_command.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <optional>
#include <span>
#include <utility>

#include "cli/eval_options.h"
#include "cli/interrupt.h"
#include "cli/line_file.h"
#include "cli/output.h"
#include "cli/profile_files.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "cli/reuse_options.h"
#include "corpus/code_tasks.h"
#include "eval/prompter.h"
#include "eval/questions_file.h"
#include "eval/rag_workload.h"

namespace redknot::cli {
namespace {

constexpr int kMaxPromptTokens = 1 << 22;
constexpr int kMarginTokens = 64;  // of whole pages

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
    arm.is_noise = name == kNoiseArm;
    arm.reuse = name == "dense" || arm.is_noise ? Reuse::kNone
                : name == "prefix"              ? Reuse::kPrefix
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

eval::RagOptions rag_options(const BenchRagOptions& options) {
  eval::RagOptions rag{.documents = options.documents,
                       .length = options.length,
                       .questions = options.questions,
                       .questions_per_set = options.per_set,
                       .new_rate = options.new_rate,
                       .seed = options.seed};
  const bool usual = options.kinds.empty() && !options.code;
  rag.kinds = chosen_kinds(usual ? kUsualKinds : options.kinds, options.code.has_value());
  return rag;
}

// What the files ask, without what is longer than the model was trained for.
Result<std::vector<eval::RagSet>> sets_of_files(const BenchRagOptions& options,
                                                const eval::Prompter& prompter,
                                                const ModelInfo& model) {
  std::vector<eval::RagSet> sets;
  for (const std::string& path : options.question_files) {
    REDKNOT_TRY(const std::vector<corpus::Task> tasks,
                eval::read_questions(path, options.questions));
    auto found = eval::fitting(tasks, prompter, model.context_tokens);
    if (!found.ok()) return found.error().within("read " + path);
    if (found->skipped > 0) {
      note(
          format("bench rag: %s: %d questions are longer than the %d tokens that the model was "
                 "trained for",
                 path.c_str(), found->skipped, model.context_tokens));
    }
    std::vector<corpus::Task> some_tasks;
    for (eval::Question& question : found->questions) {
      some_tasks.push_back(std::move(question.task));
    }
    REDKNOT_TRY(auto some, eval::task_sets(some_tasks, rag_options(options), prompter));
    std::move(some.begin(), some.end(), std::back_inserter(sets));
  }
  return sets;
}

Result<std::vector<eval::RagSet>> sets_of(const BenchRagOptions& options, const ModelInfo& model) {
  const bool files = !options.question_files.empty();
  if (options.text == "random" && !files) {
    return eval::random_sets(rag_options(options), model.vocabulary_size);
  }
  if (model.tokenizer.empty()) {
    return Error(ErrorCode::kUnsupported,
                 "bench rag: the model has no tokenizer; --text random needs none");
  }
  REDKNOT_TRY(const Tokenizer tokenizer, Tokenizer::open(options.model));
  REDKNOT_TRY(const eval::Prompter prompter, eval::Prompter::open(model, tokenizer, options.raw));
  std::optional<corpus::CodeFolder> folder;
  if (options.code) {
    REDKNOT_TRY(folder, corpus::CodeFolder::open(*options.code));
  }
  eval::RagOptions rag = rag_options(options);
  rag.code = folder ? &*folder : nullptr;
  REDKNOT_TRY(std::vector<eval::RagSet> sets,
              files ? sets_of_files(options, prompter, model) : eval::corpus_sets(rag, prompter));
  if (eval::longest_tokens(sets) > 0) return sets;
  return Error(ErrorCode::kInvalidArgument, "bench rag: there is no question to ask");
}

EngineOptions usual_engine(const BenchRagOptions& options, int longest_tokens, std::size_t arms) {
  EngineOptions out = engine_options(options, options.model, options.profile);
  out.context_tokens = longest_tokens + kMarginTokens;
  out.kv = kv_from_name(options.kv);
  out.max_sequences = 2;
  // A cache for each arm, if they may not know what another one has met, and the whole prompt.
  const int caches = options.new_rate > 0 ? static_cast<int>(arms) : 1;
  const int documents = longest_tokens + longest_tokens / 4 + 8 * kMarginTokens;
  out.segment_tokens = caches * documents + longest_tokens;
  return out;
}

Result<Engine> open_engine(EngineOptions options) {
  ProgressPrinter progress;
  options.progress = progress.callback();
  return Engine::open(options);
}

// The engine of the noise floor, if an arm wants one: other pages, other steps.
Result<std::optional<Engine>> open_noise(const std::vector<eval::RagArm>& arms,
                                         const ModelFile& model, BenchRagOptions options,
                                         int longest_tokens) {
  const auto is_noise = [](const eval::RagArm& arm) { return arm.is_noise; };
  if (std::none_of(arms.begin(), arms.end(), is_noise)) return std::optional<Engine>();
  if (!options.profile.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 "bench rag: heads of a profile have formats of their own: measure noise without");
  }
  static_cast<ComputationOptions&>(options) = perturbed(options);
  EngineOptions other = usual_engine(options, longest_tokens, arms.size());
  REDKNOT_TRY(const KvCost usual, model.kv_cost(other.kv, other.page_tokens, 1));
  REDKNOT_TRY(const KvCost exact, model.kv_cost(KvFormat::kF32, other.page_tokens, 1));
  const bool rounds = usual.bytes_per_token < exact.bytes_per_token;
  other.kv = rounds ? KvFormat::kF32 : KvFormat::kF16;
  REDKNOT_TRY(Engine engine, open_engine(std::move(other)));
  return std::optional<Engine>(std::move(engine));
}

// The questions as they are asked, a line each, for those who ask servers of others.
Status write_questions(const std::string& path, const std::vector<eval::RagSet>& sets) {
  REDKNOT_TRY(LineFile file, LineFile::open(path));
  for (const eval::RagSet& set : sets) {
    for (const eval::Question& question : set.prompts) {
      if (question.task.sample.turns.empty()) continue;  // random tokens
      REDKNOT_RETURN_IF_ERROR(file.write(eval::write_question(question.task)));
    }
  }
  return Done{};
}

using Samples = std::vector<std::vector<eval::RagSample>>;  // [arm][prompt]

// The arms' rows over the samples of a kind; over all for "all". None without samples.
std::vector<eval::RagRow> rows_of(const std::vector<eval::RagArm>& arms, const Samples& samples,
                                  const std::string& kind, std::uint64_t seed) {
  const auto pick = [&](const std::vector<eval::RagSample>& all) {
    std::vector<eval::RagSample> out;
    std::copy_if(all.begin(), all.end(), std::back_inserter(out),
                 [&](const eval::RagSample& one) { return kind == "all" || one.kind == kind; });
    return out;
  };
  std::vector<eval::RagRow> rows;
  const std::vector<eval::RagSample> dense = pick(samples.front());
  for (std::size_t arm = 0; arm < arms.size() && !dense.empty(); ++arm) {
    rows.push_back(summarize(arms[arm], pick(samples[arm]), dense, seed));
    rows.back().kind = kind;
  }
  return rows;
}

// What comes out while questions are asked: a line a sample in a file, and the rows of a kind when
// its last question is answered.
class Results {
 public:
  Results(const BenchRagOptions& options, const std::vector<eval::RagArm>& arms,
          const std::vector<eval::RagSet>& sets)
      : options_(options), arms_(arms), samples_(arms.size()) {
    for (const eval::RagSet& set : sets) {
      for (const eval::Question& question : set.prompts) ++left_[question.task.kind];
    }
  }

  Status open_samples() {
    if (!options_.samples) return Done{};
    REDKNOT_TRY(lines_, LineFile::open(*options_.samples));
    return Done{};
  }

  // Requires one sample an arm.
  Status add(std::span<const eval::RagSample> samples) {
    for (std::size_t arm = 0; arm < arms_.size(); ++arm) {
      samples_[arm].push_back(samples[arm]);
      if (!lines_) continue;
      REDKNOT_RETURN_IF_ERROR(lines_->write(rag_sample_json(
          arms_[arm], samples[arm], static_cast<int>(samples_.front().size()) - 1)));
    }
    const std::string& kind = samples.front().kind;
    return --left_[kind] == 0 ? finish_kind(kind) : Status(Done{});
  }

  // Prints what is not out yet, and gives all rows, those over all questions first.
  Result<std::vector<eval::RagRow>> finish() {
    for (auto& [kind, left] : left_) {
      if (left > 0) REDKNOT_RETURN_IF_ERROR(finish_kind(kind));
    }
    std::vector<eval::RagRow> rows = rows_of(arms_, samples_, "all", options_.seed);
    const std::string several = left_.size() > 1 ? rag_rows(rows) : "";
    REDKNOT_RETURN_IF_ERROR(print(several + rag_costs(rows)));
    rows.insert(rows.end(), rows_.begin(), rows_.end());
    return rows;
  }

 private:
  // Random tokens are of no kind.
  Status finish_kind(const std::string& kind) {
    if (kind.empty()) return Done{};
    const auto rows = rows_of(arms_, samples_, kind, options_.seed);
    const std::string head = rows_.empty() && !rows.empty() ? rag_heading() : "";
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    return print(head + rag_rows(rows));
  }

  const BenchRagOptions& options_;
  const std::vector<eval::RagArm>& arms_;
  Samples samples_;
  std::map<std::string, int> left_{};  // questions of a kind
  std::vector<eval::RagRow> rows_{};   // of kinds that are done
  std::optional<LineFile> lines_{};
};

// Writes what the default recovery costs under a profile into its file, if it was measured on text,
// the profile says nothing of it yet, or it was measured on less. What keeps it from that is said
// and is no error.
void record_reuse(const BenchRagOptions& options, const ProfileFile& profile,
                  const std::vector<eval::RagRow>& rows) {
  const auto found = std::find_if(rows.begin(), rows.end(), [](const eval::RagRow& row) {
    return row.kind == "all" && row.is_default;
  });
  const bool usual = options.question_files.empty() && options.text == "corpus" &&
                     options.kv == "auto" &&
                     (options.kinds.empty() || options.kinds == kUsualKinds) && !options.code &&
                     options.canonical == "prefix";
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

// Asks everything, or what there is time for until Ctrl-C; whether it was that.
Result<bool> ask(eval::TrialEngines engines, const std::vector<eval::RagSet>& sets,
                 const std::vector<eval::RagArm>& arms, Results& results) {
  WorkProgress progress;
  const InterruptScope interrupt([] {});
  Status status = Done{};
  const eval::TrialOptions trial{
      .stop = [&] { return interrupt.interrupted() || !status.ok(); },
      .on_prompt =
          [&](std::span<const eval::RagSample> samples, double fraction) {
            progress.clear();
            status = results.add(samples);
            progress.show("asking", fraction);
          }};
  REDKNOT_RETURN_IF_ERROR(eval::try_arms(engines, sets, arms, trial));
  REDKNOT_RETURN_IF_ERROR(status);
  return interrupt.interrupted();
}

}  // namespace

std::string wrong_combination(const BenchRagOptions& options) {
  if (std::int64_t{options.documents} * options.length > kMaxPromptTokens) {
    return format("--documents times --length is more than %d tokens", kMaxPromptTokens);
  }
  return wrong_code(options.kinds, options.code.has_value(), options.questions);
}

Result<ExitCode> bench_rag(const BenchRagOptions& options) {
  for (const auto& file : {options.json, options.svg}) {
    if (file) REDKNOT_RETURN_IF_ERROR(check_replaceable(*file));
  }
  std::optional<ProfileFile> profile;
  if (!options.profile.empty()) {
    REDKNOT_TRY(profile, read_profile(options.profile));
  }
  const std::vector<eval::RagArm> arms = arms_of(options);
  REDKNOT_TRY(const ModelFile model, ModelFile::open(options.model));
  REDKNOT_TRY(const std::vector<eval::RagSet> sets, sets_of(options, model.info()));
  if (options.write_questions) {
    REDKNOT_RETURN_IF_ERROR(write_questions(*options.write_questions, sets));
  }
  Results results(options, arms, sets);
  REDKNOT_RETURN_IF_ERROR(results.open_samples());
  const int longest = eval::longest_tokens(sets);
  REDKNOT_TRY(Engine engine, open_engine(usual_engine(options, longest, arms.size())));
  REDKNOT_TRY(std::optional<Engine> noise, open_noise(arms, model, options, longest));
  REDKNOT_TRY(const bool interrupted,
              ask({.usual = engine, .noise = noise ? &*noise : nullptr}, sets, arms, results));
  REDKNOT_TRY(const std::vector<eval::RagRow> rows, results.finish());
  if (interrupted) note("bench rag: interrupted; the rows are of what there was by then");
  if (rows.empty()) return ExitCode::kInterrupted;
  if (profile && !interrupted) record_reuse(options, *profile, rows);
  if (options.json) {
    REDKNOT_RETURN_IF_ERROR(replace_file(*options.json, rag_json(rows, options, engine)));
  }
  if (options.svg) REDKNOT_RETURN_IF_ERROR(replace_file(*options.svg, rag_picture(rows)));
  return interrupted ? ExitCode::kInterrupted : ExitCode::kSuccess;
}

}  // namespace redknot::cli
