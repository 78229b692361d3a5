// SPDX-License-Identifier: Apache-2.0
#include "runtime/attention.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/check.h"
#include "heads/visibility.h"
#include "runtime/page_read.h"
#include "runtime/page_select.h"

namespace redknot {
namespace {

// Floats of a partial state kept for split units: 16 MiB.
constexpr std::ptrdiff_t kMostPartialFloats = std::ptrdiff_t{4} << 20;

constexpr int kUnrotated = std::numeric_limits<int>::min();

// The slots of a page that a query with this visible range may attend to.
SlotRange slots_of(const PageRef& page, const VisibleRange& range, bool selected) {
  if (selected) return {0, 0, page.tokens};
  const auto slot = [&page](int position) {
    return std::clamp(position - page.position, 0, page.tokens);
  };
  SlotRange slots{slot(range.sink.end), slot(range.recent.begin), slot(range.recent.end)};
  if (slots.recent_begin >= slots.recent_end) slots.recent_begin = slots.recent_end = 0;
  return slots;
}

bool overlaps(const PageRef& page, const PositionRange& range) {
  return !range.empty() && page.position < range.end && page.end() > range.begin;
}

}  // namespace

struct SegPagedAttention::Worker {
  std::vector<float> plain;    // [rows, D], as projected
  std::vector<float> rotated;  // [rows, D], for rotated_shift
  int rotated_shift = kUnrotated;
  std::vector<VisibleRange> visible;                       // [tokens]
  std::vector<SlotRange> slots;                            // [rows]
  std::vector<std::vector<std::pair<float, int>>> scores;  // [tokens]: of pages it may select
  std::vector<float> cut_state, whole_state;
  std::vector<Share> before;  // [rows]: of a cut's state before the page at hand
  std::vector<float> scratch;
};

namespace {

// Room for one state of `rows` rows: output, maximum, sum.
std::size_t state_floats(int rows, int dim) {
  return static_cast<std::size_t>(rows) * (static_cast<std::size_t>(padded_dim(dim)) + 2);
}

AttentionState state_in(float* memory, int rows, int dim) {
  float* maximum = memory + static_cast<std::ptrdiff_t>(rows) * padded_dim(dim);
  return {memory, maximum, maximum + rows};
}

void clear(const AttentionState& state, int rows, int dim) {
  std::fill_n(state.output, static_cast<std::ptrdiff_t>(rows) * padded_dim(dim), 0.0f);
  std::fill_n(state.maximum, rows, -std::numeric_limits<float>::infinity());
  std::fill_n(state.sum, rows, 0.0f);
}

}  // namespace

SegPagedAttention::SegPagedAttention(const AttentionShape& shape, PageMemory& memory,
                                     const Kernels& kernels, ThreadPool& threads, RopeTable& rope)
    : shape_(shape), memory_(memory), kernels_(kernels), threads_(threads), rope_(rope) {
  const int group = shape.query_heads / shape.kv_heads;
  const int rows = std::max(kBlockRows / group, 1) * group;
  const auto floats = static_cast<std::size_t>(rows) * static_cast<std::size_t>(shape.head_dim);
  for (int thread = 0; thread < threads.threads(); ++thread) {
    Worker& worker = workers_.emplace_back();
    worker.plain.resize(floats);
    worker.rotated.resize(floats);
    worker.visible.resize(static_cast<std::size_t>(rows / group));
    worker.slots.resize(static_cast<std::size_t>(rows));
    worker.scores.resize(static_cast<std::size_t>(rows / group));
    worker.before.resize(static_cast<std::size_t>(rows));
    worker.cut_state.resize(state_floats(rows, shape.head_dim));
    worker.whole_state.resize(state_floats(rows, shape.head_dim));
    worker.scratch.resize(attend_scratch_floats(rows, shape.head_dim, memory.shape().page_tokens));
  }
}

SegPagedAttention::~SegPagedAttention() = default;

void SegPagedAttention::run(int layer, std::span<const SequenceRows> sequences,
                            const float* queries, float* out) {
  plan(layer, sequences);
  select_pages(queries);
  attended_.clear();
  for (Unit& unit : units_) {
    cut(unit);
    count_attended(unit);
  }
  if (split_units()) {
    run_split(queries, out);
  } else {
    run_whole(queries, out);
  }
  add_page_mass(sequences);
}

void SegPagedAttention::plan(int layer, std::span<const SequenceRows> sequences) {
  units_.clear();
  marks_.clear();
  cuts_.clear();
  shares_.clear();
  unit_mass_.clear();
  for (const SequenceRows& sequence : sequences) {
    if (sequence.positions.empty()) continue;
    for (int kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
      plan_head({.sequence = &sequence,
                 .policy = &sequence.tables->profile().at(layer, kv_head),
                 .table = &sequence.tables->at(layer, kv_head),
                 .kv_head = kv_head});
    }
  }
}

// Adds the units of one sequence and KV head, and prepares their rotations.
void SegPagedAttention::plan_head(Unit unit) {
  const std::span<const int> positions = unit.sequence->positions;
  const int block_tokens = std::max(kBlockRows / group(), 1);
  int prepared_shift = kUnrotated;
  for (const PageRef& page : *unit.table) {
    if (page.shift == prepared_shift) continue;
    prepared_shift = page.shift;
    rope_.prepare(positions.front() - page.shift, positions.back() + 1 - page.shift);
  }
  for (std::size_t first = 0; first < positions.size(); first += unit.tokens) {
    unit.first_token = static_cast<int>(first);
    unit.tokens = std::min(block_tokens, static_cast<int>(positions.size() - first));
    if (selected_pages(*unit.policy) > 0) {
      REDKNOT_CHECK(memory_.shape().key_bounds);
      unit.first_mark = static_cast<std::ptrdiff_t>(marks_.size());
      marks_.resize(marks_.size() +
                    (static_cast<std::size_t>(unit.tokens) + 1) * unit.table->size());
    }
    unit.first_share = -1;
    if (unit.sequence->measure == Measure::kPageMass && keeps_everything(*unit.policy)) {
      unit.first_share = static_cast<std::ptrdiff_t>(shares_.size());
      unit.first_mass = static_cast<std::ptrdiff_t>(unit_mass_.size());
      unit_mass_.resize(unit_mass_.size() + unit.table->size());
      shares_.resize(shares_.size() + unit.table->size() * static_cast<std::size_t>(rows(unit)));
    }
    units_.push_back(unit);
  }
}

// Every query of heads that select pages marks its own.
void SegPagedAttention::select_pages(const float* queries) {
  if (marks_.empty()) return;
  threads_.parallel_for(static_cast<int>(units_.size()), [&](int task, int thread) {
    const Unit& unit = units_[static_cast<std::size_t>(task)];
    if (unit.first_mark < 0) return;
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    load_queries(worker, unit, queries);
    select_for_unit(worker, unit);
  });
}

// A page counts for a token by the best of the group's queries: they read it together.
void SegPagedAttention::select_for_unit(Worker& worker, const Unit& unit) {
  const int page_tokens = memory_.shape().page_tokens;
  const std::ptrdiff_t dim = shape_.head_dim;
  for (auto& scores : worker.scores) scores.clear();
  for (int i = 0; i < static_cast<int>(unit.table->size()); ++i) {
    const auto at = static_cast<std::size_t>(i);
    const PageRef& page = (*unit.table)[at];
    const PageView view = page_view(memory_, page.frame);
    for (int token = 0; token < unit.tokens; ++token) {
      const int position = unit.sequence->positions[unit.first_token + token];
      const VisibleRange& seen = worker.visible[static_cast<std::size_t>(token)];
      if (always_selected(page, page_tokens, position)) marks(unit, token)[at] = 1;
      if (!may_select(page, page_tokens, position, seen)) continue;
      rotate_queries(worker, unit, page.shift);
      float best = -std::numeric_limits<float>::infinity();
      for (int query = 0; query < group(); ++query) {
        const float* rotated = worker.rotated.data() + (token * group() + query) * dim;
        best = std::max(best, kernels_.score_page(view, rotated));  // a NaN leaves it
      }
      worker.scores[static_cast<std::size_t>(token)].emplace_back(best, i);
    }
  }
  const std::span<std::uint8_t> any = marks(unit, unit.tokens);
  for (int token = 0; token < unit.tokens; ++token) {
    const std::span<std::uint8_t> own = marks(unit, token);
    mark_best(worker.scores[static_cast<std::size_t>(token)], selected_pages(*unit.policy), own);
    for (std::size_t page = 0; page < own.size(); ++page) any[page] |= own[page];
  }
}

std::span<std::uint8_t> SegPagedAttention::marks(const Unit& unit, int token) {
  const std::size_t pages = unit.table->size();
  return std::span(marks_).subspan(
      static_cast<std::size_t>(unit.first_mark) + static_cast<std::size_t>(token) * pages, pages);
}

bool SegPagedAttention::selected(const Unit& unit, int token, int page) const {
  if (unit.first_mark < 0) return false;
  const auto pages = static_cast<std::ptrdiff_t>(unit.table->size());
  return marks_[static_cast<std::size_t>(unit.first_mark + token * pages + page)] != 0;
}

// Gives a unit its cuts: of the pages that any of its rows sees.
void SegPagedAttention::cut(Unit& unit) {
  // Sinks grow and windows slide with the position.
  const int* positions = unit.sequence->positions.data() + unit.first_token;
  const VisibleRange earliest = visible(*unit.policy, positions[0]);
  const VisibleRange latest = visible(*unit.policy, positions[unit.tokens - 1]);
  const PositionRange recent = {earliest.recent.begin, latest.recent.end};
  unit.first_cut = static_cast<int>(cuts_.size());
  int last_cut = -1;
  for (int i = 0; i < static_cast<int>(unit.table->size()); ++i) {
    const PageRef& page = (*unit.table)[static_cast<std::size_t>(i)];
    if (!overlaps(page, latest.sink) && !overlaps(page, recent) &&
        !selected(unit, unit.tokens, i)) {
      continue;
    }
    const int cut = page.position / kCutTokens;
    if (cut != last_cut) cuts_.push_back({i, i});
    last_cut = cut;
    cuts_.back().last = i + 1;
  }
  unit.cuts = static_cast<int>(cuts_.size()) - unit.first_cut;
}

// The slots that the rows of a unit attend to.
void SegPagedAttention::count_attended(const Unit& unit) {
  const auto first = static_cast<std::size_t>(unit.sequence->first_row) +
                     static_cast<std::size_t>(unit.first_token);
  attended_.resize(std::max(attended_.size(), first + static_cast<std::size_t>(unit.tokens)));
  for (int token = 0; token < unit.tokens; ++token) {
    const VisibleRange seen =
        visible(*unit.policy, unit.sequence->positions[unit.first_token + token]);
    std::int64_t slots = 0;
    if (unit.first_mark < 0) {
      slots = std::max(0, seen.sink.end - seen.sink.begin) +
              std::max(0, seen.recent.end - seen.recent.begin);
    } else {
      for (std::size_t page = 0; page < unit.table->size(); ++page) {
        const SlotRange own =
            slots_of((*unit.table)[page], seen, selected(unit, token, static_cast<int>(page)));
        slots += own.sink_end + own.recent_end - own.recent_begin;
      }
    }
    attended_[first + static_cast<std::size_t>(token)] += slots;
  }
}

// Whether there are too few units to keep all threads busy, so that cuts are to be computed apart.
// Gives each unit its place for partial states then.
bool SegPagedAttention::split_units() {
  if (threads_.threads() == 1 || static_cast<int>(units_.size()) >= 8 * threads_.threads()) {
    return false;
  }
  std::ptrdiff_t floats = 0;
  for (Unit& unit : units_) {
    unit.first_partial = floats;
    floats += static_cast<std::ptrdiff_t>(state_floats(rows(unit), shape_.head_dim)) * unit.cuts;
  }
  if (floats > kMostPartialFloats) return false;
  if (static_cast<std::ptrdiff_t>(partials_.size()) < floats) {
    partials_.resize(static_cast<std::size_t>(floats));
  }
  return true;
}

void SegPagedAttention::load_queries(Worker& worker, const Unit& unit, const float* queries) const {
  const std::ptrdiff_t dim = shape_.head_dim;
  for (int token = 0; token < unit.tokens; ++token) {
    const std::ptrdiff_t row = unit.sequence->first_row + unit.first_token + token;
    const float* source =
        queries +
        (row * shape_.query_heads + static_cast<std::ptrdiff_t>(unit.kv_head) * group()) * dim;
    std::copy_n(source, group() * dim, worker.plain.data() + token * group() * dim);
    worker.visible[static_cast<std::size_t>(token)] =
        visible(*unit.policy, unit.sequence->positions[unit.first_token + token]);
  }
  worker.rotated_shift = kUnrotated;
}

void SegPagedAttention::rotate_queries(Worker& worker, const Unit& unit, int shift) const {
  if (worker.rotated_shift == shift) return;
  worker.rotated_shift = shift;
  const int dim = shape_.head_dim;
  const auto scale = static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(dim)));
  for (int token = 0; token < unit.tokens; ++token) {
    const int position = unit.sequence->positions[unit.first_token + token];
    const Rope rope = rope_.at(position - shift);
    for (int query = 0; query < group(); ++query) {
      const std::ptrdiff_t at = (static_cast<std::ptrdiff_t>(token) * group() + query) * dim;
      kernels_.rotate(worker.plain.data() + at, rope, dim, scale, worker.rotated.data() + at);
    }
  }
}

