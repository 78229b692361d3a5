// SPDX-License-Identifier: Apache-2.0
// ActiveRows: the rows of a step that are still under way. A row passes as many layers as its plan
// says, and costs nothing behind them.
//
// The transformer makes one for each step, and drops the rows that end at a layer from it, in the
// thread that runs the step. While a layer runs, any worker thread may read it.
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
  // Makes sequences_ say where their rows are, from counts_.
  void point_sequences();

  // By active row.
  std::vector<int> rows_, positions_, depths_;

  // By sequence of the step, also those of which no row is left.
  std::vector<SequenceRows> sequences_;  // their positions are in positions_
  std::vector<int> counts_;              // of rows
};

}  // namespace redknot
