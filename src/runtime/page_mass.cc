// SPDX-License-Identifier: Apache-2.0
#include "runtime/page_mass.h"

#include <algorithm>
#include <cmath>

namespace redknot {

PageMass::PageMass(const AttentionShape& shape, int threads) : shape_(shape) {
  before_.resize(static_cast<std::size_t>(threads));
  for (auto& own : before_) own.resize(static_cast<std::size_t>(block_rows(shape)));
}

void PageMass::begin(const AttentionPlan& plan) {
  shares_.assign(plan.shares, {});
  unit_mass_.assign(plan.masses, 0);
  page_pieces_ = plan.page_pieces;
}

void PageMass::before_piece(const AttentionUnit& unit, const AttentionState& state, int thread) {
  Share* before = before_[static_cast<std::size_t>(thread)].data();
  for (int row = 0; row < unit.rows; ++row) before[row] = {state.maximum[row], state.sum[row]};
}

void PageMass::after_piece(const AttentionUnit& unit, int piece, const AttentionState& state,
                           int thread) {
  Share* share = shares_.data() + unit.first_share + static_cast<std::ptrdiff_t>(piece) * unit.rows;
  for (int row = 0; row < unit.rows; ++row) {
    const Share& before = before_[static_cast<std::size_t>(thread)][static_cast<std::size_t>(row)];
    const float kept =
        before.sum == 0.0f ? 0.0f : before.sum * std::exp2(before.maximum - state.maximum[row]);
    share[row] = {state.maximum[row], std::max(0.0f, state.sum[row] - kept)};
  }
}

void PageMass::finish(const AttentionUnit& unit, const AttentionState& whole) {
  const Share* share = shares_.data() + unit.first_share;
  for (std::size_t piece = 0; piece < pieces_of(unit); ++piece) {
    std::int64_t& mass = unit_mass_[static_cast<std::size_t>(unit.first_mass) + piece];
    for (int row = 0; row < unit.rows; ++row, ++share) {
      if (share->sum == 0.0f) continue;
      const float part =
          share->sum * std::exp2(share->maximum - whole.maximum[row]) / whole.sum[row];
      if (!(part <= 1.5f)) continue;  // not a number
      mass += static_cast<std::int64_t>(part * static_cast<float>(kWhole));
    }
  }
}

void PageMass::collect(const AttentionPlan& plan, std::span<const SequenceRows> sequences) {
  const auto heads = static_cast<std::size_t>(shape_.kv_heads);
  mass_.resize(sequences.size() * heads);
  for (auto& mass : mass_) mass.clear();
  for (const AttentionUnit& unit : plan.units) {
    if (!unit.asks_for_mass()) continue;
    const auto sequence = static_cast<std::size_t>(unit.sequence - sequences.data());
    auto& mass = mass_[sequence * heads + static_cast<std::size_t>(unit.kv_head)];
    mass.resize(pieces_of(unit));
    for (std::size_t piece = 0; piece < mass.size(); ++piece) {
      mass[piece] += unit_mass_[static_cast<std::size_t>(unit.first_mass) + piece];
    }
  }
}

std::span<const std::int64_t> PageMass::of(std::size_t sequence, int kv_head) const {
  return mass_[sequence * static_cast<std::size_t>(shape_.kv_heads) +
               static_cast<std::size_t>(kv_head)];
}

}  // namespace redknot
