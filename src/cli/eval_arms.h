// SPDX-License-Identifier: Apache-2.0
// What `redknot eval` compares: dense attention with f16 pages, the same perturbed (what noise
// there is), other formats of pages, and head profiles. Plain values and functions of the caller's
// thread; eval_command.cc calls them, and owns what they return.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "cli/eval_options.h"
#include "cli/eval_plan.h"
#include "eval/bootstrap.h"
#include "heads/profile_file.h"
#include "redknot/redknot.h"

namespace redknot::cli {

struct Arm {
  std::string name{};  // "dense", "noise (f32)", "q8", or the profile's file name
  std::optional<KvFormat> kv = KvFormat::kF16;
  std::string profile{};
  int at_once = 4;
  int page_tokens = 64;
  int max_step_tokens = 512;
};

// Dense alone where nothing is compared.
std::vector<Arm> arms_of(const EvalOptions& options);

EngineOptions arm_engine(const EvalOptions& options, const Arm& arm, int context_tokens);

// Predictions of an arm against the first one's, over the same positions.
struct ArmDivergence {
  std::string arm{};
  Divergence divergence{};
  eval::Interval kl_interval{};  // 95 %, of kl_mean, by bootstrap over sequences
  // Pages of the longest sequence, what a token decoded at its end reads of them, and those of
  // dense attention.
  std::size_t kv_bytes = 0, kv_bytes_read = 0, kv_bytes_dense = 0;
};

// What the description of a text compared here begins with.
inline constexpr char kEvalDescription[] = "redknot eval";

struct Divergences {
  std::vector<ArmDivergence> arms{};  // all but the first
  int sequences = 0;
  double dense_perplexity = 1;
  MeasuredText text{};
};

// Passes every sequence of the plan (prompts with their expected answers, or text) through the
// model under all arms, beside each other. Of prompts the last kComparedPromptTokens and the answer
// count. `advanced` is called after each sequence with its tokens and says whether to go on; what
// was compared by then is the result.
Result<Divergences> compare_arms(const EvalOptions& options, const std::vector<Arm>& arms,
                                 const EvalPlan& plan,
                                 const std::function<bool(int tokens)>& advanced);
inline constexpr int kComparedPromptTokens = 32;

}  // namespace redknot::cli
