// SPDX-License-Identifier: Apache-2.0
// The rows of one sequence in a step: the layers' attention, keys and values are computed from
// these. A plain value that the executor writes; what it points to outlives the step, and while a
// layer runs, any worker thread may read it.
#pragma once

#include <span>

#include "heads/head_profile.h"
#include "kv/page_table.h"
#include "step/step_plan.h"

namespace redknot {

struct SequenceRows {
  const PageTables* tables = nullptr;
  std::span<const int> positions{};  // strictly increasing
  int first_row = 0;
  Measure measure = Measure::kNothing;

  const PageTable& table(int layer, int kv_head) const { return tables->at(layer, kv_head); }
  const HeadPolicy& policy(int layer, int kv_head) const {
    return tables->profile().at(layer, kv_head);
  }
};

}  // namespace redknot
