// SPDX-License-Identifier: Apache-2.0
#include "runtime/sampler.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <set>

namespace redknot {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Everything off: softmax of the logits.
Sampling plain() {
  Sampling sampling;
  sampling.temperature = 1.0f;
  sampling.top_k = 0;
  sampling.top_p = 1.0f;
  sampling.min_p = 0.0f;
  return sampling;
}

Sampling greedy() {
  Sampling sampling = plain();
  sampling.temperature = 0.0f;
  return sampling;
}

int token_of(const std::vector<float>& logits, const Sampling& sampling, int position = 0,
             const std::vector<TokenId>& history = {}) {
  return static_cast<int>(sample(logits, history, sampling, position).token);
}

std::vector<double> softmax(const std::vector<double>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  std::vector<double> out;
  for (const double logit : logits) out.push_back(std::exp(logit - top));
  const double sum = std::accumulate(out.begin(), out.end(), 0.0);
  for (double& value : out) value /= sum;
  return out;
}

// The slow sampler: every option applied to every token in the documented order, everything
// sorted. Returns the probability of each token.
std::vector<double> oracle(const std::vector<float>& logits, const std::vector<TokenId>& history,
                           const Sampling& s) {
  const double impossible = -std::numeric_limits<double>::infinity();
  std::vector<double> score;
  for (const float logit : logits) score.push_back(std::isnan(logit) ? impossible : logit);
  for (const auto& [token, bias] : s.logit_bias) score[static_cast<std::size_t>(token)] += bias;
  std::map<int, int> counts;
  for (std::size_t i = 0; i < history.size(); ++i) {
    const bool seen =
        s.penalty_tokens < 0 || history.size() - i <= static_cast<std::size_t>(s.penalty_tokens);
    if (seen) ++counts[static_cast<int>(history[i])];
  }
  for (const auto& [token, count] : counts) {
    double& value = score[static_cast<std::size_t>(token)];
    value = value > 0 ? value / s.repetition_penalty : value * s.repetition_penalty;
    value -= count * static_cast<double>(s.frequency_penalty) + s.presence_penalty;
  }
  std::vector<std::size_t> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return score[a] > score[b]; });
  if (s.top_k > 0) order.resize(std::min(order.size(), static_cast<std::size_t>(s.top_k)));
  std::vector<double> sorted;
  for (const std::size_t token : order) sorted.push_back(score[token]);
  const std::vector<double> probability = softmax(sorted);
  double sum = 0.0;
  std::size_t kept = order.size();
  for (std::size_t i = 0; i < order.size() && kept == order.size() && s.top_p < 1.0f; ++i) {
    sum += probability[i];
    if (sum >= s.top_p) kept = i + 1;
  }
  order.resize(kept);
  std::vector<double> last(score.size(), impossible);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (probability[i] >= s.min_p * probability[0]) {
      last[order[i]] = score[order[i]] / s.temperature;
    }
  }
  return softmax(last);
}

// Draws at positions 0 .. draws-1 and compares counts with the expected probabilities. Chi-square
// over cells that expect at least 5, bound at six standard deviations; tokens of probability 0 must
// never come.
void expect_distribution(const std::vector<float>& logits, const Sampling& sampling,
                         const std::vector<TokenId>& history = {}) {
  constexpr int kDraws = 6000;
  const std::vector<double> expected = oracle(logits, history, sampling);
  std::vector<int> counts(logits.size());
  for (int position = 0; position < kDraws; ++position) {
    ++counts[static_cast<std::size_t>(token_of(logits, sampling, position, history))];
  }
  double chi_square = 0.0;
  int cells = 0;
  for (std::size_t token = 0; token < logits.size(); ++token) {
    const double want = expected[token] * kDraws;
    if (want == 0.0) {
      EXPECT_EQ(counts[token], 0) << "token " << token;
    }
    if (want < 5.0) continue;
    chi_square += (counts[token] - want) * (counts[token] - want) / want;
    ++cells;
  }
  EXPECT_LT(chi_square, cells + 6.0 * std::sqrt(2.0 * cells)) << "cells " << cells;
}

std::vector<float> random_logits(std::size_t count, float scale, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> out(count);
  for (float& logit : out) logit = normal(random);
  return out;
}

TEST(Sampler, DrawsFromTheSoftmax) {
  Sampling sampling = plain();
  sampling.seed = 1;
  expect_distribution(random_logits(50, 1.5f, 1), sampling);
}

