// SPDX-License-Identifier: Apache-2.0
// SegPagedAttention: attention of one layer straight over page tables.
//
// For each sequence and KV head, the query rows of the whole group walk the head's pages; K and V
// are read once per block of rows. A query is rotated once per run, at its position minus the run's
// shift, so shared pages are used where they lie: (R(p) q) . (R(j + shift) k) = (R(p - shift) q) .
// (R(j) k).
//
// Pages are cut into groups by position (kCutTokens), each group gives a partial state, and states
// merge in position order. The cuts depend on the sequence alone, so a token's result is the same
// bit for bit whatever else is in the step and whichever thread computes which cut.
//
// Heads whose queries select pages (page_select.h) do so before the cuts are made: a page that no
// query of a block looks at is not read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "kv/page_table.h"
#include "runtime/rope_table.h"
#include "step/step_plan.h"

namespace redknot {

// The rows of one sequence in a step.
struct SequenceRows {
  const PageTables* tables = nullptr;
  std::span<const int> positions{};  // strictly increasing
  int first_row = 0;
  Measure measure = Measure::kNothing;
};

struct AttentionShape {
  int query_heads = 0;
  int kv_heads = 0;
  int head_dim = 0;
};

// Is shown what the attention of every layer was asked and what it answered: for measuring.
class AttentionObserver {
 public:
  virtual ~AttentionObserver() = default;
  // queries and outputs [rows, query_heads * head_dim]; queries not rotated.
  virtual void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                        const float* outputs) = 0;
};

class SegPagedAttention {
 public:
  // All references must outlive the object.
  SegPagedAttention(const AttentionShape& shape, PageMemory& memory, const Kernels& kernels,
                    ThreadPool& threads, RopeTable& rope);
  ~SegPagedAttention();

  // out [rows, query_heads * head_dim] from queries of the same shape, not yet rotated.
  // Every position of the rows has its key and value in the tables of `layer` already.
  void run(int layer, std::span<const SequenceRows> sequences, const float* queries, float* out);

  // Of the latest run: how many slots each row attended to, summed over the KV heads; by row.
  std::span<const std::int64_t> attended() const { return attended_; }

  // Of the latest run: the share of attention that the queries of a sequence under a KV head gave
  // to each entry of its table, summed over rows and query heads, in units of kWholeMass for one
  // query: whole numbers, whose sums do not depend on how rows are cut into steps. Nothing unless
  // the sequence measures that and the head keeps everything.
  std::span<const std::int64_t> page_mass(std::size_t sequence, int kv_head) const;
  static constexpr std::int64_t kWholeMass = std::int64_t{1} << 30;

 private:
  static constexpr int kCutTokens = 256;
  static constexpr int kBlockRows = 96;  // query rows that share a widened page

  // Pages [first, last) of a table, all of one cut.
  struct Cut {
    int first, last;
  };
  // A block of tokens of one sequence under one KV head, and the cuts it looks at.
  struct Unit {
    const SequenceRows* sequence = nullptr;
    const HeadPolicy* policy = nullptr;
    const PageTable* table = nullptr;
    int kv_head = 0;
    int first_token = 0, tokens = 0;   // within the sequence's rows
    std::ptrdiff_t first_mark = -1;    // in marks_; -1: its queries select no pages
    int first_cut = 0, cuts = 0;       // in cuts_
    std::ptrdiff_t first_partial = 0;  // in partials_, when its cuts are computed apart
    std::ptrdiff_t first_share = -1;   // in shares_; -1: it measures no mass
    std::ptrdiff_t first_mass = 0;     // in unit_mass_
  };
  // What one page gave one query row: the sum of its weights under a maximum.
  struct Share {
    float maximum, sum;
  };
  struct Worker;  // one thread's scratch memory

  void plan(int layer, std::span<const SequenceRows> sequences);
  void plan_head(Unit unit);
  void select_pages(const float* queries);
  void select_for_unit(Worker& worker, const Unit& unit);
  std::span<std::uint8_t> marks(const Unit& unit, int token);
  bool selected(const Unit& unit, int token, int page) const;
  void cut(Unit& unit);
  void count_attended(const Unit& unit);
  void add_share(const Unit& unit, int page, Worker& worker, const AttentionState& state);
  void find_page_mass(const Unit& unit, const AttentionState& whole);
  bool split_units();
  void load_queries(Worker& worker, const Unit& unit, const float* queries) const;
  void rotate_queries(Worker& worker, const Unit& unit, int shift) const;
  void attend_cut(Worker& worker, const Unit& unit, const Cut& cut, const AttentionState& state);
  void run_whole(const float* queries, float* out);
  void run_split(const float* queries, float* out);
  void write_output(const Unit& unit, const AttentionState& state, float* out) const;
  void add_page_mass(std::span<const SequenceRows> sequences);
  AttentionState partial(const Unit& unit, int cut);
  int group() const { return shape_.query_heads / shape_.kv_heads; }
  int rows(const Unit& unit) const { return unit.tokens * group(); }

  AttentionShape shape_;
  PageMemory& memory_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  RopeTable& rope_;
  std::vector<Worker> workers_;
  std::vector<Unit> units_;
  // [tokens of the unit + 1, pages of its table]: 1 if selected; the last row: by any token.
  std::vector<std::uint8_t> marks_;
  std::vector<Cut> cuts_;
  std::vector<float> partials_;  // states of separately computed cuts
  std::vector<std::int64_t> attended_;
  std::vector<Share> shares_;            // [pages of the unit's table, rows of the unit]
  std::vector<std::int64_t> unit_mass_;  // [pages of the unit's table]
  std::vector<std::vector<std::int64_t>>
      page_mass_;  // [sequences * kv_heads], [pages of the table]
};

}  // namespace redknot
