// SPDX-License-Identifier: Apache-2.0
#include "runtime/attention_plan.h"

namespace redknot {
namespace {

constexpr int kCutTokens = 256;
constexpr int kBlockRows = 96;  // query rows that share a widened page

bool overlaps(const PageRef& page, const PositionRange& range) {
  return !range.empty() && page.position < range.end && page.end() > range.begin;
}

// Gives a unit room for its marks, shares and masses, behind those of the units before it.
void place(AttentionUnit& unit, AttentionPlan& plan) {
  const std::size_t pages = unit.table->size();
  if (selected_pages(*unit.policy) > 0) {
    unit.first_mark = static_cast<std::ptrdiff_t>(plan.marks.size());
    plan.marks.resize(plan.marks.size() + (static_cast<std::size_t>(unit.tokens) + 1) * pages);
  }
  if (unit.sequence->measure == Measure::kPageMass && keeps_everything(*unit.policy)) {
    unit.first_share = static_cast<std::ptrdiff_t>(plan.shares);
    unit.first_mass = static_cast<std::ptrdiff_t>(plan.masses);
    const std::size_t pieces = pages * static_cast<std::size_t>(plan.page_pieces);
    plan.shares += pieces * static_cast<std::size_t>(unit.rows);
    plan.masses += pieces;
  }
}

// Adds the units of one sequence and KV head.
void plan_head(const AttentionShape& shape, AttentionUnit unit, AttentionPlan& plan) {
  const auto positions = static_cast<int>(unit.sequence->positions.size());
  const int most_tokens = block_tokens(shape);
  for (int first = 0; first < positions; first += unit.tokens) {
    unit.first_token = first;
    unit.tokens = std::min(most_tokens, positions - first);
    unit.rows = unit.tokens * shape.group();
    place(unit, plan);
    plan.units.push_back(unit);
  }
}

void plan_unit_cuts(AttentionUnit& unit, AttentionPlan& plan) {
  // Sinks grow and windows slide with the position.
  const VisibleRange earliest = visible(*unit.policy, unit.position(0));
  const VisibleRange latest = visible(*unit.policy, unit.position(unit.tokens - 1));
  const PositionRange recent = {earliest.recent.begin, latest.recent.end};
  unit.first_cut = static_cast<int>(plan.cuts.size());
  int last_cut = -1;
  for (int i = 0; i < static_cast<int>(unit.table->size()); ++i) {
    const PageRef& page = (*unit.table)[static_cast<std::size_t>(i)];
    if (!overlaps(page, latest.sink) && !overlaps(page, recent) &&
        !plan.selected(unit, unit.tokens, i)) {
      continue;
    }
    const int cut = page.position / kCutTokens;
    if (cut != last_cut) plan.cuts.push_back({i, i});
    last_cut = cut;
    plan.cuts.back().last = i + 1;
  }
  unit.cuts = static_cast<int>(plan.cuts.size()) - unit.first_cut;
}

// The slots that one token of a unit attends to.
std::int64_t slots_attended(const AttentionPlan& plan, const AttentionUnit& unit, int token) {
  const VisibleRange seen = visible(*unit.policy, unit.position(token));
  if (!unit.selects_pages()) {
    return std::max(0, seen.sink.end - seen.sink.begin) +
           std::max(0, seen.recent.end - seen.recent.begin);
  }
  std::int64_t slots = 0;
  for (int page = 0; page < static_cast<int>(unit.table->size()); ++page) {
    const SlotRange own = slots_of((*unit.table)[static_cast<std::size_t>(page)], seen,
                                   plan.selected(unit, token, page));
    slots += own.sink_end + own.recent_end - own.recent_begin;
  }
  return slots;
}

}  // namespace

int block_tokens(const AttentionShape& shape) { return std::max(kBlockRows / shape.group(), 1); }

void plan_units(const AttentionShape& shape, int layer, std::span<const SequenceRows> sequences,
                AttentionPlan& plan) {
  plan.units.clear();
  plan.marks.clear();
  plan.cuts.clear();
  plan.shares = plan.masses = 0;
  for (const SequenceRows& sequence : sequences) {
    if (sequence.positions.empty()) continue;
    for (int kv_head = 0; kv_head < shape.kv_heads; ++kv_head) {
      plan_head(shape,
                {.sequence = &sequence,
                 .policy = &sequence.policy(layer, kv_head),
                 .table = &sequence.table(layer, kv_head),
                 .kv_head = kv_head},
                plan);
    }
  }
}

void plan_cuts(AttentionPlan& plan) {
  for (AttentionUnit& unit : plan.units) plan_unit_cuts(unit, plan);
}

std::ptrdiff_t plan_partials(AttentionPlan& plan) {
  std::ptrdiff_t rows = 0;
  for (AttentionUnit& unit : plan.units) {
    unit.first_partial = rows;
    rows += static_cast<std::ptrdiff_t>(unit.rows) * unit.cuts;
  }
  return rows;
}

void count_attended(const AttentionPlan& plan, std::vector<std::int64_t>& attended) {
  attended.clear();
  for (const AttentionUnit& unit : plan.units) {
    const auto first = static_cast<std::size_t>(unit.step_row(0));
    attended.resize(std::max(attended.size(), first + static_cast<std::size_t>(unit.tokens)));
    for (int token = 0; token < unit.tokens; ++token) {
      attended[first + static_cast<std::size_t>(token)] += slots_attended(plan, unit, token);
    }
  }
}

}  // namespace redknot
