// SPDX-License-Identifier: Apache-2.0
// For how long a piece of work goes on, if it goes on as it did since it was first asked. Owns the
// time of that and what was done by then. Verbs that take minutes own one beside their progress and
// ask it from the thread that shows it.
#pragma once

#include <chrono>
#include <string>

namespace redknot::cli {

class TimeLeft {
 public:
  // ": 40 s left", ": 12 min left", ": 2.5 h left", from the share of the work that is done; "" as
  // long as less than a hundredth was done. What is done in the first second counts as found, not
  // as done: a search that goes on where it was interrupted.
  std::string text(double fraction);

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
  double found_ = 0;
};

}  // namespace redknot::cli
