// SPDX-License-Identifier: Apache-2.0
#include "engine/waiting_room.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace redknot {

WaitingLimits limits_of(int max_waiting, int tenants, int max_running) {
  return {.waiting = max_waiting,
          .waiting_of_one_salt = std::max(1, max_waiting / tenants),
          .running = max_running,
          .tenants = tenants};
}

Status WaitingRoom::enter(const std::string& salt, int count) {
  if (count > limits_.waiting) {
    return invalid("generate: ", count, " answers, and no more than ", limits_.waiting,
                   " requests may wait");
  }
  if (count > limits_.waiting_of_one_salt) {
    return invalid("generate: ", count, " answers, and no more than ", limits_.waiting_of_one_salt,
                   " requests of one tenant may wait");
  }
  const std::lock_guard lock(mutex_);
  if (count > limits_.waiting - waiting_) {
    return unavailable("generate: ", waiting_, " requests are waiting already");
  }
  const auto found = places_.find(salt);
  const Places own = found == places_.end() ? Places{} : found->second;
  if (count > limits_.waiting_of_one_salt - own.waiting) {
    return unavailable("generate: ", own.waiting,
                       " requests of this tenant are waiting already, and ",
                       limits_.waiting_of_one_salt, " are its share of the queue");
  }
  // Those that were preempted wait, too, and count here.
  if (count > limits_.waiting_of_one_salt + limits_.running - own.under_way) {
    return unavailable("generate: ", own.under_way,
                       " requests of this tenant are waiting already or running");
  }
  if (count > most_under_way() - under_way_) {
    return unavailable("generate: ", under_way_, " requests are waiting already or running");
  }
  waiting_ += count;
  under_way_ += count;
  places_[salt] = {own.waiting + count, own.under_way + count};
  return Done{};
}

void WaitingRoom::begin(const std::string& salt) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(salt);
  REDKNOT_CHECK(found != places_.end() && found->second.waiting > 0);
  --found->second.waiting;
  --waiting_;
}

void WaitingRoom::leave(const std::string& salt) {
  const std::lock_guard lock(mutex_);
  const auto found = places_.find(salt);
  REDKNOT_CHECK(found != places_.end() && found->second.under_way > found->second.waiting);
  if (--found->second.under_way == 0) places_.erase(found);
  --under_way_;
}

int WaitingRoom::under_way() const {
  const std::lock_guard lock(mutex_);
  return under_way_;
}

}  // namespace redknot
