// SPDX-License-Identifier: Apache-2.0
#include "profiler/prefix_shift.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "base/check.h"

namespace redknot {

PrefixShift::PrefixShift(const ModelConfig& config, int first, int end)
    : layers_(config.layers),
      kv_heads_(config.kv_heads),
      group_size_(config.group_size()),
      head_dim_(config.head_dim),
      first_(first),
      end_(end),
      recorded_(static_cast<std::size_t>(layers_) * static_cast<std::size_t>(end - first) *
                width()),
      sums_(static_cast<std::size_t>(layers_) * static_cast<std::size_t>(kv_heads_)),
      counts_(static_cast<std::size_t>(layers_)) {
  REDKNOT_CHECK(first >= 0 && first < end);
}

std::size_t PrefixShift::width() const {
  return static_cast<std::size_t>(kv_heads_) * static_cast<std::size_t>(group_size_) *
         static_cast<std::size_t>(head_dim_);
}

void PrefixShift::begin_first() { comparing_ = false; }
void PrefixShift::begin_second() { comparing_ = true; }

float* PrefixShift::recorded(int layer, int row) {
  const auto rows = static_cast<std::size_t>(end_ - first_);
  return recorded_.data() +
         (static_cast<std::size_t>(layer) * rows + static_cast<std::size_t>(row)) * width();
}

void PrefixShift::attended(int layer, std::span<const SequenceRows> sequences, const float*,
                           const float* outputs) {
  for (const SequenceRows& sequence : sequences) {
    for (std::size_t i = 0; i < sequence.positions.size(); ++i) {
      const int position = sequence.positions[i];
      if (position < first_ || position >= end_) continue;
      const float* row = outputs + (static_cast<std::size_t>(sequence.first_row) + i) * width();
      if (comparing_) {
        compare(layer, position - first_, row);
      } else {
        std::copy_n(row, width(), recorded(layer, position - first_));
      }
    }
  }
}

void PrefixShift::compare(int layer, int row, const float* outputs) {
  const float* before = recorded(layer, row);
  const int values = group_size_ * head_dim_;
  for (int head = 0; head < kv_heads_; ++head) {
    double difference = 0, size = 0;
    for (int i = head * values; i < (head + 1) * values; ++i) {
      difference += std::pow(static_cast<double>(outputs[i]) - before[i], 2);
      size += std::pow(static_cast<double>(before[i]), 2);
    }
    if (size > 0) {
      sums_[static_cast<std::size_t>(layer) * static_cast<std::size_t>(kv_heads_) +
            static_cast<std::size_t>(head)] += std::sqrt(difference / size);
    }
  }
  ++counts_[static_cast<std::size_t>(layer)];
}

double PrefixShift::shift(int layer, int kv_head) const {
  const long count = counts_[static_cast<std::size_t>(layer)];
  if (count == 0) return 0;
  return sums_[static_cast<std::size_t>(layer) * static_cast<std::size_t>(kv_heads_) +
               static_cast<std::size_t>(kv_head)] /
         static_cast<double>(count);
}

}  // namespace redknot
