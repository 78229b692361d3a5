// SPDX-License-Identifier: Apache-2.0
#include "eval/rag_trial.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "eval/score.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

struct Outcome {
  std::string text{};
  std::vector<int> tokens{};
  std::vector<float> logits{};  // of all rows asked for
  Usage usage{};
};

Result<Outcome> finish(Generation generation) {
  Outcome out;
  FinishReason reason = FinishReason::kNone;
  while (const std::optional<Piece> piece = generation.next()) {
    if (piece->token >= 0) out.tokens.push_back(piece->token);
    out.text += piece->text;
    out.logits.insert(out.logits.end(), piece->logits.begin(), piece->logits.end());
    reason = piece->finish;
  }
  if (reason == FinishReason::kError) {
    return generation.error() ? *generation.error() : io_error("the engine gave no reason");
  }
  out.usage = generation.usage();
  return out;
}

Result<Outcome> generate(Engine& engine, Request request) {
  REDKNOT_TRY(Generation generation, engine.generate(std::move(request)));
  return finish(std::move(generation));
}

Request request_of(const RagArm& arm, const std::vector<PromptPart>& parts) {
  Request request{.prompt = parts,
                  .reuse = arm.reuse,
                  .canonical_context = arm.canonical_context,
                  .recovery = arm.recovery};
  request.sampling.temperature = 0;
  return request;
}

// Log-softmax of a row, in place.
void normalise(std::span<float> row) {
  const float peak = *std::max_element(row.begin(), row.end());
  double sum = 0;
  for (const float x : row) sum += std::exp(double{x} - peak);
  const auto shift = static_cast<float>(peak + std::log(sum));
  for (float& x : row) x -= shift;
}

class Trial {
 public:
  // own_caches: no arm may find what another one has met.
  Trial(Engine& engine, std::span<const RagArm> arms, int answer_tokens, bool own_caches)
      : engine_(engine),
        own_caches_(own_caches),
        arms_(arms),
        answer_tokens_(answer_tokens),
        vocabulary_(static_cast<std::size_t>(engine.model().vocabulary_size)) {}

  // Has the documents computed for all arms that reuse any.
  Status preload(const RagSet& set) {
    for (const RagArm& arm : arms_) {
      if (arm.reuse != Reuse::kSegment) continue;
      Engine::PreloadOptions options{.canonical_context = arm.canonical_context,
                                     .cache_salt = salt_of(arm)};
      REDKNOT_TRY(Generation generation, engine_.preload(set.original, std::move(options)));
      REDKNOT_TRY(const Outcome done, finish(std::move(generation)));
      (void)done;
    }
    return Done{};
  }

  Result<RagSample> timed(const RagArm& arm, const RagPrompt& prompt, std::vector<int>& tokens) {
    Request request = request_of(arm, prompt.parts);
    request.cache_salt = salt_of(arm);
    request.max_tokens = answer_tokens_;
    REDKNOT_TRY(Outcome outcome, generate(engine_, std::move(request)));
    tokens = std::move(outcome.tokens);
    return RagSample{
        .kind = prompt.kind,
        .ttft_s = outcome.usage.prompt_seconds,
        .usage = outcome.usage,
        .right = !prompt.answer.empty() && exact_match(trimmed(outcome.text), prompt.answer)};
  }

  // Log-probabilities [answer tokens, vocabulary] where each of them is to come. Dense attention is
  // asked for as segments of which everything is recovered, so that only rows behind them give
  // logits.
  Result<std::vector<float>> predict(RagArm arm, const RagPrompt& prompt,
                                     const std::vector<int>& answer) {
    if (arm.reuse != Reuse::kSegment) {
      arm.reuse = Reuse::kSegment;
      arm.recovery = {.policy = RecoveryPolicy::kBoundary, .ratio = 1};
    }
    Request request = request_of(arm, prompt.parts);
    request.cache_salt = salt_of(arm);
    if (answer.size() > 1) {
      request.prompt.push_back(token_part({answer.begin(), answer.end() - 1}));
    }
    request.max_tokens = 0;
    request.all_logits = true;
    REDKNOT_TRY(Outcome outcome, generate(engine_, std::move(request)));
    REDKNOT_CHECK(outcome.logits.size() >= answer.size() * vocabulary_);
    std::vector<float> rows(
        outcome.logits.end() - static_cast<std::ptrdiff_t>(answer.size() * vocabulary_),
        outcome.logits.end());
    for (std::size_t row = 0; row < answer.size(); ++row) {
      normalise(std::span(rows).subspan(row * vocabulary_, vocabulary_));
    }
    return rows;
  }

  void compare(const std::vector<float>& dense, const std::vector<float>& found,
               RagSample& sample) const {
    for (std::size_t first = 0; first < dense.size(); first += vocabulary_) {
      const auto p = std::span(dense).subspan(first, vocabulary_);
      const auto q = std::span(found).subspan(first, vocabulary_);
      for (std::size_t i = 0; i < vocabulary_; ++i) {
        sample.kl_sum += std::exp(double{p[i]}) * (double{p[i]} - q[i]);
      }
      const auto best = [](std::span<const float> row) {
        return std::max_element(row.begin(), row.end()) - row.begin();
      };
      sample.same_top1 += best(p) == best(q) ? 1 : 0;
      ++sample.tokens;
    }
  }

