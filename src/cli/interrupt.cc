// SPDX-License-Identifier: Apache-2.0
#include "cli/interrupt.h"

#include <semaphore.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <string_view>
#include <utility>

#include "cli/exit_code.h"

namespace redknot::cli {
namespace {

// What a signal handler may touch: lock-free atomics and a semaphore.
std::atomic<bool> scope_open = false;
std::atomic<bool> interrupt_seen = false;
sem_t wake_waiter;

void on_interrupt(int signal) {
  const int saved_errno = errno;
  if (scope_open && !interrupt_seen.exchange(true)) {
    sem_post(&wake_waiter);
    errno = saved_errno;
    return;
  }
  constexpr std::string_view kMessage = "\nredknot: interrupted\n";
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, kMessage.data(), kMessage.size());
  ::_exit(signal == SIGTERM ? 128 + SIGTERM : static_cast<int>(ExitCode::kInterrupted));
}

// Unless the parent made the process ignore it.
void catch_signal(int signal) {
  struct sigaction action {};
  sigaction(signal, nullptr, &action);
  if (action.sa_handler == SIG_IGN) return;
  action = {};
  action.sa_handler = on_interrupt;
  action.sa_flags = SA_RESTART;
  sigaction(signal, &action, nullptr);
}

}  // namespace

void exit_on_interrupt() {
  sem_init(&wake_waiter, /*pshared=*/0, /*value=*/0);
  catch_signal(SIGINT);
}

InterruptScope::InterruptScope(std::function<void()> end, Signals signals) : signals_(signals) {
  interrupt_seen = false;
  scope_open = true;
  if (signals_ == Signals::kInterruptAndTerminate) catch_signal(SIGTERM);
  waiter_ = std::thread([end = std::move(end)] {
    while (sem_wait(&wake_waiter) != 0 && errno == EINTR) {
    }
    if (interrupt_seen) end();
  });
}

InterruptScope::~InterruptScope() {
  if (signals_ == Signals::kInterruptAndTerminate) std::signal(SIGTERM, SIG_DFL);
  scope_open = false;
  sem_post(&wake_waiter);
  waiter_.join();
}

bool InterruptScope::interrupted() const { return interrupt_seen; }

}  // namespace redknot::cli