TEST(Sampler, EachOptionGivesTheOraclesDistribution) {
  const std::vector<float> logits = random_logits(60, 2.0f, 2);
  const std::vector<TokenId> history = {TokenId{3}, TokenId{7}, TokenId{3}, TokenId{9}, TokenId{3}};
  std::vector<Sampling> cases(9, plain());
  cases[0].temperature = 0.5f;
  cases[1].temperature = 2.0f;
  cases[2].top_k = 7;
  cases[3].top_p = 0.7f;
  cases[4].min_p = 0.1f;
  cases[5].repetition_penalty = 1.8f;
  cases[6].frequency_penalty = 0.7f;
  cases[7].presence_penalty = -1.5f;
  cases[8].logit_bias = {{5, 4.0f}, {6, -kInfinity}, {5, -1.0f}};
  for (std::size_t i = 0; i < cases.size(); ++i) {
    SCOPED_TRACE(i);
    cases[i].seed = 100 + i;
    cases[i].penalty_tokens = 4;
    expect_distribution(logits, cases[i], history);
  }
}

TEST(Sampler, RandomCombinationsGiveTheOraclesDistribution) {
  std::mt19937 random(3);
  const auto unit = [&random] { return static_cast<float>(random() % 1000) / 1000.0f; };
  for (unsigned round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    const std::vector<float> logits = random_logits(2 + random() % 400, 0.5f + 3 * unit(), round);
    std::vector<TokenId> history;
    for (int i = 0; i < 20; ++i) {
      history.push_back(TokenId{static_cast<int>(random() % logits.size())});
    }
    Sampling sampling;
    sampling.seed = round;
    sampling.temperature = 0.2f + 2 * unit();
    sampling.top_k = random() % 2 == 0 ? 0 : static_cast<int>(random() % 50);
    sampling.top_p = random() % 3 == 0 ? 1.0f : unit();
    sampling.min_p = random() % 3 == 0 ? 0.0f : 0.2f * unit();
    sampling.repetition_penalty = 0.5f + unit();
    sampling.frequency_penalty = unit() - 0.5f;
    sampling.presence_penalty = unit() - 0.5f;
    sampling.penalty_tokens = static_cast<int>(random() % 30) - 1;
    expect_distribution(logits, sampling, history);
  }
}

TEST(Sampler, TopPOverAFlatDistributionLooksAtEveryToken) {
  const std::vector<float> logits(5000, 1.25f);
  Sampling sampling = plain();
  sampling.top_p = 0.5f;
  int highest = 0;
  for (int position = 0; position < 2000; ++position) {
    highest = std::max(highest, token_of(logits, sampling, position));
  }
  EXPECT_LT(highest, 2501);
  EXPECT_GT(highest, 2400);
}

TEST(Sampler, SeedAndPositionAloneDecideTheDraw) {
  const std::vector<float> logits = random_logits(1000, 1.0f, 4);
  Sampling sampling = plain();
  sampling.seed = 42;
  std::vector<int> first, again, other_seed;
  for (int position = 0; position < 50; ++position) {
    first.push_back(token_of(logits, sampling, position));
  }
  for (int position = 49; position >= 0; --position) {
    again.insert(again.begin(), token_of(logits, sampling, position));
  }
  sampling.seed = 43;
  for (int position = 0; position < 50; ++position) {
    other_seed.push_back(token_of(logits, sampling, position));
  }
  EXPECT_EQ(first, again);
  EXPECT_NE(first, other_seed);
}

TEST(Sampler, UniformDrawIsUniformOverSeedsAndPositions) {
  std::vector<int> by_position(16), by_seed(16);
  for (int i = 0; i < 16000; ++i) {
    ++by_position[static_cast<std::size_t>(uniform_draw(7, i) * 16)];
    ++by_seed[static_cast<std::size_t>(uniform_draw(static_cast<std::uint64_t>(i), 7) * 16)];
  }
  for (const int count : by_position) EXPECT_NEAR(count, 1000, 200);
  for (const int count : by_seed) EXPECT_NEAR(count, 1000, 200);
}

