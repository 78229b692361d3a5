// SPDX-License-Identifier: Apache-2.0
#include "runtime/flops.h"

#include <gtest/gtest.h>

#include <array>

namespace redknot {
namespace {

ModelConfig small_config() {
  ModelConfig config;
  config.hidden_size = 8;
  config.intermediate_size = 16;
  config.query_heads = 6;
  config.kv_heads = 2;
  config.head_dim = 4;
  config.vocabulary_size = 10;
  return config;
}

// Rows 1 and 2 of a step of three pass a layer, row 2 alone gives keys, passes the network and is
// asked for logits.
TEST(FlopCount, IsTwoForEachMultiplyAddOfARow) {
  const ModelConfig config = small_config();
  FlopCount flops(config);
  const std::array rows = {1, 2};
  const std::array second = {1};
  const std::array last = {2};
  const std::array<std::int64_t, 2> slots = {5, 7};
  flops.begin(3);
  flops.add_query(rows);
  flops.add_key_value(rows, second);
  flops.add_attention(rows, slots);
  flops.add_attention_output(rows);
  flops.add_feed_forward(rows, second);
  flops.add_logits(last);
  const double both = 2 * 8 * 24 + 2 * 24 * 8;
  EXPECT_EQ(flops.sum(0, 1), 0);
  EXPECT_EQ(flops.sum(1, 1), both + 5 * 3 * (2 * 4 + 2 * 4));
  EXPECT_EQ(flops.sum(2, 1),
            both + 7 * 3 * (2 * 4 + 2 * 4) + 2 * (2 * 8 * 4) + 3 * (2 * 8 * 16) + 2 * 8 * 10);
  EXPECT_EQ(flops.sum(0, 3), flops.sum(1, 1) + flops.sum(2, 1));
  flops.begin(2);
  EXPECT_EQ(flops.sum(0, 2), 0);
}

TEST(FlopCount, OfAMixtureIsThatOfTheExpertsUsedAndTheRouter) {
  ModelConfig config = small_config();
  config.experts = 12;
  config.experts_per_token = 2;
  FlopCount flops(config);
  const std::array rows = {0};
  flops.begin(1);
  flops.add_feed_forward(rows);
  EXPECT_EQ(flops.sum(0, 1), 2 * 3 * (2 * 8 * 16) + 2 * 8 * 12);
}

}  // namespace
}  // namespace redknot
