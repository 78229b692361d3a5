// SPDX-License-Identifier: Apache-2.0
// How much the output of each KV head's attention for a text depends on what stands before the
// text: the same tokens at the same positions behind two prefixes. Owned by profiling.cc, which
// shows it to the transformer during dense passes; called on the thread of that pass. It owns the
// outputs of one text behind its first prefix, and the sums.
#pragma once

#include <span>
#include <vector>

#include "engine/engine_core.h"

namespace redknot {

// First shown a text behind one prefix, then behind another of equal length; then the next text.
// One thread at a time.
class PrefixShift : public AttentionObserver {
 public:
  // Compares the rows of positions [first, end) of each text.
  PrefixShift(const ModelConfig& config, int first, int end);

  // The rows shown from here on are of the first, or of the second prefix of the same text.
  void begin_first();
  void begin_second();

  void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                const float* outputs) override;

  // |output behind the second - output behind the first| / |output behind the first|, Euclidean
  // norms over the head's queries, mean over rows and texts. 0 before anything was compared, and
  // for outputs of zeros.
  double shift(int layer, int kv_head) const;

 private:
  void compare(int layer, int row, const float* outputs);
  float* recorded(int layer, int row);
  std::size_t width() const;  // of a row of outputs

  int layers_, kv_heads_, group_size_, head_dim_;
  int first_, end_;
  bool comparing_ = false;
  std::vector<float> recorded_;  // [layers, end - first, width]
  std::vector<double> sums_;     // [layers, kv_heads]
  std::vector<long> counts_;     // [layers]: rows compared
};

}  // namespace redknot