 private:
  std::string salt_of(const RagArm& arm) const {
    return own_caches_ ? concat(arm.name, " ", arm.ratio, arm.is_default ? " default" : "") : "";
  }

  Engine& engine_;
  bool own_caches_;
  std::span<const RagArm> arms_;
  int answer_tokens_;
  std::size_t vocabulary_;
};

double mean_of(std::span<const RagSample> samples, auto&& value) {
  double sum = 0;
  for (const RagSample& sample : samples) sum += value(sample);
  return sum / static_cast<double>(samples.size());
}

double quantile(std::span<const RagSample> samples, double share) {
  std::vector<double> times;
  for (const RagSample& sample : samples) times.push_back(sample.ttft_s);
  std::sort(times.begin(), times.end());
  const double at = share * static_cast<double>(times.size() - 1);
  return times[static_cast<std::size_t>(std::lround(at))];
}

}  // namespace

Result<std::vector<std::vector<RagSample>>> try_arms(
    Engine& engine, std::span<const RagSet> sets, std::span<const RagArm> arms, int answer_tokens,
    const std::function<void(double fraction)>& done) {
  REDKNOT_CHECK(!arms.empty() && arms.front().reuse == Reuse::kNone);
  const bool any_new =
      std::any_of(sets.begin(), sets.end(), [](const RagSet& set) { return set.is_new; });
  Trial trial(engine, arms, answer_tokens, any_new);
  std::vector<std::vector<RagSample>> out(arms.size());
  std::size_t all = 0, asked = 0;
  for (const RagSet& set : sets) all += set.prompts.size();
  for (const RagSet& set : sets) {
    if (!set.is_new) REDKNOT_RETURN_IF_ERROR(trial.preload(set));
    for (const RagPrompt& prompt : set.prompts) {
      std::vector<int> answer, unused;
      for (std::size_t turn = 0; turn < arms.size(); ++turn) {
        const std::size_t arm = (turn + asked) % arms.size();
        REDKNOT_TRY(RagSample sample, trial.timed(arms[arm], prompt, arm == 0 ? answer : unused));
        out[arm].push_back(sample);
      }
      ++asked;
      if (answer.empty()) answer = {0};
      REDKNOT_TRY(const std::vector<float> dense, trial.predict(arms.front(), prompt, answer));
      for (std::size_t arm = 0; arm < arms.size(); ++arm) {
        if (arms[arm].reuse != Reuse::kSegment) {
          trial.compare(dense, dense, out[arm].back());
          continue;
        }
        REDKNOT_TRY(const std::vector<float> found, trial.predict(arms[arm], prompt, answer));
        trial.compare(dense, found, out[arm].back());
      }
      done(static_cast<double>(asked) / static_cast<double>(all));
    }
  }
  return out;
}

RagRow summarize(const RagArm& arm, std::span<const RagSample> samples,
                 std::span<const RagSample> dense, std::uint64_t seed) {
  REDKNOT_CHECK(!samples.empty() && samples.size() == dense.size());
  RagRow row{.arm = arm.name,
             .ratio = arm.ratio,
             .is_default = arm.is_default,
             .n = static_cast<int>(samples.size())};
  row.ttft_p50_s = quantile(samples, 0.5);
  row.ttft_p95_s = quantile(samples, 0.95);
  row.flops = mean_of(samples, [](const RagSample& s) { return s.usage.flops; });
  row.kv_private_bytes = mean_of(
      samples, [](const RagSample& s) { return static_cast<double>(s.usage.kv_private_bytes); });
  row.kv_shared_bytes = mean_of(
      samples, [](const RagSample& s) { return static_cast<double>(s.usage.kv_shared_bytes); });
  row.recomputed = mean_of(samples, [](const RagSample& s) {
    return static_cast<double>(s.usage.recovered_tokens) / std::max(1, s.usage.adopted_tokens);
  });
  row.hit_rate = mean_of(samples, [](const RagSample& s) {
    const int reused = s.usage.prefix_tokens + s.usage.adopted_tokens - s.usage.built_tokens;
    return static_cast<double>(std::max(0, reused)) / std::max(1, s.usage.prompt_tokens);
  });
  double kl = 0;
  int same = 0, tokens = 0;
  std::vector<double> right, more;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    kl += samples[i].kl_sum;
    same += samples[i].same_top1;
    tokens += samples[i].tokens;
    right.push_back(samples[i].right ? 1 : 0);
    more.push_back((samples[i].right ? 1 : 0) - (dense[i].right ? 1 : 0));
  }
  row.kl_mean = kl / tokens;
  row.same_top1 = static_cast<double>(same) / tokens;
  row.exact_match = std::accumulate(right.begin(), right.end(), 0.0) / row.n;
  row.exact_match_interval = bootstrap_mean(right, seed).value();
  row.against_dense = std::accumulate(more.begin(), more.end(), 0.0) / row.n;
  row.against_dense_interval = bootstrap_mean(more, seed).value();
  return row;
}

}  // namespace redknot::eval
