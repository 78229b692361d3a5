// SPDX-License-Identifier: Apache-2.0
// At most so many at a time, the others wait in the order they came.
//
// The LoadRun owns the slots of its requests: each turn acquires one before it is sent and releases
// it when it has ended. All callers are coroutines of the load's one thread.
#pragma once

#include <deque>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace redknot::load {

class Slots {
 public:
  // 0: no limit.
  Slots(boost::asio::any_io_executor executor, int count)
      : executor_(std::move(executor)), unlimited_(count == 0), free_(count) {}

  boost::asio::awaitable<void> acquire() {
    if (unlimited_ || free_ > 0) {
      --free_;
      co_return;
    }
    boost::asio::steady_timer turn(executor_, boost::asio::steady_timer::time_point::max());
    waiting_.push_back(&turn);
    co_await turn.async_wait(boost::asio::as_tuple(boost::asio::use_awaitable));
  }

  // Hands the slot to who waits longest.
  void release() {
    if (waiting_.empty()) {
      ++free_;
      return;
    }
    waiting_.front()->cancel();
    waiting_.pop_front();
  }

 private:
  boost::asio::any_io_executor executor_;
  bool unlimited_;
  int free_;
  std::deque<boost::asio::steady_timer*> waiting_;
};

}  // namespace redknot::load
