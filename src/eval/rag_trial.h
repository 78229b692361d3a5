// SPDX-License-Identifier: Apache-2.0
// Arms of reuse on the same prompts: what each costs, and how far it is from dense attention.
//
// All arms are tried in turn on each prompt, the first of them another one every time, in one
// engine but for the noise floor; each has a cache of its own (Request::cache_salt). What is scored
// is the text of the pass that is timed. The distance to dense attention is found in another pass,
// over the tokens of the dense arm's answer, and how likely the expected answer is in a third,
// under the same policy. An arm of the same engine that reuses no segment is dense attention, and
// its distance is 0 by that.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "eval/bootstrap.h"
#include "eval/outcome.h"
#include "eval/rag_workload.h"
#include "redknot/redknot.h"

namespace redknot::eval {

struct RagArm {
  std::string name{};  // "dense", "prefix", "noise", or that of a policy
  double ratio = 0;
  bool is_default = false;  // computes again what the library does by itself
  Reuse reuse = Reuse::kSegment;
  CanonicalContext canonical_context = CanonicalContext::kPrefix;
  RecoveryOptions recovery{};
  bool is_noise = false;  // dense attention in the engine that rounds otherwise
};

// One prompt under one arm.
struct RagSample {
  std::string kind{};
  corpus::Scoring scoring = corpus::Scoring::kText;
  double ttft_s = 0;
  Usage usage{};
  std::string answer{};
  Score score{};
  std::optional<double> gold_log_probability{};  // of the expected answer, nats a token
  // Over the tokens of the dense answer.
  double kl_sum = 0;  // nats
  int same_top1 = 0, tokens = 0;
};

// Those that arms are tried in, of one model.
struct TrialEngines {
  Engine& usual;
  // Other pages, other steps: for arms that are noise, which require it. What is between its
  // answers and those of dense attention is rounding.
  Engine* noise = nullptr;
};

struct TrialOptions {
  Stop stop{};
  // Called after each prompt with its samples, one an arm, and the share of prompts that are done.
  std::function<void(std::span<const RagSample> samples, double fraction)> on_prompt{};
};

// samples[arm][prompt], prompts in the order of the sets; when stopped, of those that all arms have
// had. The first error of an engine. Requires that the first arm is dense attention.
Result<std::vector<std::vector<RagSample>>> try_arms(TrialEngines engines,
                                                     std::span<const RagSet> sets,
                                                     std::span<const RagArm> arms,
                                                     const TrialOptions& options);

// What an arm comes to over its samples.
struct RagRow {
  std::string arm{};
  std::string kind{};     // "all", or one
  std::string measure{};  // what `partial` is
  double ratio = 0;
  bool is_default = false;
  int n = 0;
  double ttft_p50_s = 0, ttft_p95_s = 0;
  double flops = 0;             // mean of a prompt, its segments that were not at hand included
  double recomputed = 0;        // share of adopted tokens
  double recovered_tokens = 0;  // mean
  double kv_private_bytes = 0, kv_shared_bytes = 0;  // means
  double kl_mean = 0, same_top1 = 0;                 // of a token
  PairedMean exact_match{}, partial{}, contains{};
  std::optional<PairedMean> gold_log_probability{};  // if all questions have an expected answer
  double hit_rate = 0;  // share of reusable and earlier tokens that were at hand
};

// Of the samples of an arm and those of the dense arm on the same prompts, one at least.
RagRow summarize(const RagArm& arm, std::span<const RagSample> samples,
                 std::span<const RagSample> dense, std::uint64_t seed);

}  // namespace redknot::eval
