// SPDX-License-Identifier: Apache-2.0
// Where callers meet the step loop: a bounded queue of messages, with room for each kind.
//
// What may be refused is refused before it is queued, so that the queue itself is never full:
// (1) Each NewRequests has a place in the waiting room, or gets the room's kUnavailable. It is
//     taken out before one of its requests can begin, so no more are queued than may wait.
// (2) A Cancel is never refused: a request sends at most one, as its state tells it from the end by
//     the loop, and keeps its place in the waiting room until the loop has taken it. So no more are
//     queued than requests may be under way, and each has its room from its submission on.
// (3) Callers of operations wait for their answer in any case, so kMostOperations of them are
//     queued and further callers wait before the queue.
//
// The engine, its loop and all generations share it; it outlives the loop, closed, and whoever
// destroys a generation later finds nobody to tell. Any thread sends; the loop's thread takes.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <semaphore>
#include <utility>

#include "base/queue.h"
#include "engine/loop_messages.h"
#include "engine/waiting_room.h"

namespace redknot {

class Inbox {
 public:
  static constexpr int kMostOperations = 64;

  explicit Inbox(const WaitingLimits& limits);
  Inbox(const Inbox&) = delete;
  Inbox& operator=(const Inbox&) = delete;

  // All or none of them are queued. The errors of WaitingRoom::enter; kCancelled once it is closed.
  Status submit(NewRequests requests);
  // Of a generation that its reader left before the loop ended it. Never waits.
  void cancel(std::shared_ptr<Generation::State> generation);
  // Has an operation carried out between steps, and waits for its answer; nothing once it is
  // closed. Whatever was queued before is answered, also while the loop ends.
  template <typename Operation>
  std::optional<typename Operation::Answer> ask(Operation operation);
  // Something that the loop looks at has changed.
  void poke() { messages_.poke(); }
  void close() { messages_.close(); }
  bool closed() const { return messages_.closed(); }

  // The loop's thread: the next message; waiting for one, for a poke, or for a time.
  std::optional<LoopMessage> take() { return messages_.try_pop(); }
  void wait_until(std::optional<std::chrono::steady_clock::time_point> until);
  WaitingRoom& room() { return room_; }

 private:
  WaitingRoom room_;
  std::counting_semaphore<kMostOperations> operations_{kMostOperations};  // that may be queued
  BoundedQueue<LoopMessage> messages_;
};

template <typename Operation>
std::optional<typename Operation::Answer> Inbox::ask(Operation operation) {
  auto waits = operation.answer.get_future();
  operations_.acquire();
  std::optional<typename Operation::Answer> answer;
  if (messages_.push(LoopMessage(std::move(operation)))) answer = waits.get();
  operations_.release();
  return answer;
}

}  // namespace redknot
