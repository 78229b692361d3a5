// SPDX-License-Identifier: Apache-2.0
// One step of the engine as data: which tokens of which sequences pass the model. Every decision is
// taken when this is written; below it there is only arithmetic. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/vocabulary.h"

namespace redknot {

enum class SequenceId : std::uint32_t {};

// Rows [first_row, first_row + rows) of the step belong to one sequence. Their positions strictly
// increase; each position already has a slot in a page that this sequence alone holds.
struct StepSlice {
  SequenceId sequence{};
  int first_row = 0;
  int rows = 0;
  bool operator==(const StepSlice&) const = default;
};

struct StepPlan {
  std::vector<TokenId> tokens;    // by row
  std::vector<int> positions;     // by row, in the row's sequence
  std::vector<StepSlice> slices;  // in row order, without gaps; at most one per sequence
  std::vector<int> logit_rows;    // rows whose logits are wanted, increasing
  bool empty() const { return tokens.empty(); }
  bool operator==(const StepPlan&) const = default;
};

// One line a slice, for logs and test failures.
std::string to_string(const StepPlan& plan);

}  // namespace redknot
