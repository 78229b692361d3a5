// SPDX-License-Identifier: Apache-2.0
// PageMass: how much of their attention the rows of a sequence give to each piece of a page, where
// the sequence's measure is Measure::kPageMass and a head keeps everything.
//
// What a piece adds to the sum of weights of its cut's state is kept as a share under the maximum
// of that moment; when the state of the whole unit is known, shares become whole numbers, whose
// sums do not depend on how rows are cut into steps.
//
// SegPagedAttention owns it. begin() and collect() are called by the thread that runs the step,
// the others by the thread that computes the unit or cut; units and pieces lie apart. Pieces of a
// table are counted through: page_pieces for each entry, also if it holds fewer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/kernels.h"
#include "runtime/attention_plan.h"

namespace redknot {

class PageMass {
 public:
  // What one query gives to all pieces together.
  static constexpr std::int64_t kWhole = std::int64_t{1} << 30;

  PageMass(const AttentionShape& shape, int threads);

  // Forgets all, and makes room for the units of a plan.
  void begin(const AttentionPlan& plan);

  // Around the kernel that adds a piece to the state of a cut. These and finish() require a unit
  // that asks for mass.
  void before_piece(const AttentionUnit& unit, const AttentionState& state, int thread);
  void after_piece(const AttentionUnit& unit, int piece, const AttentionState& state, int thread);

  // The masses of a unit's pieces from its shares and its rows' state over all cuts.
  void finish(const AttentionUnit& unit, const AttentionState& whole);

  // Adds the units of each sequence and head. `sequences` as those that were planned.
  void collect(const AttentionPlan& plan, std::span<const SequenceRows> sequences);

  // Of the latest collect(): by piece of the head's page table, in units of kWhole for one query,
  // summed over rows and query heads. Nothing if it was not asked for.
  std::span<const std::int64_t> of(std::size_t sequence, int kv_head) const;

 private:
  // What one piece gave one query row: the sum of its weights under a maximum.
  struct Share {
    float maximum, sum;
  };

  std::size_t pieces_of(const AttentionUnit& unit) const {
    return unit.table->size() * static_cast<std::size_t>(page_pieces_);
  }

  AttentionShape shape_;
  int page_pieces_ = 1;  // of the latest plan
  std::vector<std::vector<Share>>
      before_;                           // [threads, rows]: a cut's state before the piece at hand
  std::vector<Share> shares_;            // [pieces of the unit's table, rows of the unit]
  std::vector<std::int64_t> unit_mass_;  // [pieces of the unit's table]
  std::vector<std::vector<std::int64_t>> mass_;  // [sequences * kv_heads], [pieces of the table]
};

}  // namespace redknot