// Adds the pages of one cut to an empty state.
void SegPagedAttention::attend_cut(Worker& worker, const Unit& unit, const Cut& cut,
                                   const AttentionState& state) {
  clear(state, rows(unit), shape_.head_dim);
  for (int i = cut.first; i < cut.last; ++i) {
    const PageRef& page = (*unit.table)[static_cast<std::size_t>(i)];
    bool seen = false;
    for (int token = 0; token < unit.tokens; ++token) {
      const SlotRange slots =
          slots_of(page, worker.visible[static_cast<std::size_t>(token)], selected(unit, token, i));
      std::fill_n(worker.slots.begin() + static_cast<std::ptrdiff_t>(token) * group(), group(),
                  slots);
      seen |= slots.sink_end > 0 || slots.recent_begin < slots.recent_end;
    }
    if (!seen) continue;
    rotate_queries(worker, unit, page.shift);
    for (int row = 0; unit.first_share >= 0 && row < rows(unit); ++row) {
      worker.before[static_cast<std::size_t>(row)] = {state.maximum[row], state.sum[row]};
    }
    kernels_.attend_page({.page = page_view(memory_, page.frame),
                          .rows = rows(unit),
                          .queries = worker.rotated.data(),
                          .slots = worker.slots.data(),
                          .state = state,
                          .scratch = worker.scratch.data()});
    if (unit.first_share >= 0) add_share(unit, i, worker, state);
  }
}

