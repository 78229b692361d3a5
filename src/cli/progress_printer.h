// SPDX-License-Identifier: Apache-2.0
// Shows on standard error how far something is: a bar on a terminal, but for the first second, or a
// plain line every five seconds elsewhere. A verb owns one on its stack and gives its callback to
// what it opens; the callback is called on the thread of the verb.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "cli/time_left.h"
#include "redknot/redknot.h"

namespace redknot::cli {

class ProgressPrinter {
 public:
  ProgressPrinter();
  ProgressPrinter(const ProgressPrinter&) = delete;
  ProgressPrinter& operator=(const ProgressPrinter&) = delete;
  ~ProgressPrinter();  // takes the bar away

  // Must not outlive the printer; called on the thread that opens the engine.
  Progress callback();
  void show(std::string_view activity, double fraction);
  // Takes the bar away, before something else is printed; it comes back.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool terminal_;
  bool bar_shown_ = false;
  Clock::time_point next_;
};

// The same of work that takes minutes, with the time that is left. One for all of the work.
class WorkProgress {
 public:
  void show(const std::string& activity, double fraction) {
    printer_.show(activity + time_left_.text(fraction), fraction);
  }
  void clear() { printer_.clear(); }

 private:
  ProgressPrinter printer_;
  TimeLeft time_left_;
};

}  // namespace redknot::cli
