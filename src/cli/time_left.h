// SPDX-License-Identifier: Apache-2.0
// For how long a piece of work goes on, if it goes on as it did so far.
#pragma once

#include <chrono>
#include <string>

namespace redknot::cli {

class TimeLeft {
 public:
  // "40 s left", "12 min left", "2.5 h left", from the share of the work that is done.
  std::string text(double fraction) const;

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace redknot::cli
