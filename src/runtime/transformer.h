// SPDX-License-Identifier: Apache-2.0
// Transformer: the forward pass of one step, from token rows to the logits of the rows of which
// they are wanted. It is a decoder of the Llama family: RMSNorm, grouped-query attention with
// rotary embedding, SwiGLU feed-forward, dense or as a mixture of experts.
//
// It owns the parts of a layer (SegPagedAttention, KeyValues, FeedForward) and all memory of
// activations, which it allocates at construction for max_rows rows. An executor calls it, from one
// thread at a time; it spreads the work over the pool's threads itself.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "kv/page_table.h"
#include "model/config.h"
#include "runtime/active_rows.h"
#include "runtime/attention.h"
#include "runtime/attention_observer.h"
#include "runtime/feed_forward.h"
#include "runtime/flops.h"
#include "runtime/key_values.h"
#include "runtime/linear.h"
#include "runtime/packed_weights.h"
#include "runtime/rope_table.h"
#include "step/step_result.h"

namespace redknot {

struct TransformerOptions {
  int max_rows = 512;       // tokens of a step
  int max_logit_rows = 64;  // of which logits are wanted
  ActivationFormat activations = ActivationFormat::k8;
};

// Rows of several sequences that pass the model together.
struct StepRows {
  std::span<const TokenId> tokens{};          // by row; each row's position is in its sequence's
  std::span<const SequenceRows> sequences{};  // in row order, without gaps
  std::span<const int> depths{};              // as in StepPlan, as the following
  std::span<const FfnGroup> ffn_groups{};
  std::span<const int> logit_rows{};
};

// What a step gave.
struct StepOutput {
  std::span<const float> logits;    // [logit_rows, vocabulary_size], valid until the next run
  std::vector<SliceResult> slices;  // by sequence, without their logits
};

class Transformer {
 public:
  // All references must outlive the object.
  Transformer(const ModelConfig& config, const PackedWeights& weights, PageMemory& memory,
              const Kernels& kernels, ThreadPool& threads, const TransformerOptions& options);

  const TransformerOptions& options() const { return options_; }

  // Null, as at first: nobody is shown anything. It must outlive the runs.
  void show(AttentionObserver* observer) { observer_ = observer; }

  // Writes keys and values to the sequences' pages.
  StepOutput run(const StepRows& step);

 private:
  // What the active rows carry from layer to layer and from one operation to the next.
  struct RowValues {
    Activations residual;        // [rows, hidden_size]
    Activations normed;          // [rows, hidden_size]
    Activations attended;        // [rows, query_heads * head_dim]
    std::vector<float> queries;  // [rows, query_heads * head_dim]
    std::vector<float> logits;   // [logit rows, vocabulary_size]
  };
  RowValues allocate() const;

  // The stages of a layer, in this order.
  // Queries of the active rows, if some pass the layer; keys and values of all, in their pages.
  void project(int layer, const ActiveRows& active);
  // Moves the rows that go on, `kept` of those that were active, to the front.
  void compact(std::span<const int> kept);
  // Adds their attention to the residual.
  void attend(int layer, const ActiveRows& active);
  void add_attention_output(const PackedLayer& weights, int rows);
  // Adds the network's output to the residual, for the rows that ffn_rows lets pass: all but those
  // that lose in their group.
  void feed_forward(int layer, const ActiveRows& active, std::span<const FfnGroup> groups);
  std::vector<int> ffn_rows(int layer, const ActiveRows& active, std::span<const FfnGroup> groups);

  // The norms before projections, and those of the queries of Qwen3.
  void norm_rows(const std::vector<float>& weight, int rows);
  void norm_queries(const PackedLayer& weights, int rows);

  // Copy to the output what slices are run to learn (Measure) of this layer.
  void measure_deviations(int layer, const ActiveRows& active, StepOutput& output) const;
  void measure_page_mass(int layer, const ActiveRows& active, StepOutput& output) const;

  // Logits of rows of the step, all of which have passed all layers.
  std::span<const float> logits_of(std::span<const int> rows, const ActiveRows& active);

  // Constant after construction, but for who is shown the attention.
  const ModelConfig& config_;
  const PackedWeights& weights_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  const TransformerOptions options_;
  AttentionObserver* observer_ = nullptr;  // null: nobody

  // Each with the memory of its part of a layer.
  RopeTable rope_;
  SegPagedAttention attention_;
  KeyValues key_values_;
  FeedForward feed_forward_;
  FlopCount flops_;

  RowValues rows_;  // by active row
};

}  // namespace redknot
