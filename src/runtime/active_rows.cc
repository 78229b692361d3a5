// SPDX-License-Identifier: Apache-2.0
#include "runtime/active_rows.h"

#include <algorithm>

#include "base/check.h"

namespace redknot {

ActiveRows::ActiveRows(std::span<const SequenceRows> sequences, std::span<const int> depths,
                       std::span<const int> logit_rows, int layers)
    : sequences_(sequences.begin(), sequences.end()) {
  for (const SequenceRows& sequence : sequences) {
    REDKNOT_CHECK(sequence.first_row == count());
    for (const int position : sequence.positions) {
      rows_.push_back(count());
      positions_.push_back(position);
    }
    counts_.push_back(static_cast<int>(sequence.positions.size()));
  }
  REDKNOT_CHECK(depths.empty() || depths.size() == rows_.size());
  depths_.assign(depths.begin(), depths.end());
  depths_.resize(rows_.size(), layers);
  for (const int row : logit_rows) depths_[static_cast<std::size_t>(row)] = layers;
  point_sequences();
}

void ActiveRows::point_sequences() {
  int first = 0;
  for (std::size_t i = 0; i < sequences_.size(); ++i) {
    sequences_[i].first_row = first;
    sequences_[i].positions =
        std::span(positions_)
            .subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(counts_[i]));
    first += counts_[i];
  }
}

std::vector<int> ActiveRows::keep(int layer) {
  const auto ends = [layer](int depth) { return depth <= layer; };
  if (std::none_of(depths_.begin(), depths_.end(), ends)) return {};
  std::vector<int> kept;
  std::size_t row = 0;
  for (int& sequence_rows : counts_) {
    const std::size_t end = row + static_cast<std::size_t>(sequence_rows);
    const std::size_t before = kept.size();
    for (; row < end; ++row) {
      if (!ends(depths_[row])) kept.push_back(static_cast<int>(row));
    }
    sequence_rows = static_cast<int>(kept.size() - before);
  }
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto from = static_cast<std::size_t>(kept[i]);
    rows_[i] = rows_[from];
    positions_[i] = positions_[from];
    depths_[i] = depths_[from];
  }
  rows_.resize(kept.size());
  positions_.resize(kept.size());
  depths_.resize(kept.size());
  point_sequences();
  return kept;
}

}  // namespace redknot
