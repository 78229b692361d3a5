// SPDX-License-Identifier: Apache-2.0
#include "eval/rag_trial.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "eval/likelihood.h"
#include "eval/white_space.h"

namespace redknot::eval {
namespace {

// Where the whole prompts of dense attention are kept, apart from all arms.
constexpr char kDenseSalt[] = "dense, as one part";

using Samples = std::vector<std::vector<RagSample>>;  // [arm][prompt]

class Trial {
 public:
  // own_caches: no arm may find what another one has met.
  Trial(TrialEngines engines, std::span<const RagArm> arms, const Stop& stop, bool own_caches)
      : engines_(engines),
        own_caches_(own_caches),
        arms_(arms),
        stop_(stop),
        vocabulary_(static_cast<std::size_t>(engines.usual.model().vocabulary_size)) {}

  // Has the documents computed for all arms that reuse any.
  Status preload(const RagSet& set) {
    const auto is_document = [](const PromptPart& part) { return part.reusable; };
    if (std::none_of(set.original.begin(), set.original.end(), is_document)) return Done{};
    for (const RagArm& arm : arms_) {
      if (arm.reuse != Reuse::kSegment) continue;
      Engine::PreloadOptions options{.canonical_context = arm.canonical_context,
                                     .cache_salt = salt_of(arm)};
      REDKNOT_TRY(Generation generation, engines_.usual.preload(set.original, std::move(options)));
      REDKNOT_RETURN_IF_ERROR(finish(std::move(generation), stop_));
    }
    return Done{};
  }

  // A question under all arms, the first of them `first`.
  Result<std::vector<RagSample>> ask(const Question& question, std::size_t first) {
    std::vector<RagSample> samples(arms_.size());
    std::vector<int> answer, unused;
    for (std::size_t turn = 0; turn < arms_.size(); ++turn) {
      const std::size_t arm = (turn + first) % arms_.size();
      REDKNOT_TRY(samples[arm], timed(arms_[arm], question, arm == 0 ? answer : unused));
    }
    if (answer.empty()) answer = {0};
    REDKNOT_TRY(const std::vector<float> dense, predict(arms_.front(), question, answer));
    std::optional<double> dense_gold;
    if (!question.gold.empty()) {
      REDKNOT_TRY(dense_gold, gold_log_probability(arms_.front(), question));
    }
    engines_.usual.drop_segments(kDenseSalt, "");
    for (std::size_t arm = 0; arm < arms_.size(); ++arm) {
      samples[arm].gold_log_probability = dense_gold;
      if (arms_[arm].reuse != Reuse::kSegment && !arms_[arm].is_noise) {
        compare(dense, dense, samples[arm]);
        continue;
      }
      REDKNOT_TRY(const std::vector<float> found, predict(arms_[arm], question, answer));
      compare(dense, found, samples[arm]);
      if (!dense_gold) continue;
      REDKNOT_TRY(samples[arm].gold_log_probability, gold_log_probability(arms_[arm], question));
    }
    return samples;
  }

 private:
  Result<RagSample> timed(const RagArm& arm, const Question& question, std::vector<int>& tokens) {
    Request request = request_of(question);
    set_reuse(arm, request);
    REDKNOT_TRY(Generation generation, engine_of(arm).generate(std::move(request)));
    REDKNOT_TRY(Outcome outcome, finish(std::move(generation), stop_));
    tokens = std::move(outcome.tokens);
    return RagSample{.kind = question.task.kind,
                     .scoring = question.task.scoring,
                     .ttft_s = outcome.usage.prompt_seconds,
                     .usage = outcome.usage,
                     .answer = std::string(trimmed(outcome.text)),
                     .score = score(question, outcome.text)};
  }

  // Log-probabilities [tokens, vocabulary] where each of them is to come.
  Result<std::vector<float>> predict(const RagArm& arm, const Question& question,
                                     const std::vector<int>& tokens) {
    const bool dense = arm.reuse != Reuse::kSegment;
    Request request = predicting(dense ? as_one_part(question) : question.prompt, tokens);
    if (dense) {
      request.cache_salt = kDenseSalt;
    } else {
      set_reuse(arm, request);
    }
    REDKNOT_TRY(Generation generation, engine_of(arm).generate(std::move(request)));
    REDKNOT_TRY(Outcome outcome, finish(std::move(generation), stop_, tokens.size()));
    REDKNOT_CHECK(outcome.logits.size() == tokens.size() * vocabulary_);
    normalise_rows(outcome.logits, vocabulary_);
    return std::move(outcome.logits);
  }