TEST(Sampler, GreedyTakesTheLowestIdOfEquals) {
  EXPECT_EQ(token_of({1.0f, 3.0f, 3.0f, 2.0f}, greedy()), 1);
  Sampling sampling = plain();
  sampling.top_k = 1;
  EXPECT_EQ(token_of({1.0f, 3.0f, 3.0f, 2.0f}, sampling), 1);
  sampling.top_k = 2;
  for (int position = 0; position < 100; ++position) {
    EXPECT_LT(token_of({3.0f, 3.0f, 3.0f, 3.0f}, sampling, position), 2);
  }
}

TEST(Sampler, GreedyHonoursBiasAndPenalties) {
  Sampling sampling = greedy();
  sampling.logit_bias = {{2, -kInfinity}};
  EXPECT_EQ(token_of({1.0f, 2.0f, 3.0f}, sampling), 1);
  sampling.repetition_penalty = 4.0f;
  EXPECT_EQ(token_of({1.0f, 2.0f, 3.0f}, sampling, 5, {TokenId{1}}), 0);
}

TEST(Sampler, PenaltiesLookAtTheLastTokensOnly) {
  Sampling sampling = greedy();
  sampling.presence_penalty = 10.0f;
  sampling.penalty_tokens = 2;
  const std::vector<TokenId> history = {TokenId{1}, TokenId{0}, TokenId{0}};
  EXPECT_EQ(token_of({1.0f, 2.0f}, sampling, 3, history), 1);
  sampling.penalty_tokens = -1;
  EXPECT_EQ(token_of({1.0f, 2.5f}, sampling, 3, history), 1);
  sampling.presence_penalty = 0.0f;
  sampling.frequency_penalty = 1.0f;  // 2.5 - 1 against 2 - 2
  EXPECT_EQ(token_of({2.0f, 2.5f}, sampling, 3, history), 1);
  sampling.frequency_penalty = -1.0f;  // 2.5 + 1 against 2 + 2
  EXPECT_EQ(token_of({2.0f, 2.5f}, sampling, 3, history), 0);
  sampling.penalty_tokens = 0;
  EXPECT_EQ(token_of({2.0f, 2.5f}, sampling, 3, history), 1);
}

TEST(Sampler, EdgesOfTheFilters) {
  const std::vector<float> logits = {0.0f, 1.0f, 0.5f};
  Sampling all = plain();
  Sampling large_k = plain();
  large_k.top_k = 1000;
  Sampling no_p = plain();
  no_p.top_p = 0.0f;
  Sampling full_min_p = plain();
  full_min_p.min_p = 1.0f;
  Sampling cold = plain();
  cold.temperature = 1e-40f;
  for (int position = 0; position < 200; ++position) {
    EXPECT_EQ(token_of(logits, large_k, position), token_of(logits, all, position));
    EXPECT_EQ(token_of(logits, no_p, position), 1);
    EXPECT_EQ(token_of(logits, full_min_p, position), 1);
    EXPECT_EQ(token_of(logits, cold, position), 1);
  }
  EXPECT_EQ(token_of({-3.0f}, Sampling{}), 0);
}

TEST(Sampler, NeverChoosesNanOrMinusInfinity) {
  const std::vector<float> logits = {kNan, 1.0f, -kInfinity, 1.0f, kNan};
  std::vector<Sampling> cases = {greedy(), plain(), Sampling{}};
  for (const Sampling& sampling : cases) {
    for (int position = 0; position < 200; ++position) {
      const int token = token_of(logits, sampling, position);
      EXPECT_TRUE(token == 1 || token == 3) << token;
    }
  }
}

TEST(Sampler, PlusInfinityWins) {
  Sampling sampling = plain();
  sampling.log_probabilities = 1;
  const SampledToken sampled = sample(std::vector{1.0f, kInfinity, 2.0f}, {}, sampling, 0);
  EXPECT_EQ(sampled.token, TokenId{1});
  EXPECT_EQ(sampled.log_probability, 0.0f);
}

TEST(Sampler, ChoosesAmongAllowedTokensOnly) {
  const std::vector<float> logits(70, 1.0f);
  const std::vector<std::uint64_t> allowed = {std::uint64_t{1} << 7, 0b100};
  Sampling sampling = plain();
  sampling.log_probabilities = 1;
  std::set<int> chosen;
  for (int position = 0; position < 100; ++position) {
    const SampledToken one = redknot::sample(logits, {}, sampling, position, allowed);
    chosen.insert(static_cast<int>(one.token));
    EXPECT_NEAR(one.log_probability, -std::log(70.0f), 1e-5);  // the model's own
  }
  EXPECT_THAT(chosen, ElementsAre(7, 66));
  EXPECT_EQ(static_cast<int>(redknot::sample(logits, {}, greedy(), 0, allowed).token), 7);
  const std::vector<std::uint64_t> none(2);
  EXPECT_FALSE(redknot::sample(logits, {}, sampling, 0, none).usable);
}

