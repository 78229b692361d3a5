// SPDX-License-Identifier: Apache-2.0
// Cuts off what does not finish in time.
//
// Its owner, a Connection or a call of the Client, arms it before it waits for the network and
// disarms it afterwards; if the time passes first, `cut` is called, on the executor of the timer.
// All calls are made on that one strand.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/system/error_code.hpp>

namespace redknot::http {

class Cutoff {
 public:
  Cutoff(const boost::asio::any_io_executor& executor, std::function<void()> cut)
      : timer_(executor), state_(std::make_shared<State>()) {
    state_->cut = std::move(cut);
  }
  ~Cutoff() { disarm(); }
  Cutoff(const Cutoff&) = delete;
  Cutoff& operator=(const Cutoff&) = delete;

  void arm(std::chrono::milliseconds time) {
    const std::uint64_t round = ++state_->round;
    timer_.expires_after(time);
    timer_.async_wait([state = state_, round](const boost::system::error_code& error) {
      if (error || state->round != round) return;
      state->passed = true;
      state->cut();
    });
  }
  void disarm() {
    ++state_->round;  // a wait that is over already but not yet run does nothing
    timer_.cancel();
  }
  bool passed() const { return state_->passed; }

 private:
  struct State {
    std::function<void()> cut{};
    std::uint64_t round = 0;
    bool passed = false;
  };
  boost::asio::steady_timer timer_;
  std::shared_ptr<State> state_;
};

}  // namespace redknot::http