// What a page added to the state of its cut.
void SegPagedAttention::add_share(const Unit& unit, int page, Worker& worker,
                                  const AttentionState& state) {
  for (int row = 0; row < rows(unit); ++row) {
    const Share& before = worker.before[static_cast<std::size_t>(row)];
    const float kept =
        before.sum == 0.0f ? 0.0f : before.sum * std::exp2(before.maximum - state.maximum[row]);
    shares_[static_cast<std::size_t>(unit.first_share +
                                     static_cast<std::ptrdiff_t>(page) * rows(unit) + row)] = {
        state.maximum[row], std::max(0.0f, state.sum[row] - kept)};
  }
}

void SegPagedAttention::run_whole(const float* queries, float* out) {
  threads_.parallel_for(static_cast<int>(units_.size()), [&](int task, int thread) {
    const Unit& unit = units_[static_cast<std::size_t>(task)];
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    const AttentionState whole = state_in(worker.whole_state.data(), rows(unit), shape_.head_dim);
    const AttentionState part = state_in(worker.cut_state.data(), rows(unit), shape_.head_dim);
    load_queries(worker, unit, queries);
    clear(whole, rows(unit), shape_.head_dim);
    for (int cut = 0; cut < unit.cuts; ++cut) {
      attend_cut(worker, unit, cuts_[unit.first_cut + cut], part);
      kernels_.merge_state(part, rows(unit), shape_.head_dim, whole);
    }
    find_page_mass(unit, whole);
    write_output(unit, whole, out);
  });
}

