// SPDX-License-Identifier: Apache-2.0
#include "engine/loop_messages.h"

#include <algorithm>

namespace redknot {
namespace {

// From now on; as good as never if that is too far to be told.
std::chrono::steady_clock::time_point time_in(double seconds) {
  constexpr double kMostSeconds = 1e9;
  const std::chrono::duration<double> wait(std::min(seconds, kMostSeconds));
  return std::chrono::steady_clock::now() +
         std::chrono::duration_cast<std::chrono::steady_clock::duration>(wait);
}

}  // namespace

ListSegments::Answer carry_out(const ListSegments& operation, Scheduler& scheduler) {
  return scheduler.cache().segment_uses(operation.salt);
}

DropSegments::Answer carry_out(const DropSegments& operation, Scheduler& scheduler) {
  return scheduler.cache().drop_segments(operation.name.salt, operation.name.id);
}

PinSegment::Answer carry_out(const PinSegment& operation, Scheduler& scheduler) {
  KvCache& cache = scheduler.cache();
  if (operation.name.id.empty() || cache.segments().named(operation.name).empty()) return false;
  if (operation.seconds > 0) {
    return cache.pins().pin(
        operation.name, {.until = time_in(operation.seconds), .quota_bytes = operation.quota_bytes},
        [&scheduler] { return scheduler.pins_fit(); });
  }
  cache.pins().unpin(operation.name);
  return true;
}

}  // namespace redknot
