// SPDX-License-Identifier: Apache-2.0
// What the attention of one layer is going to compute, as values: pure functions of page tables,
// head policies and positions. Nothing here reads a page or knows a thread.
//
// A unit is a block of tokens of one sequence under one KV head, with the query rows of the whole
// group: K and V are read once for all of them. The pages of a unit are cut into groups by
// position (kCutTokens); each group gives a partial state, and states merge in position order. The
// cuts depend on the sequence alone, so a token's result is the same bit for bit whatever else is
// in the step and whichever thread computes which cut.
//
// SegPagedAttention owns the plan, fills it anew for each layer and reuses its memory. The thread
// that runs the step writes it; while units are run, worker threads read it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "heads/visibility.h"
#include "kernels/kernels.h"
#include "kv/page_table.h"
#include "runtime/sequence_rows.h"

namespace redknot {

struct AttentionShape {
  int query_heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
  int group() const { return query_heads / kv_heads; }
};

struct AttentionUnit {
  // What it computes.
  const SequenceRows* sequence = nullptr;
  const HeadPolicy* policy = nullptr;
  const PageTable* table = nullptr;
  int kv_head = 0;
  int first_token = 0, tokens = 0;  // within the sequence's rows
  int rows = 0;                     // query rows, [tokens, group]

  // Where its numbers lie among those of all units.
  std::ptrdiff_t first_mark = -1;    // in AttentionPlan::marks; -1: its queries select no pages
  int first_cut = 0, cuts = 0;       // in AttentionPlan::cuts
  std::ptrdiff_t first_partial = 0;  // row of the partial states, when cuts are computed apart
  std::ptrdiff_t first_share = -1;   // in the shares of PageMass; -1: its sequence asks for no mass
  std::ptrdiff_t first_mass = 0;     // in the masses of PageMass

  bool selects_pages() const { return first_mark >= 0; }
  bool asks_for_mass() const { return first_share >= 0; }
  int position(int token) const {
    const int index = first_token + token;
    return sequence->positions[static_cast<std::size_t>(index)];
  }
  int step_row(int token) const { return sequence->first_row + first_token + token; }
};

// Pages [first, last) of a unit's table, all of one cut.
struct PageCut {
  int first, last;
};

struct AttentionPlan {
  std::vector<AttentionUnit> units;  // by sequence, KV head and token
  // [tokens of the unit + 1, pages of its table]: 1 if the token selects the page; the last row:
  // if any token does. Of units that select pages.
  std::vector<std::uint8_t> marks;
  std::vector<PageCut> cuts;
  // One of a unit's.
  const PageCut& cut_of(const AttentionUnit& unit, int cut) const {
    const int index = unit.first_cut + cut;
    return cuts[static_cast<std::size_t>(index)];
  }
  // How many numbers PageMass needs: [pages of the unit's table, pieces of a page, rows of the
  // unit], and one for each piece. Of units whose sequence asks for mass.
  std::size_t shares = 0, masses = 0;
  int page_pieces = 1;  // of kPieceTokens slots

  // A token's row of marks; of token unit.tokens: the row of all together.
  std::span<std::uint8_t> marks_of(const AttentionUnit& unit, int token) {
    const std::size_t pages = unit.table->size();
    return std::span(marks).subspan(
        static_cast<std::size_t>(unit.first_mark) + static_cast<std::size_t>(token) * pages, pages);
  }
  bool selected(const AttentionUnit& unit, int token, int page) const {
    if (!unit.selects_pages()) return false;
    const auto pages = static_cast<std::ptrdiff_t>(unit.table->size());
    return marks[static_cast<std::size_t>(unit.first_mark + token * pages + page)] != 0;
  }
};

// Most tokens and most query rows of a unit.
int block_tokens(const AttentionShape& shape);
inline int block_rows(const AttentionShape& shape) { return block_tokens(shape) * shape.group(); }

// Puts the units of a layer in the place of what the plan held. No page is selected. `sequences`
// and the tables of the layer must outlive the plan's use.
void plan_units(const AttentionShape& shape, int layer, std::span<const SequenceRows> sequences,
                AttentionPlan& plan);

// Gives each unit its cuts: of the pages that any of its rows sees. Requires marks that are final.
void plan_cuts(AttentionPlan& plan);

// Gives each unit its place for one partial state a cut. Returns how many rows all states have.
std::ptrdiff_t plan_partials(AttentionPlan& plan);

// By row of the step: how many slots it attends to, summed over the KV heads. Requires marks that
// are final.
void count_attended(const AttentionPlan& plan, std::vector<std::int64_t>& attended);

// The slots of a page that a query with this visible range may attend to: all if it selects it.
inline SlotRange slots_of(const PageRef& page, const VisibleRange& range, bool selected) {
  if (selected) return {0, 0, page.tokens};
  const auto slot = [&page](int position) {
    return std::clamp(position - page.position, 0, page.tokens);
  };
  SlotRange slots{slot(range.sink.end), slot(range.recent.begin), slot(range.recent.end)};
  if (slots.recent_begin >= slots.recent_end) slots.recent_begin = slots.recent_end = 0;
  return slots;
}

}  // namespace redknot
