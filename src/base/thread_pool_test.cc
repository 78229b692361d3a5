// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

#include "tests/wait.h"

namespace redknot {
namespace {

using tests::TimeLimit;

TEST(ThreadPool, EveryTaskRunsExactlyOnceInEveryLoop) {
  const TimeLimit limit("the end of 8000 loops", 2 * tests::kPatienceSeconds);
  for (int threads : {1, 2, 3, 8}) {
    ThreadPool pool(threads);
    for (int loop = 0; loop < 2000; ++loop) {
      const int count = loop % 37;
      std::vector<std::atomic<int>> runs(37);
      pool.parallel_for(count, [&](int task, int thread) {
        ASSERT_LT(thread, threads);
        runs[static_cast<std::size_t>(task)].fetch_add(1);
      });
      for (int task = 0; task < 37; ++task) {
        ASSERT_EQ(runs[static_cast<std::size_t>(task)].load(), task < count ? 1 : 0);
      }
    }
  }
}

TEST(ThreadPool, WakesThreadsThatFellAsleep) {
  const TimeLimit limit("threads that fell asleep");
  ThreadPool pool(4);
  for (int loop = 0; loop < 20; ++loop) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    std::atomic<int> sum{0};
    pool.parallel_for(100, [&](int task, int) { sum.fetch_add(task); });
    EXPECT_EQ(sum.load(), 4950);
  }
}

TEST(ThreadPool, WaitsForASlowTask) {
  const TimeLimit limit("a slow task");
  ThreadPool pool(2);
  std::atomic<int> finished{0};
  pool.parallel_for(2, [&](int task, int) {
    if (task == 1) std::this_thread::sleep_for(std::chrono::milliseconds(30));
    finished.fetch_add(1);
  });
  EXPECT_EQ(finished.load(), 2);
}

}  // namespace
}  // namespace redknot