TEST(Sampler, SaysWhenNoTokenIsPossible) {
  Sampling sampling = plain();
  sampling.log_probabilities = 2;
  const SampledToken sampled = sample(std::vector{kNan, -kInfinity}, {}, sampling, 0);
  EXPECT_FALSE(sampled.usable);
  EXPECT_EQ(sampled.token, TokenId{0});
  EXPECT_TRUE(sampled.top.empty());
}

TEST(Sampler, LogProbabilitiesAreTheModelsOwn) {
  const std::vector<float> logits = {0.5f, 2.0f, kNan, 1.0f};
  Sampling sampling = greedy();
  sampling.logit_bias = {{0, 100.0f}};
  sampling.log_probabilities = 2;
  const SampledToken sampled = redknot::sample(logits, {}, sampling, 0);
  const double log_sum = std::log(std::exp(0.5) + std::exp(2.0) + std::exp(1.0));
  EXPECT_EQ(sampled.token, TokenId{0});
  EXPECT_NEAR(sampled.log_probability, 0.5 - log_sum, 1e-6);
  ASSERT_EQ(sampled.top.size(), 2u);
  EXPECT_EQ(sampled.top[0].token, TokenId{1});
  EXPECT_NEAR(sampled.top[0].log_probability, 2.0 - log_sum, 1e-6);
  EXPECT_EQ(sampled.top[1].token, TokenId{3});
  EXPECT_NEAR(sampled.top[1].log_probability, 1.0 - log_sum, 1e-6);

  sampling.log_probabilities = 0;
  EXPECT_TRUE(redknot::sample(logits, {}, sampling, 0).top.empty());
}

TEST(Sampler, ValidationNamesTheField) {
  const auto message = [](auto change) {
    Sampling sampling;
    change(sampling);
    const Status status = validate(sampling, 100);
    return status.ok() ? std::string() : status.error().message();
  };
  EXPECT_EQ(message([](Sampling&) {}), "");
  EXPECT_EQ(message([](Sampling& s) { s = greedy(); }), "");
  EXPECT_EQ(message([](Sampling& s) { s.logit_bias = {{99, -kInfinity}}; }), "");
  EXPECT_THAT(message([](Sampling& s) { s.temperature = -0.1f; }), HasSubstr("temperature"));
  EXPECT_THAT(message([](Sampling& s) { s.temperature = kNan; }), HasSubstr("temperature"));
  EXPECT_THAT(message([](Sampling& s) { s.temperature = kInfinity; }), HasSubstr("temperature"));
  EXPECT_THAT(message([](Sampling& s) { s.top_k = -1; }), HasSubstr("top_k"));
  EXPECT_THAT(message([](Sampling& s) { s.top_p = 1.5f; }), HasSubstr("top_p"));
  EXPECT_THAT(message([](Sampling& s) { s.min_p = kNan; }), HasSubstr("min_p"));
  EXPECT_THAT(message([](Sampling& s) { s.repetition_penalty = 0.0f; }),
              HasSubstr("repetition_penalty"));
  EXPECT_THAT(message([](Sampling& s) { s.frequency_penalty = kNan; }),
              HasSubstr("frequency_penalty"));
  EXPECT_THAT(message([](Sampling& s) { s.presence_penalty = -kInfinity; }),
              HasSubstr("presence_penalty"));
  EXPECT_THAT(message([](Sampling& s) { s.penalty_tokens = -2; }), HasSubstr("penalty_tokens"));
  EXPECT_THAT(message([](Sampling& s) { s.log_probabilities = 5000; }),
              HasSubstr("log_probabilities"));
  EXPECT_THAT(message([](Sampling& s) { s.logit_bias = {{100, 0.0f}}; }), HasSubstr("token 100"));
  EXPECT_THAT(message([](Sampling& s) {
                s.logit_bias = {{1, kInfinity}};
              }),
              HasSubstr("logit_bias"));
  EXPECT_THAT(message([](Sampling& s) { s.logit_bias.resize(kMaxLogitBiases + 1); }),
              HasSubstr("at most 65536"));
}

}  // namespace
}  // namespace redknot
