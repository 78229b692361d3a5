// SPDX-License-Identifier: Apache-2.0
#include "engine/generation_state.h"

namespace redknot {

void end_with_error(Generation::State& state, Error error) {
  state.error = std::move(error);
  state.pieces.push({.finish = FinishReason::kError});
  state.pieces.close();
}

Generation::Generation(std::shared_ptr<State> state) : state_(std::move(state)) {}
Generation::Generation(Generation&&) noexcept = default;

Generation& Generation::operator=(Generation&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}

Generation::~Generation() {
  if (state_ == nullptr) return;
  state_->cancelled.store(true);
  state_->inbox->poke();
}

std::optional<Piece> Generation::next() {
  std::optional<Piece> piece = state_->pieces.pop();
  if (!piece) return piece;
  // The loop may be waiting for room.
  if (piece->logit_rows > 0) state_->inbox->poke();
  if (piece->finish != FinishReason::kNone) state_->last_taken = true;
  return piece;
}

const std::optional<Error>& Generation::error() const {
  static const std::optional<Error> none;
  return state_->last_taken ? state_->error : none;
}

Usage Generation::usage() const {
  const std::lock_guard lock(state_->mutex);
  return state_->usage;
}

}  // namespace redknot
