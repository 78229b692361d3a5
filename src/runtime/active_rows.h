// SPDX-License-Identifier: Apache-2.0
// The rows of a step that are still under way: a row passes as many layers as its plan says, and
// costs nothing behind them.
#pragma once

#include <span>
#include <vector>

#include "runtime/sequence_rows.h"

namespace redknot {

class ActiveRows {
 public:
  // All rows of a step. depths as in StepPlan.
  ActiveRows(std::span<const SequenceRows> sequences, std::span<const int> depths,
             std::span<const int> logit_rows, int layers);
  ActiveRows(const ActiveRows&) = delete;
  ActiveRows& operator=(const ActiveRows&) = delete;

  int count() const { return static_cast<int>(rows_.size()); }
  std::span<const int> rows() const { return rows_; }  // of the step, increasing
  std::span<const int> depths() const { return depths_; }
  // As at first, of those rows that are under way; first_row counts active rows.
  std::span<const SequenceRows> sequences() const { return sequences_; }

  // Keeps the rows that pass `layer`. Returns which of the active rows they are; nothing, with no
  // change, if all do.
  std::vector<int> keep(int layer);

 private:
  void point_sequences();

  std::vector<int> rows_, positions_, depths_;
  std::vector<SequenceRows> sequences_;
  std::vector<int> counts_;  // of rows, by sequence
};

}  // namespace redknot
