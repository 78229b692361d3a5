// SPDX-License-Identifier: Apache-2.0
// The forward pass of one step: token rows in, logits of the wanted rows out. Llama-family decoder:
// RMSNorm, grouped-query attention with rotary embedding, SwiGLU feed-forward, dense or mixture of
// experts (top-k of a softmax over the router's outputs).
//
// Allocates all activation memory at construction, for max_rows rows. Used by one thread at a time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kv/sequence_kv.h"
#include "model/config.h"
#include "runtime/attention.h"
#include "runtime/linear.h"
#include "runtime/packed_weights.h"
#include "runtime/rope_table.h"

namespace redknot {

struct TransformerOptions {
  int max_rows = 512;       // tokens of a step
  int max_logit_rows = 64;  // of which logits are wanted
};

class Transformer {
 public:
  // All references must outlive the object.
  Transformer(const ModelConfig& config, const PackedWeights& weights, PagePool& pool,
              const Kernels& kernels, ThreadPool& threads, const TransformerOptions& options);

  const TransformerOptions& options() const { return options_; }

  // Null, as at first: nobody is shown anything. It must outlive the runs.
  void show(AttentionObserver* observer) { observer_ = observer; }

  // Runs rows of several sequences. tokens: by row; each row's position is in its sequence's rows.
  // Writes keys and values to the sequences' pages. Returns logits [logit_rows, vocabulary_size],
  // valid until the next run.
  std::span<const float> run(std::span<const TokenId> tokens,
                             std::span<const SequenceRows> sequences,
                             std::span<const int> logit_rows);

 private:
  // Memory of the mixture of experts.
  struct Experts {
    std::vector<float> router;   // [rows, experts]
    std::vector<int> chosen;     // [rows, used], experts in falling order of weight
    std::vector<float> weights;  // [rows, used]
    std::vector<int> rows;       // grouped by expert: the row of each (row, choice)
    std::vector<int> slots;      // [rows, used]: where a (row, choice) is in `rows`
    std::vector<int> first;      // [experts + 1], into rows
    Activations gate;            // [rows * used, ffn_width]
    std::vector<float> up, down;
  };

  void for_rows(int count, auto&& body);
  void attend(int layer, const PackedLayer& weights, std::span<const SequenceRows> sequences);
  void store_keys_values(int layer, const PackedLayer& weights,
                         std::span<const SequenceRows> sequences);
  void bound_keys(int layer, std::span<const SequenceRows> sequences);
  void store_row(int layer, const PackedLayer& weights, const SequenceRows& sequence, int token,
                 int kv_head);
  void norm_queries(const PackedLayer& weights);
  void feed_forward(const PackedLayer& weights);
  void mixture(const PackedLayer& weights);
  void choose_experts();
  void choose_for_row(int row);
  void group_by_expert();
  void norm_rows(const std::vector<float>& weight, const Activations& from, Activations& to);
  Matmul product(const PackedMatrix& matrix, const Activations& input, float* output,
                 std::size_t stride) const;

  const ModelConfig& config_;
  const PackedWeights& weights_;
  PagePool& pool_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  TransformerOptions options_;
  RopeTable rope_;
  SegPagedAttention attention_;
  AttentionObserver* observer_ = nullptr;
  int rows_ = 0;          // of the current step
  Activations residual_;  // [rows, width]
  Activations normed_;    // [rows, width]
  Activations attended_;  // [rows, query_heads * head_dim]
  Activations gate_;      // [rows, ffn_width]
  std::vector<float> queries_, keys_, values_, up_;
  Experts experts_;
  std::vector<float> logits_;
};

}  // namespace redknot
