// SPDX-License-Identifier: Apache-2.0
#include "cli/time_left.h"

#include <algorithm>

#include "cli/output.h"

namespace redknot::cli {

std::string TimeLeft::text(double fraction) const {
  const double seconds = std::chrono::duration<double>(Clock::now() - start_).count();
  const double left = seconds * (1 - fraction) / std::max(fraction, 1e-6);
  if (left < 100) return format("%.0f s left", left);
  return left < 6000 ? format("%.0f min left", left / 60) : format("%.1f h left", left / 3600);
}

}  // namespace redknot::cli
