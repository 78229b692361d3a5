// SPDX-License-Identifier: Apache-2.0
// SegPagedAttention: attention of one layer straight over page tables.
//
// A layer has four stages: plan_units (attention_plan.h) says which rows meet which pages,
// PageSelector marks the pages that queries of retrieval heads select, plan_cuts cuts what is
// looked at, and the units are run with the kernels, page by page. A page that no query of a unit
// looks at is not read.
//
// The transformer owns it and calls it, in the thread that runs the step; it spreads units, or
// where these are few their cuts, over the pool's threads. Memory grows to what the largest layer
// needed and is used again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "runtime/attention_plan.h"
#include "runtime/key_basis.h"
#include "runtime/page_mass.h"
#include "runtime/page_select.h"
#include "runtime/rope_table.h"
#include "runtime/sequence_rows.h"

namespace redknot {

class SegPagedAttention {
 public:
  // All references must outlive the object.
  SegPagedAttention(const AttentionShape& shape, PageMemory& memory, const Kernels& kernels,
                    ThreadPool& threads, RopeTable& rope);
  ~SegPagedAttention();

  // out [rows, query_heads * head_dim] from queries of the same shape, not yet rotated.
  // Every position of the rows has its key and value in the tables of `layer` already; `basis` is
  // the layer's.
  void run(int layer, const KeyBasis& basis, std::span<const SequenceRows> sequences,
           const float* queries, float* out);

  // Of the latest run: how many slots each row attended to, summed over the KV heads; by row.
  std::span<const std::int64_t> attended() const { return attended_; }

  // Of the latest run: PageMass::of a sequence and KV head.
  std::span<const std::int64_t> page_mass(std::size_t sequence, int kv_head) const {
    return mass_.of(sequence, kv_head);
  }

 private:
  struct Worker;  // one thread's scratch memory
  // A cut of a unit, computed apart.
  struct CutTask {
    const AttentionUnit* unit;
    int cut;  // counted within the unit
  };

  // Computes the rotations that the plan's units need, before threads look them up.
  void prepare_rotations();

  // Has every unit whose queries select pages mark them in the plan.
  void select_pages(const KeyBasis& basis, const float* queries);

  // Whether there are too few units to keep all threads busy, so that cuts are computed apart. Has
  // memory for their states then.
  bool splits_units();

  // Compute all units: one task a unit, or one a cut and then the merging of each unit's states.
  void run_whole(const KeyBasis& basis, const float* queries, float* out);
  void run_split(const KeyBasis& basis, const float* queries, float* out);

  // Adds the pages of one cut to a state, which it empties first.
  void attend_cut(const AttentionUnit& unit, const PageCut& cut, int thread,
                  const AttentionState& state);

  // Adds the slots of an entry of the table, one range a row, to a state; or what the worker's
  // slots hold of it, piece by piece, with what each is given.
  void attend_page(const AttentionUnit& unit, int entry, std::span<const SlotRange> slots,
                   Worker& worker, const AttentionState& state);
  void attend_pieces(const AttentionUnit& unit, int entry, int thread, const AttentionState& state);

  // Writes to the worker's slots what each row sees of an entry of the table. False: nothing.
  bool find_slots(const AttentionUnit& unit, int entry, Worker& worker) const;

  // A unit's state over all cuts becomes its rows of `out`, and its masses.
  void finish(const AttentionUnit& unit, const AttentionState& whole, float* out);

  // Where the state of a cut that is computed apart lies.
  AttentionState partial(const AttentionUnit& unit, int cut);

  PageView view(const PageRef& page) const;

  // Constant after construction.
  AttentionShape shape_;
  PageMemory& memory_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  RopeTable& rope_;

  // Scratch memory by thread, and of all threads together, each in places of its own.
  std::vector<Worker> workers_;
  PageSelector selector_;
  std::vector<float> partials_;  // states of cuts that are computed apart

  // Of the latest run.
  AttentionPlan plan_;
  std::vector<CutTask> cut_tasks_;
  std::vector<std::int64_t> attended_;
  PageMass mass_;
};

}  // namespace redknot
