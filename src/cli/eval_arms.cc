// SPDX-License-Identifier: Apache-2.0
#include "cli/eval_arms.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/output.h"
#include "engine/profile_choice.h"
#include "profiler/dense_comparison.h"
#include "profiler/text_digest.h"

namespace redknot::cli {
namespace {

using eval::Question;

constexpr char kNoise[] = "noise (f32)";

// The noise floor's steps: other batches of rows than those of the dense pass.
constexpr int kOtherStepTokens = 48;

ComparedText compared(const eval::Sequence& sequence) {
  ComparedText text{.first_compared = sequence.first_compared};
  for (const int token : sequence.tokens) text.tokens.push_back(TokenId{token});
  return text;
}

// The prompt and the expected answer; of a long answer, what the context holds.
ComparedText compared(const Question& question, const EvalPlan& plan) {
  std::vector<int> tokens;
  for (const PromptPart& part : question.prompt) {
    tokens.insert(tokens.end(), part.tokens.begin(), part.tokens.end());
  }
  tokens.insert(tokens.end(), question.gold.begin(), question.gold.end());
  tokens.insert(tokens.end(), question.gold_end.begin(), question.gold_end.end());
  const auto most = static_cast<std::size_t>(plan.context_tokens);
  if (tokens.size() > most) tokens.resize(most);
  return compared({.tokens = std::move(tokens),
                   .first_compared = std::max(0, question.prompt_tokens - kComparedPromptTokens)});
}

class ArmComparison {
 public:
  ArmComparison(DenseComparison comparison, std::vector<HeadProfile> profiles,
                std::vector<Arm> arms)
      : comparison_(std::move(comparison)),
        shape_(comparison_.core().pages().shape()),
        profiles_(std::move(profiles)),
        arms_(std::move(arms)),
        sums_(arms_.size()),
        kl_(arms_.size()) {}

  void add(const ComparedText& text) {
    digest_.add(text);
    const std::vector<float> dense = comparison_.predict(text, kMostKeptFloats);
    for (std::size_t i = 0; i < arms_.size(); ++i) {
      const bool nothing_else = arms_[i].name == kNoise || profiles_[i] == comparison_.dense();
      const int step_tokens = nothing_else ? kOtherStepTokens : 0;
      const DivergenceSum sum = comparison_.compare(text, profiles_[i], {step_tokens, dense});
      const Divergence found = sum.total();
      const auto positions = static_cast<double>(found.positions);
      kl_[i].push_back({found.kl_mean * positions, positions});
      sums_[i].add(sum);
    }
    ++sequences_;
  }

  Divergences result(std::uint64_t seed, std::string description) && {
    Divergences out{.sequences = sequences_, .dense_perplexity = sums_[0].dense_perplexity()};
    out.text = std::move(digest_).describe(std::move(description));
    const int tokens = out.text.context_tokens;
    out.text.page_tokens = shape_.page_tokens;
    out.text.dense_bytes = kv_bytes(comparison_.dense(), shape_, tokens);
    for (std::size_t i = 0; i < arms_.size(); ++i) {
      out.arms.push_back({.arm = arms_[i].name,
                          .divergence = sums_[i].total(),
                          .kl_interval = eval::bootstrap_ratio(kl_[i], seed).value(),
                          .kv_bytes = kv_bytes(profiles_[i], shape_, tokens),
                          .kv_bytes_read = kv_bytes_read(profiles_[i], shape_, tokens),
                          .kv_bytes_dense = out.text.dense_bytes});
    }
    return out;
  }

