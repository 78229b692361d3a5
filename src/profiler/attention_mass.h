// SPDX-License-Identifier: Apache-2.0
// How far KV heads look, found on the pages themselves: shares of attention mass by distance, and
// how far a head's output moves when it sees a window alone. Both follow from the attention states
// over ranges of keys, which the engine's own kernels give; no matrix of probabilities is made.
// Owned by profiling.cc, which shows it to the transformer during dense passes; called on the
// thread of that pass, one at a time. It borrows the core and owns the sums.
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
  // The core must outlive the object. Errors are summed over positions from `first_judged` on.
  // Requires that sequences shown are dense.
  AttentionMass(EngineCore& core, int rows_per_step, int first_judged = 0);

  void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                const float* outputs) override;

  // Of one head: shares by distance that add up to 1, and the smallest windows that hold 95, 99 and
  // 99.9 % of what is outside the sink, linear within a bin. Zeros before anything was shown.
  HeadEvidence evidence(int layer, int kv_head) const;

  // By bin k from 1 on, entry k - 1: the squared distance of the head's output to that over its
  // sink and a window of distance_bins()[k + 1] tokens alone, summed over queries.
  std::vector<double> window_errors(int layer, int kv_head) const;

 private:
  struct Query {
    const SequenceRows* sequence;
    int row;  // of the sequence's rows
  };
  struct Scratch;
  void load(const Query& query, int kv_head, const float* queries, float* out) const;
  void attend(const PageTable& table, const PositionRange& keys, Scratch& memory,
              const AttentionState& state) const;
  void add_query(int layer, const Query& query, int kv_head, const float* queries);
  std::vector<float> empty_states() const;
  AttentionState state_of(std::vector<float>& states, std::size_t bin) const;
  // From the states over each bin, which it merges.
  void add_errors(std::vector<float>& states, double* errors) const;
  std::size_t bins() const { return bins_.size() - 1; }
  std::size_t first_of(int layer, int kv_head) const;  // of a head's numbers, one for each bin

  EngineCore& core_;
  int rows_per_step_;
  RopeTable rope_;
  std::vector<int> bins_;
  int first_judged_;
  std::vector<double> sums_;    // [layers, kv_heads, bins]
  std::vector<double> errors_;  // alike; nothing of the sink
};

}  // namespace redknot
