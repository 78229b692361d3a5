// SPDX-License-Identifier: Apache-2.0
#include "profiler/softmax.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace redknot {
namespace {

// The same in double, term by term.
double slow_log_sum(std::span<const float> logits) {
  const double most = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - most);
  return most + std::log(sum);
}

double slow_kl(std::span<const float> p, std::span<const float> q) {
  const double log_p = slow_log_sum(p), log_q = slow_log_sum(q);
  double kl = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    kl += std::exp(p[i] - log_p) * ((p[i] - log_p) - (q[i] - log_q));
  }
  return kl;
}

TEST(Softmax, IsWhatPlainLoopsGive) {
  std::mt19937 random(1);
  for (const std::size_t size : {1, 2, 3, 4, 5, 7, 8, 63, 64, 257, 1000, 50001}) {
    for (const float spread : {0.0f, 0.5f, 4.0f, 30.0f}) {
      std::normal_distribution<float> normal;
      std::vector<float> p(size), q(size);
      for (std::size_t i = 0; i < size; ++i) {
        p[i] = 3 + spread * normal(random);
        q[i] = p[i] + 0.01f * (3 + spread * normal(random));
      }
      EXPECT_NEAR(log_sum_exp(p), slow_log_sum(p), 3e-7 * (1 + std::abs(slow_log_sum(p))));
      const double expected = slow_kl(p, q);
      EXPECT_NEAR(kl_divergence(p, log_sum_exp(p), q, log_sum_exp(q)), expected,
                  2e-6 + 1e-5 * expected)
          << size << " " << spread;
      EXPECT_EQ(kl_divergence(p, log_sum_exp(p), p, log_sum_exp(p)), 0);
      EXPECT_EQ(index_of_largest(p),
                static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin()));
    }
  }
}

TEST(Softmax, FarLogitsAddNothingAndTheFirstOfEqualOnesIsTheLargest) {
  const std::vector<float> logits = {-3e38f, 1, 500, 500, 2, -1e6f};
  EXPECT_NEAR(log_sum_exp(logits), 500 + std::log(2.0), 1e-4);
  EXPECT_EQ(index_of_largest(logits), 2u);
}

TEST(Softmax, FindsWhatIsNotFiniteAnywhere) {
  for (const std::size_t size : {1, 4, 6, 9, 100}) {
    std::vector<float> values(size, 3.0f);
    EXPECT_TRUE(all_finite(values));
    for (std::size_t i = 0; i < size; ++i) {
      for (const float bad :
           {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
            std::numeric_limits<float>::quiet_NaN()}) {
        values[i] = bad;
        EXPECT_FALSE(all_finite(values)) << size << " " << i;
      }
      values[i] = 3.0f;
    }
  }
}

}  // namespace
}  // namespace redknot
