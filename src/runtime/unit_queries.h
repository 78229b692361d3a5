// SPDX-License-Identifier: Apache-2.0
// UnitQueries: the query rows of one unit of attention, as projected and as rotated for a run of
// pages, and what each of its tokens sees. A query is rotated once per run, at its position minus
// the run's shift, so shared pages are used where they lie:
// (R(p) q) . (R(j + shift) k) = (R(p - shift) q) . (R(j) k). Where the pages are quantised, it is
// also taken into the coordinates of their keys.
//
// SegPagedAttention owns one for each thread; only that thread uses it. Memory for the largest unit
// is allocated at construction.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "heads/visibility.h"
#include "kernels/kernels.h"
#include "runtime/attention_plan.h"
#include "runtime/key_basis.h"
#include "runtime/rope_table.h"

namespace redknot {

class UnitQueries {
 public:
  // Kernels and table must outlive the object.
  UnitQueries(const AttentionShape& shape, const Kernels& kernels, const RopeTable& rope);

  // Takes the unit's rows out of queries [rows of the step, query_heads * head_dim]. The unit and
  // the basis, which is its layer's, must outlive the use of the following.
  void load(const AttentionUnit& unit, const KeyBasis& basis, const float* queries);

  // [rows of the unit, head_dim], as pages under `shift` are to be asked: rotated and times
  // log2(e) / sqrt(head_dim); valid until the next call. Requires a table prepared for the unit's
  // positions minus the shift.
  const float* rotated(int shift) {
    if (shift_ != shift) rotate(shift);
    return rotated_.data();
  }

  // What a token of the unit sees, beside the pages that it selects.
  const VisibleRange& visible(int token) const { return visible_[static_cast<std::size_t>(token)]; }

 private:
  // Writes rotated_.
  void rotate(int shift);

  // Constant after construction.
  AttentionShape shape_;
  const Kernels& kernels_;
  const RopeTable& rope_;

  // Of the unit at hand.
  const AttentionUnit* unit_ = nullptr;
  BasisChange basis_;
  std::vector<float> plain_;           // [rows, head_dim], as projected
  std::vector<float> rotated_;         // [rows, head_dim], for shift_
  std::optional<int> shift_;           // nothing: rotated_ holds nothing of this unit
  std::vector<VisibleRange> visible_;  // [tokens]
};

}  // namespace redknot
