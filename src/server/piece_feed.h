// SPDX-License-Identifier: Apache-2.0
// Pieces of one or several generations as they come, for a coroutine that must not block.
//
// A PieceFeed owns the generations of one request. ResponseSender reads answers from it, and the
// route that preloads segments waits on it for their end. It is used on one strand, by the
// coroutine that owns it; the engine's thread only wakes it. Destroying it cancels what still
// generates.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "redknot/redknot.h"

namespace redknot::server {

class PieceFeed {
 public:
  PieceFeed(boost::asio::any_io_executor strand, std::vector<Generation> generations);
  PieceFeed(const PieceFeed&) = delete;
  PieceFeed& operator=(const PieceFeed&) = delete;
  ~PieceFeed();

  // Waits for something new, a piece or wake(), at most so long.
  boost::asio::awaitable<void> wait(std::chrono::milliseconds most);
  // Ends a wait, this one or the next. On the strand; what waker() gives may be called on any
  // thread, also when the feed is gone.
  void wake();
  std::function<void()> waker() const;

  // A piece that is at hand, and of which generation. Nothing if there is none.
  struct Item {
    std::size_t index = 0;
    Piece piece{};
  };
  std::optional<Item> take();

  // Whether all generations have had their last piece.
  bool ended() const { return running_ == 0; }
  std::size_t size() const { return generations_.size(); }
  const Generation& generation(std::size_t index) const { return generations_[index]; }

 private:
  struct Bell;
  std::shared_ptr<Bell> bell_;
  std::vector<Generation> generations_;
  std::vector<bool> ended_;
  std::size_t running_;
  std::size_t next_ = 0;  // whose turn it is
};

}  // namespace redknot::server
