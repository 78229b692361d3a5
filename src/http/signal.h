// SPDX-License-Identifier: Apache-2.0
// Waiting, on a strand, for another coroutine of the same strand.
//
// Connections and the server own the Signals that their coroutines wait on and raise. A Signal
// holds a timer and no state of its own. All calls are made on the one strand.
#pragma once

#include <chrono>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace redknot::http {

// A condition without state: who waits looks at the state again when the wait is over, which may be
// early. All on one strand, so nothing is missed between the look and the wait.
class Signal {
 public:
  using Time = std::chrono::steady_clock::time_point;

  explicit Signal(const boost::asio::any_io_executor& executor) : timer_(executor) {}

  void raise() { timer_.cancel(); }
  boost::asio::awaitable<void> wait_until(Time deadline) {
    timer_.expires_at(deadline);
    co_await timer_.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }
  boost::asio::awaitable<void> wait() { return wait_until(Time::max()); }

 private:
  boost::asio::steady_timer timer_;
};

}  // namespace redknot::http
