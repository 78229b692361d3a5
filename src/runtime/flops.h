// SPDX-License-Identifier: Apache-2.0
// FlopCount: the multiplications and additions that each row of a step takes in products of
// matrices and in attention. This is the only place that knows their formulas; norms, rotations and
// activations are not counted.
//
// The transformer owns it, tells it what was done for which rows, and reads it at the end of the
// step, in the thread that runs the step. All counts are whole numbers below 2^53, so their sums do
// not depend on the order.
//
// A row takes, with E = hidden_size, F = intermediate_size, D = head_dim, Q = query heads, G =
// query heads of a KV head, X = experts, U = experts per token, V = vocabulary_size:
//   query              [E] x [E, Q * D]                          2 E Q D
//   key and value      [E] x [E, D], twice, for each KV head     4 E D
//   attention          per slot and KV head: [G, D] x [D], the
//                      score, and [G] x [D], the weighted value  4 D G
//   attention output   [Q * D] x [Q * D, E]                      2 E Q D
//   feed-forward       [E] x [E, F], twice, and [F] x [F, E]     6 E F
//   the same of a mixture of experts, with its router            6 E F U + 2 E X
//   logits             [E] x [E, V]                              2 E V
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "model/config.h"

namespace redknot {

class FlopCount {
 public:
  // The configuration must outlive the object.
  explicit FlopCount(const ModelConfig& config) : config_(config) {}

  // A step of so many rows begins: all counts are 0.
  void begin(std::size_t rows) { flops_.assign(rows, 0.0); }

  // What was done in a layer. `rows` are rows of the step; `chosen`, where it is asked for, are
  // indices into them: of those for which it was done.
  void add_query(std::span<const int> rows);
  void add_key_value(std::span<const int> rows, std::span<const int> chosen);  // of one KV head
  void add_attention(std::span<const int> rows, std::span<const std::int64_t> slots);  // all heads
  void add_attention_output(std::span<const int> rows);
  void add_feed_forward(std::span<const int> rows);
  void add_feed_forward(std::span<const int> rows, std::span<const int> chosen);

  // What was done behind the last layer.
  void add_logits(std::span<const int> rows);

  // Of rows [first_row, first_row + rows) of the step together.
  double sum(int first_row, int rows) const;

 private:
  // Of one row.
  double query() const;
  double feed_forward() const;

  void add(std::span<const int> rows, double flops);
  void add(std::span<const int> rows, std::span<const int> chosen, double flops);

  const ModelConfig& config_;
  std::vector<double> flops_;  // by row of the step
};

}  // namespace redknot
