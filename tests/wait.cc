// SPDX-License-Identifier: Apache-2.0
#include "tests/wait.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace redknot::tests {

using Clock = std::chrono::steady_clock;

bool becomes_true(const std::function<bool()>& holds, double seconds) {
  const auto begin = Clock::now();
  const auto deadline = begin + std::chrono::duration<double>(seconds);
  while (!holds()) {
    const auto now = Clock::now();
    if (now >= deadline) return false;
    if (now - begin < std::chrono::milliseconds(2)) {
      std::this_thread::yield();
    } else {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return true;
}

TimeLimit::TimeLimit(std::string what, double seconds)
    : what_(std::move(what)), watcher_([this, seconds] { watch(seconds); }) {}

TimeLimit::~TimeLimit() {
  {
    const std::lock_guard lock(mutex_);
    ended_ = true;
  }
  changed_.notify_all();
  watcher_.join();
}

void TimeLimit::watch(double seconds) {
  std::unique_lock lock(mutex_);
  const std::chrono::duration<double> limit(seconds);
  if (changed_.wait_for(lock, limit, [this] { return ended_; })) return;
  std::fprintf(stderr, "not within %g seconds: %s\n", seconds, what_.c_str());
  std::abort();
}

}  // namespace redknot::tests
