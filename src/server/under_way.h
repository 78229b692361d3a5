// SPDX-License-Identifier: Apache-2.0
// The answers that are being made, so that a server that ends can wait for them and, when it has
// waited long enough, have each end in words of its own.
//
// The Service owns the UnderWay; each route that generates holds an Answer of it from its request
// to its last byte. The thread that ends the server counts and cuts them. Any thread; a lock guards
// the map.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace redknot::server {

class UnderWay {
 public:
  // One answer, from its request to its last byte. The UnderWay outlives it.
  class Answer {
   public:
    explicit Answer(UnderWay& all) : all_(all), id_(all.enter()) {}
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    ~Answer() { all_.leave(id_); }

    // Called when cut() is, on its thread; at once if it was already.
    void on_cut(std::function<void()> call) { all_.tell(id_, std::move(call)); }
    bool is_cut() const { return all_.is_cut(); }

   private:
    UnderWay& all_;
    const std::uint64_t id_;
  };

  int count() const {
    const std::lock_guard lock(mutex_);
    return static_cast<int>(calls_.size());
  }
  bool is_cut() const {
    const std::lock_guard lock(mutex_);
    return cut_;
  }
  // Once: what is under way, or comes later, has no more time.
  void cut() {
    const std::lock_guard lock(mutex_);
    cut_ = true;
    for (const auto& [id, call] : calls_) {
      if (call) call();
    }
  }

 private:
  std::uint64_t enter() {
    const std::lock_guard lock(mutex_);
    calls_.emplace(next_, nullptr);
    return next_++;
  }
  void leave(std::uint64_t id) {
    const std::lock_guard lock(mutex_);
    calls_.erase(id);
  }
  void tell(std::uint64_t id, std::function<void()> call) {
    const std::lock_guard lock(mutex_);
    if (cut_) call();
    calls_[id] = std::move(call);
  }

  mutable std::mutex mutex_;
  std::map<std::uint64_t, std::function<void()>> calls_{};
  std::uint64_t next_ = 0;
  bool cut_ = false;
};

}  // namespace redknot::server
