// SPDX-License-Identifier: Apache-2.0
// One streamed request and its answer, timed. Called by the LoadRun, on the load's thread.
#pragma once

#include <chrono>

#include <boost/asio/awaitable.hpp>

#include "load/address.h"
#include "load/answer.h"
#include "load/connection.h"

namespace redknot::load {

using Clock = std::chrono::steady_clock;

inline double seconds_between(Clock::time_point from, Clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

// Sends a request that asks for a stream and reads it to its end. Failures are in the answer; its
// times are since `origin`, and cover connecting. A request takes no longer than timeout_s.
boost::asio::awaitable<Answer> stream_request(Address address, OutgoingRequest request,
                                              Clock::time_point origin, double timeout_s);

}  // namespace redknot::load
