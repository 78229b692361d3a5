// SPDX-License-Identifier: Apache-2.0
#include "base/thread_pool.h"

#include <sched.h>

#include "base/check.h"

namespace redknot {
namespace {

constexpr int kIndexBits = 20;
constexpr std::uint64_t kIndexMask = (std::uint64_t{1} << kIndexBits) - 1;
// About 40 us: longer than the serial work between two loops of a decode step, much shorter than a
// scheduler's time slice.
constexpr int kSpins = 1000;

int task_of(std::uint64_t ticket) { return static_cast<int>(ticket & kIndexMask); }
int count_of(std::uint64_t ticket) { return static_cast<int>((ticket >> kIndexBits) & kIndexMask); }
std::uint64_t generation_of(std::uint64_t ticket) { return ticket >> (2 * kIndexBits); }

void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) {
  REDKNOT_CHECK(threads >= 1);
  for (int thread = 1; thread < threads; ++thread) {
    workers_.emplace_back([this, thread] { work(thread); });
  }
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  epoch_.fetch_add(1);
  epoch_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(int count, const void* context, Call call) {
  REDKNOT_CHECK(count >= 0 && static_cast<std::uint64_t>(count) < kIndexMask - 1024);
  if (workers_.empty() || count <= 1) {
    for (int task = 0; task < count; ++task) call(context, task, 0);
    return;
  }
  context_ = context;
  call_ = call;
  unfinished_.store(count, std::memory_order_relaxed);
  const std::uint64_t generation = generation_of(ticket_.load(std::memory_order_relaxed)) + 1;
  ticket_.store(
      (generation << (2 * kIndexBits)) | (static_cast<std::uint64_t>(count) << kIndexBits),
      std::memory_order_release);
  epoch_.fetch_add(1);
  if (sleepers_.load() > 0) epoch_.notify_all();

  take_tasks(0);
  for (int spin = 0; spin < kSpins; ++spin) {
    if (unfinished_.load(std::memory_order_acquire) == 0) return;
    pause();
  }
  caller_sleeps_.store(true);
  for (int left = unfinished_.load(); left != 0; left = unfinished_.load()) {
    unfinished_.wait(left);
  }
  caller_sleeps_.store(false);
}

void ThreadPool::take_tasks(int thread) {
  while (true) {
    const std::uint64_t ticket = ticket_.fetch_add(1, std::memory_order_acq_rel);
    if (task_of(ticket) >= count_of(ticket)) return;
    // This loop cannot end before the task is done, so context_ and call_ are this loop's.
    call_(context_, task_of(ticket), thread);
    if (unfinished_.fetch_sub(1) == 1 && caller_sleeps_.load()) unfinished_.notify_one();
  }
}

void ThreadPool::work(int thread) {
  int seen = 0;
  while (true) {
    int spin = 0;
    while (epoch_.load(std::memory_order_acquire) == seen && spin < kSpins) {
      pause();
      ++spin;
    }
    if (spin == kSpins) {
      sleepers_.fetch_add(1);
      epoch_.wait(seen);
      sleepers_.fetch_sub(1);
    }
    seen = epoch_.load(std::memory_order_acquire);
    if (stopping_.load()) return;
    const std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    if (task_of(ticket) < count_of(ticket)) take_tasks(thread);
  }
}

int available_cores() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) {
    const int cores = CPU_COUNT(&set);
    if (cores > 0) return cores;
  }
  const unsigned cores = std::thread::hardware_concurrency();
  return cores == 0 ? 1 : static_cast<int>(cores);
}

}  // namespace redknot
