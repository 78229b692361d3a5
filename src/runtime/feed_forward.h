// SPDX-License-Identifier: Apache-2.0
// FeedForward: the feed-forward network of a layer on rows of a residual stream, SwiGLU, dense or
// as a mixture of experts (top-k of a softmax over the router's outputs).
//
// The transformer owns it and calls it, in the thread that runs the step; it spreads the work over
// the pool's threads itself. It owns the activations within the network, allocated at construction
// for max_rows rows.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "model/config.h"
#include "runtime/linear.h"
#include "runtime/packed_weights.h"

namespace redknot {

class FeedForward {
 public:
  // All references must outlive the object.
  FeedForward(const ModelConfig& config, const Kernels& kernels, ThreadPool& threads, int max_rows,
              ActivationFormat activations);

  // residual[row] += network(norm(residual[row])) for the first `rows` rows.
  void run(const PackedLayer& weights, Activations& residual, int rows);

  // The same for the rows listed, increasing; what a row gets does not depend on the others.
  void run(const PackedLayer& weights, Activations& residual, std::span<const int> rows);

 private:
  // Memory of the mixture of experts.
  struct Experts {
    std::vector<float> router;   // [rows, experts]
    std::vector<int> chosen;     // [rows, used], experts in falling order of weight
    std::vector<float> weights;  // [rows, used]
    std::vector<int> rows;       // grouped by expert: the row of each (row, choice)
    std::vector<int> slots;      // [rows, used]: where a (row, choice) is in `rows`
    std::vector<int> first;      // [experts + 1], into rows
    Activations gate;            // [rows * used, intermediate_size]
    std::vector<float> up, down;
  };

  // Add the network of normed_ to the residual.
  void dense(const PackedLayer& weights, Activations& residual);
  void mixture(const PackedLayer& weights, Activations& residual);

  // The steps of a mixture, between the router's product and the sum: each row chooses its experts,
  // rows are listed by expert, so that an expert's weights are read once for all of them, and each
  // expert computes experts_.down of its slots.
  void choose_experts();
  void choose_for_row(int row);
  void group_by_expert();
  void run_experts(const PackedLayer& weights);

  // A product of all rows of the current run.
  Matmul product(const PackedMatrix& matrix, const Activations& input, float* output,
                 std::size_t stride) const;

  // Constant after construction.
  const ModelConfig& config_;
  const Kernels& kernels_;
  ThreadPool& threads_;

  int rows_ = 0;          // of the current run
  Activations normed_;    // [rows, hidden_size]
  Activations gathered_;  // [rows, hidden_size]: listed rows of the residual

  // Of a dense network, or of a mixture.
  Activations gate_;       // [rows, intermediate_size]
  std::vector<float> up_;  // [rows, intermediate_size]
  Experts experts_;
};

}  // namespace redknot
