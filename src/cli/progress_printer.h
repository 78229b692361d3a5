// SPDX-License-Identifier: Apache-2.0
// Shows on standard error how far loading is: nothing for the first second, then a bar on a
// terminal, or a plain line at most every five seconds elsewhere. A verb owns one on its stack and
// gives its callback to what it opens; the callback is called on the thread of the verb.
#pragma once

#include <chrono>
#include <string_view>

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

 private:
  using Clock = std::chrono::steady_clock;
  void show(std::string_view activity, double fraction);

  bool terminal_;
  bool bar_shown_ = false;
  Clock::time_point next_;
};

}  // namespace redknot::cli