AttentionState SegPagedAttention::partial(const Unit& unit, int cut) {
  const auto floats = static_cast<std::ptrdiff_t>(state_floats(rows(unit), shape_.head_dim));
  return state_in(partials_.data() + unit.first_partial + floats * cut, rows(unit),
                  shape_.head_dim);
}

void SegPagedAttention::run_split(const float* queries, float* out) {
  std::vector<std::pair<const Unit*, int>> tasks;
  for (const Unit& unit : units_) {
    for (int cut = 0; cut < unit.cuts; ++cut) tasks.emplace_back(&unit, cut);
  }
  threads_.parallel_for(static_cast<int>(tasks.size()), [&](int task, int thread) {
    const Unit& unit = *tasks[static_cast<std::size_t>(task)].first;
    const int cut = tasks[static_cast<std::size_t>(task)].second;
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    load_queries(worker, unit, queries);
    attend_cut(worker, unit, cuts_[unit.first_cut + cut], partial(unit, cut));
  });
  for (Unit& unit : units_) {
    const AttentionState whole =
        state_in(workers_[0].whole_state.data(), rows(unit), shape_.head_dim);
    clear(whole, rows(unit), shape_.head_dim);
    for (int cut = 0; cut < unit.cuts; ++cut) {
      kernels_.merge_state(partial(unit, cut), rows(unit), shape_.head_dim, whole);
    }
    find_page_mass(unit, whole);
    write_output(unit, whole, out);
  }
}

