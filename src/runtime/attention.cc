// SPDX-License-Identifier: Apache-2.0
#include "runtime/attention.h"

#include <algorithm>
#include <limits>
#include <optional>
#include <utility>

#include "runtime/page_read.h"
#include "runtime/unit_queries.h"

namespace redknot {
namespace {

// Floats of the partial states of all cuts: 16 MiB.
constexpr std::ptrdiff_t kMostPartialFloats = std::ptrdiff_t{4} << 20;

// Of one row of a state: output, maximum, sum.
std::ptrdiff_t state_row_floats(int dim) {
  return static_cast<std::ptrdiff_t>(padded_dim(dim)) + 2;
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

struct SegPagedAttention::Worker {
  UnitQueries queries;
  std::vector<SlotRange> slots{};        // [rows]
  std::vector<SlotRange> piece_slots{};  // [rows], of those the ones in a piece
  std::vector<float> cut_state{}, whole_state{};
  std::vector<float> scratch{};  // of the kernel
};

SegPagedAttention::SegPagedAttention(const AttentionShape& shape, PageMemory& memory,
                                     const Kernels& kernels, ThreadPool& threads, RopeTable& rope)
    : shape_(shape),
      memory_(memory),
      kernels_(kernels),
      threads_(threads),
      rope_(rope),
      selector_(shape, memory, kernels, threads.threads()),
      mass_(shape, threads.threads()) {
  plan_.page_pieces = memory.shape().page_tokens / kPieceTokens;
  const int rows = block_rows(shape);
  const auto state_floats =
      static_cast<std::size_t>(rows) * static_cast<std::size_t>(state_row_floats(shape.head_dim));
  for (int thread = 0; thread < threads.threads(); ++thread) {
    Worker& worker = workers_.emplace_back(Worker{.queries{shape, kernels, rope}});
    worker.slots.resize(static_cast<std::size_t>(rows));
    worker.piece_slots.resize(static_cast<std::size_t>(rows));
    worker.cut_state.resize(state_floats);
    worker.whole_state.resize(state_floats);
    worker.scratch.resize(attend_scratch_floats(rows, shape.head_dim, memory.shape().page_tokens));
  }
}

SegPagedAttention::~SegPagedAttention() = default;

void SegPagedAttention::run(int layer, const KeyBasis& basis,
                            std::span<const SequenceRows> sequences, const float* queries,
                            float* out) {
  plan_units(shape_, layer, sequences, plan_);
  prepare_rotations();
  select_pages(basis, queries);
  plan_cuts(plan_);
  count_attended(plan_, attended_);
  mass_.begin(plan_);
  if (splits_units()) {
    run_split(basis, queries, out);
  } else {
    run_whole(basis, queries, out);
  }
  mass_.collect(plan_, sequences);
}

PageView SegPagedAttention::view(const PageRef& page) const {
  return page_view(memory_, page.frame);
}

void SegPagedAttention::prepare_rotations() {
  for (const AttentionUnit& unit : plan_.units) {
    if (unit.first_token > 0) continue;  // the first unit of a head prepares for all
    const std::span<const int> positions = unit.sequence->positions;
    std::optional<int> prepared;
    for (const PageRef& page : *unit.table) {
      if (page.shift == prepared) continue;
      prepared = page.shift;
      rope_.prepare(positions.front() - page.shift, positions.back() + 1 - page.shift);
    }
  }
}

void SegPagedAttention::select_pages(const KeyBasis& basis, const float* queries) {
  if (plan_.marks.empty()) return;
  threads_.parallel_for(static_cast<int>(plan_.units.size()), [&](int task, int thread) {
    const AttentionUnit& unit = plan_.units[static_cast<std::size_t>(task)];
    if (!unit.selects_pages()) return;
    UnitQueries& own = workers_[static_cast<std::size_t>(thread)].queries;
    own.load(unit, basis, queries);
    selector_.select(unit, own, thread, plan_);
  });
}

bool SegPagedAttention::splits_units() {
  const int threads = threads_.threads();
  if (threads == 1 || static_cast<int>(plan_.units.size()) >= 8 * threads) return false;
  const std::ptrdiff_t floats = plan_partials(plan_) * state_row_floats(shape_.head_dim);
  if (floats > kMostPartialFloats) return false;
  if (static_cast<std::ptrdiff_t>(partials_.size()) < floats) {
    partials_.resize(static_cast<std::size_t>(floats));
  }
  return true;
}

void SegPagedAttention::run_whole(const KeyBasis& basis, const float* queries, float* out) {
  const int dim = shape_.head_dim;
  threads_.parallel_for(static_cast<int>(plan_.units.size()), [&](int task, int thread) {
    const AttentionUnit& unit = plan_.units[static_cast<std::size_t>(task)];
    Worker& worker = workers_[static_cast<std::size_t>(thread)];
    const AttentionState whole = state_in(worker.whole_state.data(), unit.rows, dim);
    const AttentionState part = state_in(worker.cut_state.data(), unit.rows, dim);
    worker.queries.load(unit, basis, queries);
    clear(whole, unit.rows, dim);
    for (int cut = 0; cut < unit.cuts; ++cut) {
      attend_cut(unit, plan_.cut_of(unit, cut), thread, part);
      kernels_.merge_state(part, unit.rows, dim, whole);
    }
    finish(unit, whole, out);
  });
}

AttentionState SegPagedAttention::partial(const AttentionUnit& unit, int cut) {
  const std::ptrdiff_t row = unit.first_partial + static_cast<std::ptrdiff_t>(unit.rows) * cut;
  return state_in(partials_.data() + row * state_row_floats(shape_.head_dim), unit.rows,
                  shape_.head_dim);
}

void SegPagedAttention::run_split(const KeyBasis& basis, const float* queries, float* out) {
  const int dim = shape_.head_dim;
  cut_tasks_.clear();
  for (const AttentionUnit& unit : plan_.units) {
    for (int cut = 0; cut < unit.cuts; ++cut) cut_tasks_.push_back({&unit, cut});
  }
  threads_.parallel_for(static_cast<int>(cut_tasks_.size()), [&](int task, int thread) {
    const auto& [unit, cut] = cut_tasks_[static_cast<std::size_t>(task)];
    workers_[static_cast<std::size_t>(thread)].queries.load(*unit, basis, queries);
    attend_cut(*unit, plan_.cut_of(*unit, cut), thread, partial(*unit, cut));
  });
  for (const AttentionUnit& unit : plan_.units) {
    const AttentionState whole = state_in(workers_[0].whole_state.data(), unit.rows, dim);
    clear(whole, unit.rows, dim);
    for (int cut = 0; cut < unit.cuts; ++cut) {
      kernels_.merge_state(partial(unit, cut), unit.rows, dim, whole);
    }
    finish(unit, whole, out);
  }
}

bool SegPagedAttention::find_slots(const AttentionUnit& unit, int entry, Worker& worker) const {
  const PageRef& page = (*unit.table)[static_cast<std::size_t>(entry)];
  const int group = shape_.group();
  bool seen = false;
  for (int token = 0; token < unit.tokens; ++token) {
    const SlotRange slots =
        slots_of(page, worker.queries.visible(token), plan_.selected(unit, token, entry));
    std::fill_n(worker.slots.begin() + static_cast<std::ptrdiff_t>(token) * group, group, slots);
    seen |= slots.sink_end > 0 || slots.recent_begin < slots.recent_end;
  }
  return seen;
}

void SegPagedAttention::attend_cut(const AttentionUnit& unit, const PageCut& cut, int thread,
                                   const AttentionState& state) {
  Worker& worker = workers_[static_cast<std::size_t>(thread)];
  clear(state, unit.rows, shape_.head_dim);
  for (int entry = cut.first; entry < cut.last; ++entry) {
    if (!find_slots(unit, entry, worker)) continue;
    if (unit.asks_for_mass()) {
      attend_pieces(unit, entry, thread, state);
    } else {
      attend_page(unit, entry, worker.slots, worker, state);
    }
  }
}

void SegPagedAttention::attend_page(const AttentionUnit& unit, int entry,
                                    std::span<const SlotRange> slots, Worker& worker,
                                    const AttentionState& state) {
  const PageRef& page = (*unit.table)[static_cast<std::size_t>(entry)];
  kernels_.attend_page({.page = view(page),
                        .rows = unit.rows,
                        .queries = worker.queries.rotated(page.shift),
                        .slots = slots.data(),
                        .state = state,
                        .scratch = worker.scratch.data()});
}

// The slots of a piece that are a query's sinks may lie apart from those of its window, and the
// kernel takes sinks from slot 0 on alone.
void SegPagedAttention::attend_pieces(const AttentionUnit& unit, int entry, int thread,
                                      const AttentionState& state) {
  Worker& worker = workers_[static_cast<std::size_t>(thread)];
  const int tokens = (*unit.table)[static_cast<std::size_t>(entry)].tokens;
  const auto attend_part = [&](const auto& part_of) {
    bool seen = false;
    for (std::size_t row = 0; row < static_cast<std::size_t>(unit.rows); ++row) {
      const auto [begin, end] = part_of(worker.slots[row]);
      seen |= begin < end;
      worker.piece_slots[row] = begin < end ? SlotRange{0, begin, end} : SlotRange{};
    }
    if (seen) attend_page(unit, entry, worker.piece_slots, worker, state);
  };
  for (int piece = 0; piece * kPieceTokens < tokens; ++piece) {
    const int begin = piece * kPieceTokens, end = begin + kPieceTokens;
    mass_.before_piece(unit, state, thread);
    attend_part(
        [&](const SlotRange& slots) { return std::pair(begin, std::min(end, slots.sink_end)); });
    attend_part([&](const SlotRange& slots) {
      return std::pair(std::max(begin, slots.recent_begin), std::min(end, slots.recent_end));
    });
    mass_.after_piece(unit, entry * plan_.page_pieces + piece, state, thread);
  }
}

void SegPagedAttention::finish(const AttentionUnit& unit, const AttentionState& whole, float* out) {
  if (unit.asks_for_mass()) mass_.finish(unit, whole);
  const int group = shape_.group();
  const std::ptrdiff_t dim = shape_.head_dim;
  for (int r = 0; r < unit.rows; ++r) {
    const std::ptrdiff_t row = unit.step_row(r / group);
    const std::ptrdiff_t head = static_cast<std::ptrdiff_t>(unit.kv_head) * group + r % group;
    float* target = out + (row * shape_.query_heads + head) * dim;
    const float* source =
        whole.output + static_cast<std::ptrdiff_t>(r) * padded_dim(shape_.head_dim);
    // A token always sees itself, so the sum is positive.
    const float factor = 1.0f / whole.sum[r];
    for (int d = 0; d < dim; ++d) target[d] = source[d] * factor;
    if (mixes_values(unit.policy->kv_format)) kernels_.hadamard(target, shape_.head_dim);
  }
}

}  // namespace redknot
