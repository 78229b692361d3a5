// SPDX-License-Identifier: Apache-2.0
#include "cli/time_left.h"

#include <algorithm>

#include "cli/output.h"

namespace redknot::cli {

std::string TimeLeft::text(double fraction) {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  if (seconds < 1) found_ = fraction;
  const double done = fraction - found_;
  if (done < 0.01) return {};
  const double left = std::max(0.0, seconds * (1 - fraction) / done);
  if (left < 100) return format(": %.0f s left", left);
  return left < 6000 ? format(": %.0f min left", left / 60) : format(": %.1f h left", left / 3600);
}

}  // namespace redknot::cli
