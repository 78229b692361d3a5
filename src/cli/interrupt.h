// SPDX-License-Identifier: Apache-2.0
// Ctrl-C, and for servers SIGTERM. main.cc asks for the first function once; verbs own an
// InterruptScope on their stack while they can be ended, on the main thread. It owns a thread that
// waits for the signal and calls the verb's function there.
//
// A signal belongs to the process, so this is the one place with state of the whole process. Left
// alone where the parent made the process ignore SIGINT (nohup, background jobs).
#pragma once

#include <functional>
#include <thread>

namespace redknot::cli {

// From now on Ctrl-C says so on standard error and ends the process at once with
// ExitCode::kInterrupted. Call once, before other threads start.
void exit_on_interrupt();

// Which signals end what is done. SIGTERM ends other processes at once.
enum class Signals { kInterrupt, kInterruptAndTerminate };

// While it lives, the first Ctrl-C calls `end` instead, once, on a thread of its own; the second
// ends the process at once. One at a time.
class InterruptScope {
 public:
  explicit InterruptScope(std::function<void()> end, Signals signals = Signals::kInterrupt);
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;
  ~InterruptScope();

  bool interrupted() const;

 private:
  Signals signals_;
  std::thread waiter_;
};

}  // namespace redknot::cli
