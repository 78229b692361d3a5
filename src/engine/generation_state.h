// SPDX-License-Identifier: Apache-2.0
// What a Generation and the step loop share: the pieces on their way out, and which of the two
// ended first.
//
// Both hold it, and it lives as long as either. The loop pushes pieces and ends it, on its thread;
// the thread that has the Generation takes pieces and leaves.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/queue.h"
#include "kv/page_table.h"
#include "redknot/redknot.h"

namespace redknot {

class Inbox;

struct Generation::State {
  // Null if no loop listens, as in tests.
  explicit State(std::shared_ptr<Inbox> loop) : inbox(std::move(loop)) {}

  // Queues a piece and tells whoever wants to know. Called by the loop.
  void push(Piece piece);
  // Called by the loop before the last piece. False if the reader has left: then a Cancel is on its
  // way to the loop.
  bool end() { return !has_ended_or_left_.exchange(true); }

  // Of the reader's thread. leave() is its last call; false if the loop has ended it already, and
  // if not, a Cancel has to follow.
  std::optional<Piece> taken(std::optional<Piece> piece);
  void set_notify(std::function<void()> wanted);
  bool leave() { return !has_ended_or_left_.exchange(true); }

  const std::shared_ptr<Inbox> inbox;
  // Pieces are bounded by the tokens of a sequence, and those with logits by pausing it.
  BoundedQueue<Piece> pieces{std::numeric_limits<std::size_t>::max()};
  SequenceId sequence{};  // the loop's own: set when it takes the request
  std::string salt{};     // of the request; set before anybody else sees this

  // Written by the loop before the last piece is queued; the queue orders it before the reader, who
  // looks once it has taken that piece.
  std::optional<Error> error;
  bool last_taken = false;  // the reader's own

  mutable std::mutex mutex;  // guards usage
  Usage usage;

 private:
  std::atomic<bool> has_ended_or_left_{false};  // whoever sets it was first
  // Held during a call, so that there is none once another one is set; a call may set another.
  std::recursive_mutex notify_mutex_;
  std::shared_ptr<const std::function<void()>> notify_;
};

}  // namespace redknot
