// SPDX-License-Identifier: Apache-2.0
#include "engine/waiting_room.h"

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace redknot {

WaitingLimits limits_of(int max_waiting, int tenants, int max_running) {
  return {.waiting = max_waiting,
          .waiting_of_one_salt = std::max(1, max_waiting / tenants),
          .running = max_running};
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
  const auto found = waiting_by_salt_.find(salt);
  const int of_salt = found == waiting_by_salt_.end() ? 0 : found->second;
  if (count > limits_.waiting_of_one_salt - of_salt) {
    return unavailable("generate: ", of_salt, " requests of this tenant are waiting already, and ",
                       limits_.waiting_of_one_salt, " are its share of the queue");
  }
  if (count > most_under_way() - under_way_) {
    return unavailable("generate: ", under_way_, " requests are waiting already or running");
  }
  waiting_ += count;
  under_way_ += count;
  waiting_by_salt_[salt] = of_salt + count;
  return Done{};
}

void WaitingRoom::begin(const std::string& salt) {
  const std::lock_guard lock(mutex_);
  const auto found = waiting_by_salt_.find(salt);
  REDKNOT_CHECK(found != waiting_by_salt_.end());
  if (--found->second == 0) waiting_by_salt_.erase(found);
  --waiting_;
}

void WaitingRoom::leave() {
  const std::lock_guard lock(mutex_);
  REDKNOT_CHECK(under_way_ > waiting_);
  --under_way_;
}

int WaitingRoom::under_way() const {
  const std::lock_guard lock(mutex_);
  return under_way_;
}

}  // namespace redknot
