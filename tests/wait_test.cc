// SPDX-License-Identifier: Apache-2.0
#include "tests/wait.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

namespace redknot::tests {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

TEST(BecomesTrue, WhatIsSoAlreadyIsLookedAtOnce) {
  int looks = 0;
  EXPECT_TRUE(becomes_true([&] { return ++looks == 1; }, 0));
  EXPECT_EQ(looks, 1);
}

TEST(BecomesTrue, WhatBecomesSoLaterIsSeen) {
  const TimeLimit limit("a thread that sets a flag");
  std::atomic<bool> set{false};
  std::thread setter([&] {
    std::this_thread::sleep_for(milliseconds(20));
    set = true;
  });
  EXPECT_TRUE(becomes_true([&] { return set.load(); }));
  setter.join();
}

TEST(BecomesTrue, WhatNeverComesEndsTheWait) {
  const auto begin = steady_clock::now();
  EXPECT_FALSE(becomes_true([] { return false; }, 0.02));
  EXPECT_GE(steady_clock::now() - begin, milliseconds(20));
}

TEST(TimeLimitTest, WhatEndsInTimeIsLeftAlone) {
  const auto begin = steady_clock::now();
  { const TimeLimit limit("nothing"); }
  EXPECT_LT(steady_clock::now() - begin, std::chrono::seconds(30));
}

TEST(TimeLimitDeathTest, WhatDoesNotEndIsNamed) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        const TimeLimit limit("a thread that never comes", 0.05);
        std::this_thread::sleep_for(std::chrono::seconds(30));
      },
      "not within 0.05 seconds: a thread that never comes");
}

}  // namespace
}  // namespace redknot::tests
