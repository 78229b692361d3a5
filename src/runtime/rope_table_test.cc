// SPDX-License-Identifier: Apache-2.0
// Angles of rotary embedding against formulas written out independently (tests/dense_forward.cc).
#include "runtime/rope_table.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "tests/dense_forward.h"

namespace redknot {
namespace {

RopeConfig plain(int dims = 64) {
  return {.dims = dims, .base = 10000.0, .frequency_divisors = {}};
}

RopeConfig yarn() {
  RopeConfig rope = plain(128);
  rope.scaling = RopeScaling::kYarn;
  rope.factor = 4.0;
  rope.original_context_tokens = 4096;
  rope.yarn_magnitude = 0.1 * std::log(4.0) + 1.0;
  return rope;
}

std::vector<RopeConfig> every_scaling() {
  std::vector<RopeConfig> all = {plain(), plain(2), plain(6), yarn()};
  all.push_back(plain(80));
  all.back().base = 1e6;
  all.push_back(plain());
  all.back().scaling = RopeScaling::kLinear;
  all.back().factor = 4.0;
  all.push_back(plain(8));
  all.back().scaling = RopeScaling::kLlama3;
  all.back().frequency_divisors = {1.0f, 1.5f, 4.0f, 8.0f};
  all.push_back(yarn());
  all.back().original_context_tokens = 32;  // hardly a frequency turns often enough to stay plain
  all.push_back(yarn());
  all.back().yarn_beta_fast = 8.0;
  all.back().yarn_beta_slow = 2.0;
  return all;
}

TEST(RopeTable, FrequenciesFollowTheFormulaOfEveryScaling) {
  for (const RopeConfig& rope : every_scaling()) {
    SCOPED_TRACE(testing::Message() << "scaling " << static_cast<int>(rope.scaling) << ", dims "
                                    << rope.dims << ", context " << rope.original_context_tokens);
    const RopeTable table(rope);
    const std::vector<double> expected = tests::rope_frequencies(rope);
    ASSERT_EQ(table.frequencies().size(), expected.size());
    for (std::size_t pair = 0; pair < expected.size(); ++pair) {
      EXPECT_NEAR(table.frequencies()[pair], expected[pair], 1e-12 * expected[pair]) << pair;
    }
  }
}

TEST(RopeTable, PlainFrequenciesFallFromOneByEqualSteps) {
  const RopeTable table(plain(64));
  EXPECT_EQ(table.frequencies().front(), 1.0);
  for (std::size_t pair = 1; pair < 32; ++pair) {
    EXPECT_NEAR(table.frequencies()[pair] / table.frequencies()[pair - 1], std::pow(1e4, -1.0 / 32),
                1e-12);
  }
}

TEST(RopeTable, YarnKeepsFastPairsAndDividesSlowOnes) {
  const RopeConfig rope = yarn();
  const RopeTable table(rope);
  const RopeTable unscaled(plain(128));
  int between = 0;
  for (std::size_t pair = 0; pair < table.frequencies().size(); ++pair) {
    const double share = table.frequencies()[pair] / unscaled.frequencies()[pair];
    const double turns = 4096 * unscaled.frequencies()[pair] / (2.0 * std::numbers::pi);
    if (turns > 40.0) {
      EXPECT_EQ(share, 1.0) << turns << " turns";
    } else if (turns < 0.8) {
      EXPECT_NEAR(share, 0.25, 1e-15) << turns << " turns";
    }
    between += share < 1.0 && share > 0.2501 ? 1 : 0;
  }
  EXPECT_GT(between, 5);
}

TEST(RopeTable, CosinesAndSinesAreThoseOfAnyPositionNegativeOnesToo) {
  for (const RopeConfig& rope : every_scaling()) {
    RopeTable table(rope);
    const std::vector<double> frequencies = tests::rope_frequencies(rope);
    for (const int position : {0, 1, 255, 256, 257, 5000, 131071, -1, -255, -256, -257, -5000}) {
      table.prepare(position, position + 1);
      const Rope at = table.at(position);
      EXPECT_EQ(at.dims, rope.dims);
      EXPECT_FALSE(at.interleaved);
      for (std::size_t pair = 0; pair < frequencies.size(); ++pair) {
        const double angle = position * frequencies[pair];
        ASSERT_NEAR(at.cos[pair], rope.yarn_magnitude * std::cos(angle), 1e-7 * rope.yarn_magnitude)
            << "position " << position << ", pair " << pair;
        ASSERT_NEAR(at.sin[pair], rope.yarn_magnitude * std::sin(angle), 1e-7 * rope.yarn_magnitude)
            << "position " << position << ", pair " << pair;
      }
    }
  }
}

TEST(RopeTable, APreparedRangeIsWholeAcrossBlocks) {
  RopeConfig rope = plain(8);
  rope.pairing = RopePairing::kInterleaved;
  RopeTable table(rope);
  table.prepare(-300, 600);
  for (int position = -300; position < 600; ++position) {
    const Rope at = table.at(position);
    EXPECT_TRUE(at.interleaved);
    ASSERT_NEAR(at.cos[0], std::cos(position), 1e-7) << position;
    ASSERT_NEAR(at.sin[0], std::sin(position), 1e-7) << position;
  }
}

TEST(RopeTable, WhatWasGivenOutStaysWhereItIs) {
  RopeTable table(plain());
  table.prepare(7, 8);
  const Rope before = table.at(7);
  table.prepare(-20000, 20000);
  EXPECT_EQ(table.at(7).cos, before.cos);
}

TEST(RopeTable, AModelWithoutRotationHasNoAngles) {
  RopeTable table(plain(0));
  table.prepare(-1, 1000);
  EXPECT_TRUE(table.frequencies().empty());
  EXPECT_EQ(table.at(999).dims, 0);
}

TEST(RopeTableDeathTest, PositionsThatWereNotPreparedAbort) {
  RopeTable table(plain());
  table.prepare(0, 256);
  EXPECT_DEATH(table.at(256), "internal error");
  EXPECT_DEATH(table.at(-1), "internal error");
}

}  // namespace
}  // namespace redknot
