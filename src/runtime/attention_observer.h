// SPDX-License-Identifier: Apache-2.0
// AttentionObserver: the profiler's view of the forward pass. The transformer calls it, in the
// thread that runs the step, once for each layer, behind the layer's attention. Whoever shows it to
// a transformer owns it.
#pragma once

#include <span>

#include "runtime/sequence_rows.h"

namespace redknot {

// Is shown what the attention of every layer was asked and what it answered.
class AttentionObserver {
 public:
  virtual ~AttentionObserver() = default;
  // queries and outputs [rows, query_heads * head_dim]; queries not rotated.
  virtual void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                        const float* outputs) = 0;
};

}  // namespace redknot
