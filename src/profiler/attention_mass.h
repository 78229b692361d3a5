// SPDX-License-Identifier: Apache-2.0
// How far KV heads look: shares of attention mass by distance, found on the pages themselves.
// The mass of a range of keys is what an attention state over them alone sums up to: the engine's
// own kernels give it, and no matrix of probabilities is ever made. Owned by profiling.cc, which
// shows it to the transformer during dense passes; called on the thread of that pass, one at a
// time. It borrows the core and owns the sums.
#pragma once

#include <span>
#include <vector>

#include "engine/engine_core.h"
#include "heads/profile_file.h"

namespace redknot {

// Distances of bin 0 (the sink), 1 ([0, 1)), 2 ([1, 2)), 3 ([2, 4)), ... up to `context_tokens`:
// where each begins, and after the last its end. The sink's entry is 0, too.
std::vector<int> distance_bins(int context_tokens);

// Sums over the queries of many texts. Takes in `rows_per_step` rows of each step it is shown,
// spread evenly. One thread at a time.
class AttentionMass : public AttentionObserver {
 public:
  // The core must outlive the object. Requires that sequences shown are dense.
  AttentionMass(EngineCore& core, int rows_per_step);

  void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                const float* outputs) override;

  // Of one head: shares by distance that add up to 1, and the smallest windows that hold 95, 99 and
  // 99.9 % of what is outside the sink, linear within a bin. Zeros before anything was shown.
  HeadEvidence evidence(int layer, int kv_head) const;

 private:
  struct Query {
    const SequenceRows* sequence;
    int row;  // of the sequence's rows
  };
  struct Scratch;
  void load(const Query& query, int kv_head, const float* queries, float* out) const;
  void attend(const PageTable& table, const PositionRange& keys, Scratch& memory,
              const AttentionState& state) const;
  void add_mass(int layer, const Query& query, int kv_head, const float* queries);
  double* sums(int layer, int kv_head);

  EngineCore& core_;
  int rows_per_step_;
  RopeTable rope_;
  std::vector<int> bins_;
  std::vector<double> sums_;  // [layers, kv_heads, bins]
};

}  // namespace redknot
