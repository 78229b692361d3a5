// SPDX-License-Identifier: Apache-2.0
#include "runtime/flops.h"

#include <numeric>

namespace redknot {

double FlopCount::query() const {
  return 2.0 * config_.hidden_size * config_.query_heads * config_.head_dim;
}

double FlopCount::feed_forward() const {
  const double network = 6.0 * config_.hidden_size * config_.intermediate_size;
  if (config_.experts == 0) return network;
  return network * config_.experts_per_token + 2.0 * config_.hidden_size * config_.experts;
}

void FlopCount::add(std::span<const int> rows, double flops) {
  for (const int row : rows) flops_[static_cast<std::size_t>(row)] += flops;
}

void FlopCount::add(std::span<const int> rows, std::span<const int> chosen, double flops) {
  for (const int index : chosen) {
    flops_[static_cast<std::size_t>(rows[static_cast<std::size_t>(index)])] += flops;
  }
}

void FlopCount::add_query(std::span<const int> rows) { add(rows, query()); }

void FlopCount::add_key_value(std::span<const int> rows, std::span<const int> chosen) {
  add(rows, chosen, 4.0 * config_.hidden_size * config_.head_dim);
}

void FlopCount::add_attention(std::span<const int> rows, std::span<const std::int64_t> slots) {
  const double per_slot = 4.0 * config_.head_dim * (config_.query_heads / config_.kv_heads);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    flops_[static_cast<std::size_t>(rows[i])] += per_slot * static_cast<double>(slots[i]);
  }
}

void FlopCount::add_attention_output(std::span<const int> rows) { add(rows, query()); }

void FlopCount::add_feed_forward(std::span<const int> rows) { add(rows, feed_forward()); }

void FlopCount::add_feed_forward(std::span<const int> rows, std::span<const int> chosen) {
  add(rows, chosen, feed_forward());
}

void FlopCount::add_logits(std::span<const int> rows) {
  add(rows, 2.0 * config_.hidden_size * config_.vocabulary_size);
}

double FlopCount::sum(int first_row, int rows) const {
  const auto first = flops_.begin() + first_row;
  return std::accumulate(first, first + rows, 0.0);
}

}  // namespace redknot
