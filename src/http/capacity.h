// SPDX-License-Identifier: Apache-2.0
// What all connections of a server share: counts with a bound.
//
// The server's ServiceTerms own a Capacity of streams and one of body bytes. Connections hold
// Shares of them, which give back at their end what they have taken. Any thread; the counts are
// atomic.
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace redknot::http {

// A bounded count, of which shares are taken and given back.
class Capacity {
 public:
  explicit Capacity(std::size_t bound) : bound_(bound) {}
  bool take(std::size_t amount) {
    const std::size_t before = used_.fetch_add(amount);
    if (before + amount <= bound_) return true;
    used_.fetch_sub(amount);
    return false;
  }
  void give_back(std::size_t amount) { used_.fetch_sub(amount); }
  std::size_t used() const { return used_.load(); }

 private:
  const std::size_t bound_;
  std::atomic<std::size_t> used_{0};
};

// What one holder has taken; given back at its end. The capacity outlives it.
class Share {
 public:
  explicit Share(Capacity& capacity) : capacity_(&capacity) {}
  ~Share() { give_back(); }
  Share(const Share&) = delete;
  Share& operator=(const Share&) = delete;

  // Takes what is missing to `amount`; false, and nothing more taken, if there is not enough.
  bool grow_to(std::size_t amount) {
    if (amount <= held_) return true;
    if (!capacity_->take(amount - held_)) return false;
    held_ = amount;
    return true;
  }
  std::size_t held() const { return held_; }
  void give_back() { capacity_->give_back(std::exchange(held_, 0)); }

 private:
  Capacity* capacity_;
  std::size_t held_ = 0;
};

}  // namespace redknot::http