// Of a unit's rows together, page by page.
void SegPagedAttention::find_page_mass(const Unit& unit, const AttentionState& whole) {
  if (unit.first_share < 0) return;
  const Share* share = shares_.data() + unit.first_share;
  for (std::size_t page = 0; page < unit.table->size(); ++page) {
    std::int64_t& mass = unit_mass_[static_cast<std::size_t>(unit.first_mass) + page];
    for (int row = 0; row < rows(unit); ++row, ++share) {
      if (share->sum == 0.0f) continue;
      const float part =
          share->sum * std::exp2(share->maximum - whole.maximum[row]) / whole.sum[row];
      if (!(part <= 1.5f)) continue;  // not a number
      mass += static_cast<std::int64_t>(part * static_cast<float>(kWholeMass));
    }
  }
}

void SegPagedAttention::add_page_mass(std::span<const SequenceRows> sequences) {
  page_mass_.assign(sequences.size() * static_cast<std::size_t>(shape_.kv_heads), {});
  for (const Unit& unit : units_) {
    if (unit.first_share < 0) continue;
    const auto sequence = static_cast<std::size_t>(unit.sequence - sequences.data());
    std::vector<std::int64_t>& mass =
        page_mass_[sequence * static_cast<std::size_t>(shape_.kv_heads) +
                   static_cast<std::size_t>(unit.kv_head)];
    mass.resize(unit.table->size());
    for (std::size_t page = 0; page < mass.size(); ++page) {
      mass[page] += unit_mass_[static_cast<std::size_t>(unit.first_mass) + page];
    }
  }
}

std::span<const std::int64_t> SegPagedAttention::page_mass(std::size_t sequence,
                                                           int kv_head) const {
  return page_mass_[sequence * static_cast<std::size_t>(shape_.kv_heads) +
                    static_cast<std::size_t>(kv_head)];
}

void SegPagedAttention::write_output(const Unit& unit, const AttentionState& state,
                                     float* out) const {
  const std::ptrdiff_t dim = shape_.head_dim;
  for (int r = 0; r < rows(unit); ++r) {
    const std::ptrdiff_t row = unit.sequence->first_row + unit.first_token + r / group();
    const std::ptrdiff_t head = static_cast<std::ptrdiff_t>(unit.kv_head) * group() + r % group();
    float* target = out + (row * shape_.query_heads + head) * dim;
    const float* source =
        state.output + static_cast<std::ptrdiff_t>(r) * padded_dim(shape_.head_dim);
    // A token always sees itself, so the sum is positive.
    const float factor = 1.0f / state.sum[r];
    for (int d = 0; d < dim; ++d) target[d] = source[d] * factor;
  }
}

}  // namespace redknot
