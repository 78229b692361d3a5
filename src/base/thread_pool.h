// SPDX-License-Identifier: Apache-2.0
// A ThreadPool owns a fixed set of threads that share the tasks of one loop at a time.
//
// Tasks are handed out one by one, so a thread that lost its core delays one task and not the loop.
// Waiting threads spin for a bounded time and then sleep. The engine owns the pool; its step loop
// calls it from the forward pass, and its opening thread while weights are packed. One caller
// thread at a time owns it and takes part in the work; only that thread may call parallel_for, and
// never from inside a task.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <type_traits>
#include <vector>

namespace redknot {

class ThreadPool {
 public:
  // `threads` counts the caller; at least 1.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(task, thread) once for each task in [0, count), in any order and on any thread;
  // `thread` in [0, threads()) names scratch memory that no other running task uses. Returns when
  // all are done; what they wrote is visible then. Requires count < 2^20.
  template <typename Body>
  void parallel_for(int count, const Body& body) {
    run(count, &body, [](const void* context, int task, int thread) {
      (*static_cast<const Body*>(context))(task, thread);
    });
  }

 private:
  using Call = void (*)(const void* context, int task, int thread);
  void run(int count, const void* context, Call call);
  void work(int thread);        // a worker's life
  void take_tasks(int thread);  // until none is left

  // The current loop: generation (24 bits), task count (20), next task (20). One word, so that a
  // thread which wakes late can never mistake one loop's task for another's.
  std::atomic<std::uint64_t> ticket_{0};
  std::atomic<int> epoch_{0};  // changes with the generation; what sleepers wait on
  std::atomic<int> sleepers_{0};
  std::atomic<int> unfinished_{0};
  std::atomic<bool> caller_sleeps_{false};
  std::atomic<bool> stopping_{false};
  const void* context_ = nullptr;
  Call call_ = nullptr;
  std::vector<std::thread> workers_;
};

// Cores this process may run on.
int available_cores();

}  // namespace redknot