 private:
  DenseComparison comparison_;
  TextDigest digest_;
  PageShape shape_;
  std::vector<HeadProfile> profiles_;
  std::vector<Arm> arms_;
  std::vector<DivergenceSum> sums_;
  std::vector<std::vector<eval::Share>> kl_;  // by arm, of each sequence
  int sequences_ = 0;
};

// Of all arms but the first.
Result<ArmComparison> open_comparison(const EvalOptions& options, const std::vector<Arm>& arms,
                                      int context_tokens) {
  const EngineOptions dense = arm_engine(options, arms.front(), context_tokens);
  REDKNOT_TRY(DenseComparison comparison, DenseComparison::open(dense));
  std::vector<HeadProfile> profiles;
  for (std::size_t i = 1; i < arms.size(); ++i) {
    EngineOptions engine = arm_engine(options, arms[i], context_tokens);
    if (arms[i].profile.empty()) {
      profiles.push_back(dense_profile(engine, comparison.model()));
      continue;
    }
    REDKNOT_TRY(ProfileFile file,
                open_profile(engine, comparison.model(), comparison.core().thread_pool()));
    profiles.push_back(std::move(file.profile));
  }
  return ArmComparison(std::move(comparison), std::move(profiles),
                       std::vector<Arm>(arms.begin() + 1, arms.end()));
}

// "redknot eval, suite qa, seed 1", "redknot eval, suite text, book.txt"
std::string description(const EvalOptions& options) {
  std::string what;
  for (const std::string& file : question_files(options)) {
    what += (what.empty() ? "" : ", ") + std::filesystem::path(file).filename().string();
  }
  if (what.empty()) what = "seed " + std::to_string(options.seed);
  return std::string(kEvalDescription) + ", suite " + options.suite + ", " + what;
}

}  // namespace

std::vector<Arm> arms_of(const EvalOptions& options) {
  Arm dense{.name = "dense",
            .kv = options.kv.empty() ? std::optional<KvFormat>() : KvFormat::kF16,
            .at_once = options.at_once,
            .page_tokens = options.page_tokens,
            .max_step_tokens = options.max_step_tokens};
  if (!compares(options)) return {dense};
  dense.kv = KvFormat::kF16;
  // Not the same again, which gives the same bits: what rounding that nobody chose does.
  Arm noise = dense;
  noise.name = kNoise;
  noise.kv = KvFormat::kF32;
  noise.at_once = options.at_once == 1 ? 4 : 1;
  const ComputationOptions other = perturbed(options);
  noise.page_tokens = other.page_tokens;
  noise.max_step_tokens = other.max_step_tokens;
  std::vector<Arm> arms = {dense, noise};
  for (const std::string& format : other_formats(options)) {
    Arm& arm = arms.emplace_back(dense);
    arm.name = format;
    arm.kv = kv_from_name(format);
  }
  for (const std::string& profile : options.profiles) {
    Arm& arm = arms.emplace_back(dense);
    arm.name = std::filesystem::path(profile).stem().string();
    const auto taken = [&](const std::string& name) {
      return std::any_of(arms.begin(), arms.end() - 1,
                         [&](const Arm& other) { return other.name == name; });
    };
    if (taken(arm.name)) arm.name = profile;
    while (taken(arm.name)) arm.name += " again";
    arm.kv = std::nullopt;  // as the profile says
    arm.profile = profile;
  }
  return arms;
}

EngineOptions arm_engine(const EvalOptions& options, const Arm& arm, int context_tokens) {
  EngineOptions out = engine_options(options, options.model, arm.profile);
  out.context_tokens = context_tokens;
  out.max_sequences = arm.at_once;
  out.page_tokens = arm.page_tokens;
  out.kv = arm.kv;
  out.max_step_tokens = arm.max_step_tokens;
  return out;
}

Result<Divergences> compare_arms(const EvalOptions& options, const std::vector<Arm>& arms,
                                 const EvalPlan& plan,
                                 const std::function<bool(int tokens)>& advanced) {
  REDKNOT_TRY(ArmComparison comparison, open_comparison(options, arms, plan.context_tokens));
  bool going_on = true;
  const auto add = [&](const ComparedText& text) {
    comparison.add(text);
    going_on = advanced(static_cast<int>(text.tokens.size()));
  };
  for (const EvalCell& cell : plan.cells) {
    REDKNOT_TRY(const std::vector<Question> questions, cell.questions());
    for (const Question& question : questions) {
      if (going_on) add(compared(question, plan));
    }
  }
  for (const eval::Sequence& sequence : plan.text) {
    if (going_on) add(compared(sequence));
  }
  return std::move(comparison).result(options.seed, description(options));
}

}  // namespace redknot::cli
