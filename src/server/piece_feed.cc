// SPDX-License-Identifier: Apache-2.0
#include "server/piece_feed.h"

#include <atomic>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <utility>

namespace redknot::server {

namespace asio = boost::asio;

// Rung by the engine's thread, heard on the strand. Many rings before it is heard are one.
struct PieceFeed::Bell : std::enable_shared_from_this<PieceFeed::Bell> {
  explicit Bell(asio::any_io_executor executor) : strand(std::move(executor)), timer(strand) {}

  void ring() {
    if (on_its_way.exchange(true)) return;
    asio::post(strand, [self = shared_from_this()] {
      self->on_its_way.store(false);
      self->hear();
    });
  }

  void hear() {
    rung = true;
    timer.cancel();
  }

  asio::any_io_executor strand;
  asio::steady_timer timer;
  std::atomic<bool> on_its_way{false};
  bool rung = false;  // on the strand
};

PieceFeed::PieceFeed(asio::any_io_executor strand, std::vector<Generation> generations)
    : bell_(std::make_shared<Bell>(std::move(strand))),
      generations_(std::move(generations)),
      ended_(generations_.size()),
      running_(generations_.size()) {
  for (Generation& generation : generations_) {
    generation.notify(waker());
  }
}

PieceFeed::~PieceFeed() {
  for (Generation& generation : generations_) generation.notify(nullptr);
}

asio::awaitable<void> PieceFeed::wait(std::chrono::milliseconds most) {
  if (!bell_->rung) {
    bell_->timer.expires_after(most);
    auto token = asio::as_tuple(asio::use_awaitable);
    co_await bell_->timer.async_wait(token);
  }
  bell_->rung = false;
}

void PieceFeed::wake() { bell_->hear(); }

std::function<void()> PieceFeed::waker() const {
  return [bell = bell_] { bell->ring(); };
}

std::optional<PieceFeed::Item> PieceFeed::take() {
  for (std::size_t tried = 0; tried < generations_.size(); ++tried) {
    const std::size_t index = next_;
    next_ = (next_ + 1) % generations_.size();
    if (ended_[index]) continue;
    std::optional<Piece> piece = generations_[index].try_next();
    if (!piece) continue;
    if (piece->finish != FinishReason::kNone) {
      ended_[index] = true;
      --running_;
    }
    return Item{index, std::move(*piece)};
  }
  return std::nullopt;
}

}  // namespace redknot::server
