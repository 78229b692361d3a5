// SPDX-License-Identifier: Apache-2.0
#include "engine/inbox.h"

#include <cstddef>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

std::size_t most_messages(const WaitingRoom& room) {
  const auto requests = static_cast<std::size_t>(room.limits().waiting);
  const auto cancels = static_cast<std::size_t>(room.most_under_way());
  return requests + cancels + Inbox::kMostOperations;
}

}  // namespace

Inbox::Inbox(const WaitingLimits& limits) : room_(limits), messages_(most_messages(room_)) {}

Status Inbox::submit(NewRequests requests) {
  const int count = static_cast<int>(requests.arrivals.size());
  REDKNOT_RETURN_IF_ERROR(room_.enter(requests.sequence->spec.salt, count));
  if (messages_.push(std::move(requests))) return Done{};
  REDKNOT_CHECK(closed());  // there is room for all that have a place
  return Error(ErrorCode::kCancelled, "generate: the engine was closed");
}

void Inbox::cancel(std::shared_ptr<Generation::State> generation) {
  const bool queued = messages_.push(Cancel{std::move(generation)});
  REDKNOT_CHECK(queued || closed());  // there is room for all that have a place
}

void Inbox::wait_until(std::optional<std::chrono::steady_clock::time_point> until) {
  if (until) {
    messages_.wait_until(*until);
  } else {
    messages_.wait();
  }
}

}  // namespace redknot
