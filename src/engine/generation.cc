// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "engine/generation_state.h"
#include "engine/inbox.h"

namespace redknot {

void Generation::State::push(Piece piece) {
  const bool last = piece.finish != FinishReason::kNone;
  pieces.push(std::move(piece));
  if (last) pieces.close();
  const std::lock_guard lock(notify_mutex_);
  // It may set another one, which must not end this one while it runs.
  if (const auto call = notify_) (*call)();
}

void Generation::State::set_notify(std::function<void()> wanted) {
  const std::lock_guard lock(notify_mutex_);
  notify_ = nullptr;
  if (!wanted) return;
  notify_ = std::make_shared<const std::function<void()>>(std::move(wanted));
  const auto call = notify_;
  (*call)();
}

Generation::Generation(std::shared_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;

Generation& Generation::operator=(Generation&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Generation::~Generation() {
  if (state_ == nullptr) return;
  state_->set_notify(nullptr);
  if (!state_->leave()) return;
  const std::shared_ptr<Inbox> inbox = state_->inbox;  // the loop may drop the state at once
  inbox->cancel(std::move(state_));
}

// What the reader has taken.
std::optional<Piece> Generation::State::taken(std::optional<Piece> piece) {
  if (!piece) return piece;
  // The loop may be waiting for room.
  if (piece->logit_rows > 0) inbox->poke();
  if (piece->finish != FinishReason::kNone) last_taken = true;
  return piece;
}

std::optional<Piece> Generation::next() { return state_->taken(state_->pieces.pop()); }

std::optional<Piece> Generation::try_next() { return state_->taken(state_->pieces.try_pop()); }

void Generation::notify(std::function<void()> notify) { state_->set_notify(std::move(notify)); }

const std::optional<Error>& Generation::error() const {
  static const std::optional<Error> none;
  return state_->last_taken ? state_->error : none;
}

Usage Generation::usage() const {
  const std::lock_guard lock(state_->mutex);
  return state_->usage;
}

}  // namespace redknot
