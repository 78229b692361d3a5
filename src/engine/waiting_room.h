// SPDX-License-Identifier: Apache-2.0
// How many requests may wait for their turn, of all and of one tenant, and how many may be under
// way, so that everything behind it is bounded.
//
// A request has a place from its submission until the loop has ended it or has read that its reader
// left. It waits until its sequence is let run for the first time; one that was preempted and waits
// again does so among those under way. Tenants are told apart by their salts: one salt may have its
// share of the waiting places and no more, and beside them no more than may run, so that no tenant
// fills the queue for the others, not with requests that it has preempted itself either.
//
// The inbox has one. Any thread enters; the loop's thread says that one begins or leaves.
#pragma once

#include <mutex>
#include <string>
#include <unordered_map>

#include "redknot/result.h"

namespace redknot {

struct WaitingLimits {
  int waiting = 1024;              // requests that have not begun
  int waiting_of_one_salt = 1024;  // and of those, with one salt
  int running = 64;                // at a time
  int tenants = 1;                 // that share the places
};

// What is left to each of so many tenants if all of them wait.
WaitingLimits limits_of(int max_waiting, int tenants, int max_running);

class WaitingRoom {
 public:
  explicit WaitingRoom(const WaitingLimits& limits) : limits_(limits) {}

  // So many places, or none. kUnavailable if too many wait or are under way, kInvalidArgument if so
  // many could never wait. Any thread.
  Status enter(const std::string& salt, int count);
  // One of a salt waits no longer: it begins, or ends without having begun.
  void begin(const std::string& salt);
  // One that waits no longer gives its place back.
  void leave(const std::string& salt);

  const WaitingLimits& limits() const { return limits_; }
  // So many that each tenant has its share, whatever the others have preempted.
  int most_under_way() const { return limits_.waiting + limits_.tenants * limits_.running; }
  // With a place. For tests.
  int under_way() const;

 private:
  struct Places {
    int waiting = 0, under_way = 0;
  };

  const WaitingLimits limits_;
  mutable std::mutex mutex_;  // guards what follows
  int waiting_ = 0;
  int under_way_ = 0;                               // those that wait, too
  std::unordered_map<std::string, Places> places_;  // by salt, of those with a place
};

}  // namespace redknot