  Result<double> gold_log_probability(const RagArm& arm, const Question& question) {
    REDKNOT_TRY(const std::vector<float> rows, predict(arm, question, question.gold));
    return mean_log_probability(rows, question.gold);
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

  void set_reuse(const RagArm& arm, Request& request) const {
    request.reuse = arm.reuse;
    request.canonical_context = arm.canonical_context;
    request.recovery = arm.recovery;
    request.cache_salt = salt_of(arm);
  }
  std::string salt_of(const RagArm& arm) const {
    return own_caches_ ? concat(arm.name, " ", arm.ratio, arm.is_default ? " default" : "") : "";
  }

  Engine& engine_of(const RagArm& arm) const {
    return arm.is_noise ? *engines_.noise : engines_.usual;
  }

  TrialEngines engines_;
  bool own_caches_;
  std::span<const RagArm> arms_;
  const Stop& stop_;
  std::size_t vocabulary_;
};

// Asks all questions about a set of documents.
Status ask_set(Trial& trial, const RagSet& set, Samples& out,
               const std::function<void(std::span<const RagSample>)>& done) {
  if (!set.is_new) REDKNOT_RETURN_IF_ERROR(trial.preload(set));
  for (const Question& question : set.prompts) {
    REDKNOT_TRY(std::vector<RagSample> samples,
                trial.ask(question, out.front().size() % out.size()));
    done(samples);
    for (std::size_t arm = 0; arm < out.size(); ++arm) {
      out[arm].push_back(std::move(samples[arm]));
    }
  }
  return Done{};
}

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

// What an arm took, into its row.
void add_costs(std::span<const RagSample> samples, RagRow& row) {
  row.ttft_p50_s = quantile(samples, 0.5);
  row.ttft_p95_s = quantile(samples, 0.95);
  row.flops = mean_of(samples, [](const RagSample& s) { return s.usage.flops; });
  row.kv_private_bytes = mean_of(
      samples, [](const RagSample& s) { return static_cast<double>(s.usage.kv_private_bytes); });
  row.kv_shared_bytes = mean_of(
      samples, [](const RagSample& s) { return static_cast<double>(s.usage.kv_shared_bytes); });
  row.recovered_tokens = mean_of(
      samples, [](const RagSample& s) { return static_cast<double>(s.usage.recovered_tokens); });
  row.recomputed = mean_of(samples, [](const RagSample& s) {
    return static_cast<double>(s.usage.recovered_tokens) / std::max(1, s.usage.adopted_tokens);
  });
  row.hit_rate = mean_of(samples, [](const RagSample& s) {
    const int reused = s.usage.prefix_tokens + s.usage.adopted_tokens - s.usage.built_tokens;
    return static_cast<double>(std::max(0, reused)) / std::max(1, s.usage.prompt_tokens);
  });
}

}  // namespace

Result<std::vector<std::vector<RagSample>>> try_arms(TrialEngines engines,
                                                     std::span<const RagSet> sets,
                                                     std::span<const RagArm> arms,
                                                     const TrialOptions& options) {
  REDKNOT_CHECK(!arms.empty() && arms.front().reuse == Reuse::kNone && !arms.front().is_noise);
  const auto is_noise = [](const RagArm& arm) { return arm.is_noise; };
  REDKNOT_CHECK(engines.noise != nullptr || std::none_of(arms.begin(), arms.end(), is_noise));
  const bool any_new =
      std::any_of(sets.begin(), sets.end(), [](const RagSet& set) { return set.is_new; });
  Trial trial(engines, arms, options.stop, any_new);
  Samples out(arms.size());
  std::size_t all = 0, asked = 0;
  for (const RagSet& set : sets) all += set.prompts.size();
  const auto done = [&](std::span<const RagSample> samples) {
    ++asked;
    if (!options.on_prompt) return;
    options.on_prompt(samples, static_cast<double>(asked) / static_cast<double>(all));
  };
  for (const RagSet& set : sets) {
    const Status status = ask_set(trial, set, out, done);
    if (status.ok()) continue;
    if (status.error().code() == ErrorCode::kCancelled) break;
    return status.error();
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
  add_costs(samples, row);
  std::vector<corpus::Scoring> scorings;
  double kl = 0;
  int same = 0, tokens = 0;
  for (const RagSample& sample : samples) {
    kl += sample.kl_sum;
    same += sample.same_top1;
    tokens += sample.tokens;
    scorings.push_back(sample.scoring);
  }
  row.measure = measure_of(scorings);
  row.kl_mean = kl / tokens;
  row.same_top1 = static_cast<double>(same) / tokens;
  const auto paired = [&](auto&& value) {
    const auto all = [&](std::span<const RagSample> of) {
      std::vector<double> values;
      for (const RagSample& sample : of) values.push_back(value(sample));
      return values;
    };
    return paired_mean(all(samples), all(dense), seed);
  };
  row.exact_match = paired([](const RagSample& s) { return s.score.exact_match; });
  row.partial = paired([](const RagSample& s) { return s.score.partial; });
  row.contains = paired([](const RagSample& s) { return s.score.contains; });
  const auto has_gold = [](const RagSample& s) { return s.gold_log_probability.has_value(); };
  if (std::all_of(samples.begin(), samples.end(), has_gold)) {
    row.gold_log_probability = paired([](const RagSample& s) { return *s.gold_log_probability; });
  }
  return row;
}

}  // namespace redknot::eval
