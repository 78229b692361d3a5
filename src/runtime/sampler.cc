// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <string_view>

#include "base/check.h"
#include "base/error.h"
#include "base/mix_bits.h"
#include "step/step_plan.h"

namespace redknot {
namespace {

constexpr float kImpossible = -std::numeric_limits<float>::infinity();
constexpr std::size_t kFirstTopPCandidates = 256;

struct Candidate {
  int token = 0;
  float logit = 0.0f;
};

bool better(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

// Neither NaN nor +infinity survives, so that differences of possible logits are numbers.
float tame(float logit) {
  if (std::isnan(logit)) return kImpossible;
  return std::min(logit, std::numeric_limits<float>::max());
}

std::vector<float> tamed(std::span<const float> logits) {
  std::vector<float> out(logits.size());
  std::transform(logits.begin(), logits.end(), out.begin(), tame);
  return out;
}

// The best `count` possible tokens, best first. O(V + count log count): what is kept grows to twice
// `count`, is cut to the best, and from then on only better logits enter. A tie with the worst one
// kept stays out, because its id is higher.
std::vector<Candidate> best(std::span<const float> logits, std::size_t count) {
  std::vector<Candidate> kept;
  count = std::min(count, logits.size());
  if (count == 0) return kept;
  kept.reserve(2 * count);
  float threshold = kImpossible;
  for (std::size_t token = 0; token < logits.size(); ++token) {
    if (!(logits[token] > threshold)) continue;
    kept.push_back({static_cast<int>(token), logits[token]});
    if (kept.size() < 2 * count) continue;
    std::nth_element(kept.begin(), kept.begin() + (count - 1), kept.end(), better);
    kept.resize(count);
    threshold = kept.back().logit;
  }
  std::sort(kept.begin(), kept.end(), better);
  if (kept.size() > count) kept.resize(count);
  return kept;
}

std::vector<Candidate> possible(std::span<const float> logits) {
  std::vector<Candidate> out;
  out.reserve(logits.size());
  for (std::size_t token = 0; token < logits.size(); ++token) {
    if (logits[token] != kImpossible) out.push_back({static_cast<int>(token), logits[token]});
  }
  return out;
}

float maximum(std::span<const float> logits) {
  return *std::max_element(logits.begin(), logits.end());
}

// Sum of exp(logit - top). Requires top to be possible.
double exp_sum(std::span<const float> logits, float top) {
  double sum = 0.0;
  for (const float logit : logits) sum += std::exp(static_cast<double>(logit) - top);
  return sum;
}

void add_bias(std::span<float> logits, const Sampling& sampling) {
  for (const auto& [token, bias] : sampling.logit_bias) {
    logits[static_cast<std::size_t>(token)] = tame(logits[static_cast<std::size_t>(token)] + bias);
  }
}

void penalise(std::span<float> logits, std::span<const TokenId> history, const Sampling& sampling) {
  history = penalised_tokens(history, sampling);
  if (history.empty()) return;
  std::vector<int> counts(logits.size());
  for (const TokenId token : history) ++counts[static_cast<std::size_t>(token)];
  for (const TokenId token : history) {
    int& count = counts[static_cast<std::size_t>(token)];
    if (count == 0) continue;
    float& logit = logits[static_cast<std::size_t>(token)];
    logit =
        logit > 0.0f ? logit / sampling.repetition_penalty : logit * sampling.repetition_penalty;
    logit = tame(logit - (static_cast<float>(count) * sampling.frequency_penalty +
                          sampling.presence_penalty));
    count = 0;
  }
}

void forbid(std::span<float> logits, std::span<const std::uint64_t> allowed) {
  if (allowed.empty()) return;
  REDKNOT_CHECK(allowed.size() * 64 >= logits.size());
  for (std::size_t token = 0; token < logits.size(); ++token) {
    if (((allowed[token / 64] >> (token % 64)) & 1) == 0) logits[token] = kImpossible;
  }
}

// Cuts sorted candidates after the first at which their probability, out of `total`, reaches top_p.
// False if it never does.
bool cut_at_top_p(std::vector<Candidate>& candidates, double total, double top_p) {
  const double top = candidates.front().logit;
  double sum = 0.0;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    sum += std::exp(candidates[i].logit - top);
    if (sum < top_p * total) continue;
    candidates.resize(i + 1);
    return true;
  }
  return false;
}

// What top-p leaves of all tokens. Looks at few first: they nearly always hold the mass.
std::vector<Candidate> top_p_of_all(std::span<const float> logits, double top_p) {
  const double total = exp_sum(logits, maximum(logits));
  for (std::size_t count = kFirstTopPCandidates;; count *= 8) {
    std::vector<Candidate> candidates = best(logits, count);
    const bool complete = candidates.size() < count || count >= logits.size();
    if (cut_at_top_p(candidates, total, top_p) || complete) return candidates;
  }
}

// What top-k, top-p and min-p leave, from logits of which at least one is possible.
std::vector<Candidate> filtered(std::span<const float> logits, const Sampling& sampling) {
  std::vector<Candidate> candidates;
  const auto top_k = static_cast<std::size_t>(sampling.top_k);
  if (top_k > 0 && top_k < logits.size()) {
    candidates = best(logits, top_k);
    if (sampling.top_p < 1.0f) {
      double total = 0.0;
      for (const Candidate& candidate : candidates) {
        total += std::exp(static_cast<double>(candidate.logit) - candidates.front().logit);
      }
      cut_at_top_p(candidates, total, sampling.top_p);
    }
  } else if (sampling.top_p < 1.0f) {
    candidates = top_p_of_all(logits, sampling.top_p);
  } else {
    candidates = possible(logits);
  }
  if (sampling.min_p > 0.0f) {
    const double least = maximum(logits) + std::log(static_cast<double>(sampling.min_p));
    std::erase_if(candidates, [least](const Candidate& c) { return c.logit < least; });
  }
  return candidates;
}

// Inverse of the cumulative distribution of softmax(logits / temperature) at `uniform`.
int draw(std::span<const Candidate> candidates, float temperature, double uniform) {
  double top = kImpossible;
  for (const Candidate& candidate : candidates) top = std::max<double>(top, candidate.logit);
  std::vector<double> cumulative;
  cumulative.reserve(candidates.size());
  double sum = 0.0;
  for (const Candidate& candidate : candidates) {
    sum += std::exp((candidate.logit - top) / temperature);
    cumulative.push_back(sum);
  }
  // Rounding may bring uniform * sum up to sum: then the last token that adds to it.
  auto chosen = std::upper_bound(cumulative.begin(), cumulative.end(), uniform * sum);
  if (chosen == cumulative.end()) {
    chosen = std::lower_bound(cumulative.begin(), cumulative.end(), sum);
  }
  return candidates[static_cast<std::size_t>(chosen - cumulative.begin())].token;
}

int choose(std::span<const float> logits, const Sampling& sampling, int position) {
  if (sampling.temperature == 0.0f) {
    return static_cast<int>(std::max_element(logits.begin(), logits.end()) - logits.begin());
  }
  const std::vector<Candidate> candidates = filtered(logits, sampling);
  return draw(candidates, sampling.temperature, uniform_draw(sampling.seed, position));
}

// Requires raw logits of which at least one is possible.
void add_log_probabilities(SampledToken& out, std::span<const float> raw, int count) {
  const float top = maximum(raw);
  const double log_sum = top + std::log(exp_sum(raw, top));
  const auto log_probability = [log_sum](float logit) {
    return static_cast<float>(logit - log_sum);
  };
  out.log_probability = log_probability(raw[static_cast<std::size_t>(out.token)]);
  for (const Candidate& candidate : best(raw, static_cast<std::size_t>(count))) {
    out.top.push_back({TokenId{candidate.token}, log_probability(candidate.logit)});
  }
}

// The closed range [low, high]; false for NaN.
bool within(double value, double low, double high) { return value >= low && value <= high; }

Error out_of_range(std::string_view field, double value, std::string_view range) {
  return invalid("sampling: ", field, " is ", value, ", must be ", range);
}

Status validate_biases(const Sampling& sampling, int vocabulary_size) {
  if (sampling.logit_bias.size() > kMaxLogitBiases) {
    return invalid("sampling: logit_bias has ", sampling.logit_bias.size(), " entries, at most ",
                   kMaxLogitBiases, " are allowed");
  }
  for (const auto& [token, bias] : sampling.logit_bias) {
    if (token < 0 || token >= vocabulary_size) {
      return invalid("sampling: logit_bias names token ", token, ", the vocabulary has ",
                     vocabulary_size);
    }
    if (std::isnan(bias) || bias == std::numeric_limits<float>::infinity()) {
      return invalid("sampling: logit_bias of token ", token,
                     " must be a finite number or -infinity");
    }
  }
  return Done{};
}

}  // namespace

double uniform_draw(std::uint64_t seed, int position) {
  const std::uint64_t steps = static_cast<std::uint64_t>(position) + 1;
  const std::uint64_t bits = mix_bits(mix_bits(seed + kGoldenGamma) + kGoldenGamma * steps);
  return static_cast<double>(bits >> 11) * 0x1p-53;
}

SampledToken sample(std::span<const float> logits, std::span<const TokenId> history,
                    const Sampling& sampling, int position,
                    std::span<const std::uint64_t> allowed) {
  REDKNOT_CHECK(!logits.empty() && position >= 0);
  const std::vector<float> raw = tamed(logits);
  std::vector<float> adjusted = raw;
  add_bias(adjusted, sampling);
  penalise(adjusted, history, sampling);
  forbid(adjusted, allowed);

  SampledToken out;
  out.usable = maximum(adjusted) != kImpossible;
  if (!out.usable) return out;
  out.token = TokenId{choose(adjusted, sampling, position)};
  if (sampling.log_probabilities >= 0) {
    add_log_probabilities(out, raw, sampling.log_probabilities);
  }
  return out;
}

Status validate(const Sampling& sampling, int vocabulary_size) {
  constexpr double kMax = std::numeric_limits<float>::max();
  const Sampling& s = sampling;
  if (!within(s.temperature, 0.0, kMax)) {
    return out_of_range("temperature", s.temperature, "0 or a positive number");
  }
  if (s.top_k < 0) return out_of_range("top_k", s.top_k, "0 (off) or positive");
  if (!within(s.top_p, 0.0, 1.0)) return out_of_range("top_p", s.top_p, "from 0 to 1");
  if (!within(s.min_p, 0.0, 1.0)) return out_of_range("min_p", s.min_p, "from 0 to 1");
  if (!within(s.repetition_penalty, std::numeric_limits<float>::min(), kMax)) {
    return out_of_range("repetition_penalty", s.repetition_penalty, "a positive number");
  }
  if (!within(s.frequency_penalty, -kMax, kMax)) {
    return out_of_range("frequency_penalty", s.frequency_penalty, "a finite number");
  }
  if (!within(s.presence_penalty, -kMax, kMax)) {
    return out_of_range("presence_penalty", s.presence_penalty, "a finite number");
  }
  if (s.penalty_tokens < -1) {
    return out_of_range("penalty_tokens", s.penalty_tokens, "-1 (everything), 0 or positive");
  }
  if (!within(s.log_probabilities, -1, kMaxLogProbabilities)) {
    return out_of_range("log_probabilities", s.log_probabilities,
                        concat("from -1 (off) to ", kMaxLogProbabilities));
  }
  return validate_biases(s, vocabulary_size);
}

}  // namespace redknot
