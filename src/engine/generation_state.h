// SPDX-License-Identifier: Apache-2.0
// What a Generation and the step loop share: the pieces on their way out, and the wish to stop.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/queue.h"
#include "redknot/redknot.h"
#include "sched/scheduler.h"

namespace redknot {

struct Mail;
// Where the loop waits for work; poked when a consumer makes room or leaves.
using Inbox = BoundedQueue<Mail>;

struct Generation::State {
  explicit State(std::shared_ptr<Inbox> loop) : inbox(std::move(loop)) {}

  // Pieces are bounded by the tokens of a sequence, and those with logits by pausing it.
  BoundedQueue<Piece> pieces{std::numeric_limits<std::size_t>::max()};
  std::atomic<bool> cancelled{false};

  // Queues a piece and tells whoever wants to know. Called by the loop.
  void push(Piece piece);
  // Of the reader's thread.
  std::optional<Piece> taken(std::optional<Piece> piece);
  void set_notify(std::function<void()> wanted);
  std::shared_ptr<Inbox> inbox;

  // Written by the loop before the last piece is queued; the queue orders it before the reader, who
  // looks once it has taken that piece.
  std::optional<Error> error;
  bool last_taken = false;  // the reader's own

  mutable std::mutex mutex;  // guards usage
  Usage usage;

 private:
  // Held during a call, so that there is none once another one is set; a call may set another.
  std::recursive_mutex notify_mutex_;
  std::shared_ptr<const std::function<void()>> notify_;
};

// Ends a generation with the reason why, in place of a last piece. Called by the loop.
void end_with_error(Generation::State& state, Error error);

// A request on its way to the loop, checked.
struct Arrival {
  Request request{};  // prompt parts are empty: the SequenceRequest has them
  int prompt_tokens = 0;
  std::chrono::steady_clock::time_point submitted{};
  std::shared_ptr<Generation::State> state{};
};

// What the loop finds in its inbox: requests that are one to the scheduler, or something to be done
// between steps.
struct Mail {
  std::shared_ptr<const SequenceRequest> request{};
  std::vector<Arrival> requests{};
  std::function<void()> errand{};
};

}  // namespace redknot
