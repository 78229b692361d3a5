// SPDX-License-Identifier: Apache-2.0
#include "runtime/key_values.h"

#include <algorithm>

#include "base/check.h"
#include "runtime/page_read.h"
#include "runtime/page_select.h"

namespace redknot {
namespace {

// Below this many rows the work per row is done by the calling thread alone.
constexpr int kRowsPerTask = 8;
constexpr int kItemsPerTask = 64;

}  // namespace

KeyValues::KeyValues(const ModelConfig& config, PageMemory& memory, const Kernels& kernels,
                     ThreadPool& threads, RopeTable& rope, int max_rows)
    : config_(config),
      memory_(memory),
      kernels_(kernels),
      threads_(threads),
      rope_(rope),
      items_(static_cast<std::size_t>(config.kv_heads)),
      rows_(static_cast<std::size_t>(config.kv_heads)) {
  const std::size_t hidden_size =
      static_cast<std::size_t>(config.kv_heads) * static_cast<std::size_t>(config.head_dim);
  keys_.resize(static_cast<std::size_t>(max_rows) * hidden_size);
  values_.resize(keys_.size());
}

PageView KeyValues::view(const PageRef& page) const { return page_view(memory_, page.frame); }

std::ptrdiff_t KeyValues::offset(int kv_head, int index) const {
  const Item& item = items_[static_cast<std::size_t>(kv_head)][static_cast<std::size_t>(index)];
  const std::ptrdiff_t row = gathered_ ? index : item.row;
  return (row * config_.kv_heads + kv_head) * config_.head_dim;
}

void KeyValues::add_items(int layer, int kv_head, const SequenceRows& sequence,
                          std::span<const int> depths) {
  if (sequence.positions.empty()) return;
  std::vector<Item>& items = items_[static_cast<std::size_t>(kv_head)];
  const PageTable& table = sequence.table(layer, kv_head);
  auto page =
      std::upper_bound(table.begin(), table.end(), sequence.positions.front(),
                       [](int wanted, const PageRef& entry) { return wanted < entry.position; });
  REDKNOT_CHECK(page != table.begin());
  --page;
  for (std::size_t i = 0; i < sequence.positions.size(); ++i) {
    const int position = sequence.positions[i];
    while (page != table.end() && page->end() <= position) ++page;
    REDKNOT_CHECK(page != table.end() && page->position <= position);
    const int row = sequence.first_row + static_cast<int>(i);
    const bool compared =
        sequence.measure == Measure::kDeviation && depths[static_cast<std::size_t>(row)] == layer;
    if (!page->reused || compared)
      items.push_back({row, position, &*page, &sequence.policy(layer, kv_head)});
  }
}

// Where some heads have fewer items than others, each is projected apart, if its outputs are whole
// panels.
void KeyValues::add_products(const Linear& linear, int rows, const Activations& input,
                             float* output, std::vector<Matmul>& products) const {
  Matmul product = product_of(linear.matrix, input, rows, output,
                              static_cast<std::size_t>(linear.matrix.outputs));
  if (!linear.bias.empty()) product.bias = linear.bias.data();
  if (!gathered_) {
    products.push_back(product);
    return;
  }
  product.panel_count = config_.head_dim / kPanelColumns;
  for (const std::vector<int>& own : rows_) {
    product.rows = static_cast<int>(own.size());
    product.input_rows = own.data();
    if (!own.empty()) products.push_back(product);
    product.first_panel += product.panel_count;
  }
}

void KeyValues::plan(int layer, const PackedLayer& weights, const ActiveRows& active,
                     const Activations& input, std::vector<Matmul>& products) {
  const auto rows = static_cast<std::size_t>(active.count());
  bool all = true, none = true;
  for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
    const auto head = static_cast<std::size_t>(kv_head);
    items_[head].clear();
    for (const SequenceRows& sequence : active.sequences()) {
      add_items(layer, kv_head, sequence, active.depths());
    }
    all &= items_[head].size() == rows;
    none &= items_[head].empty();
    rows_[head].clear();
    for (const Item& item : items_[head]) rows_[head].push_back(item.row);
  }
  if (none) return;
  gathered_ = !all && config_.head_dim % kPanelColumns == 0;
  add_products(weights.key, active.count(), input, keys_.data(), products);
  add_products(weights.value, active.count(), input, values_.data(), products);
}

void KeyValues::store(int layer, const PackedLayer& weights, const ActiveRows& active) {
  std::vector<Task> tasks;
  for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
    const int count = static_cast<int>(items_[static_cast<std::size_t>(kv_head)].size());
    for (int first = 0; first < count; first += kItemsPerTask) {
      tasks.push_back({kv_head, first, std::min(count, first + kItemsPerTask)});
    }
  }
  prepare_rotations(active);
  clear_deviations(active);
  const auto run = [&](int index, int) {
    const Task& task = tasks[static_cast<std::size_t>(index)];
    for (int item = task.first; item < task.end; ++item) store_item(weights, task.kv_head, item);
  };
  if (active.count() < kRowsPerTask) {
    for (int task = 0; task < static_cast<int>(tasks.size()); ++task) run(task, 0);
  } else {
    threads_.parallel_for(static_cast<int>(tasks.size()), run);
  }
  sum_deviations();
  if (memory_.shape().key_bounds) bound_keys(layer, active);
}

void KeyValues::prepare_rotations(const ActiveRows& active) {
  for (const SequenceRows& sequence : active.sequences()) {
    if (sequence.positions.empty()) continue;
    rope_.prepare(sequence.positions.front(), sequence.positions.back() + 1);
  }
  for (const std::vector<Item>& items : items_) {
    for (const Item& item : items) {
      const int rotated_at = item.position - item.page->shift;
      if (rotated_at != item.position) rope_.prepare(rotated_at, rotated_at + 1);
    }
  }
}

void KeyValues::clear_deviations(const ActiveRows& active) {
  const std::span<const SequenceRows> sequences = active.sequences();
  const bool asked = std::any_of(
      sequences.begin(), sequences.end(),
      [](const SequenceRows& sequence) { return sequence.measure == Measure::kDeviation; });
  const auto rows = static_cast<std::size_t>(asked ? active.count() : 0);
  head_deviations_.assign(rows * static_cast<std::size_t>(config_.kv_heads), 0.0f);
  deviations_.assign(rows, 0.0f);
}

void KeyValues::sum_deviations() {
  for (std::size_t i = 0; i < head_deviations_.size(); ++i) {
    deviations_[i / static_cast<std::size_t>(config_.kv_heads)] += head_deviations_[i];
  }
}

void KeyValues::store_item(const PackedLayer& weights, int kv_head, int index) {
  const int dim = config_.head_dim;
  const Item& item = items_[static_cast<std::size_t>(kv_head)][static_cast<std::size_t>(index)];
  const std::ptrdiff_t at = offset(kv_head, index);
  float* value = values_.data() + at;
  if (mixes_values(item.policy->kv_format)) kernels_.hadamard(value, dim);
  if (item.page->reused) {
    compare_value(kv_head, item, value);
    return;
  }
  float* key = keys_.data() + at;
  if (config_.qk_norm) {
    kernels_.rms_norm(key, weights.key_norm.data(), config_.rms_norm_epsilon, dim, key);
  }
  float rotated[512];
  // As those beside it, which may have been copied.
  kernels_.rotate(key, rope_.at(item.position - item.page->shift), dim, 1.0f, rotated);
  BasisChange::of_keys(weights.key_basis, *item.policy, kv_head, dim).apply(kernels_, rotated);
  kernels_.write_slot(view(*item.page), item.position - item.page->position, rotated, value);
}

void KeyValues::compare_value(int kv_head, const Item& item, const float* value) {
  float stored[512];
  read_value(view(*item.page), item.position - item.page->position, stored);
  float sum = 0.0f;
  for (int d = 0; d < config_.head_dim; ++d) {
    const float difference = value[d] - stored[d];
    sum += difference * difference;
  }
  const auto heads = static_cast<std::size_t>(config_.kv_heads);
  head_deviations_[static_cast<std::size_t>(item.row) * heads + static_cast<std::size_t>(kv_head)] =
      sum;
}

void KeyValues::bound_keys(int layer, const ActiveRows& active) {
  const auto run = [&](int kv_head, int) {
    for (const SequenceRows& sequence : active.sequences()) {
      if (sequence.positions.empty()) continue;
      redknot::bound_keys(sequence.table(layer, kv_head),
                          {sequence.positions.front(), sequence.positions.back() + 1}, memory_,
                          kernels_);
    }
  };
  if (active.count() < kRowsPerTask) {
    for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) run(kv_head, 0);
  } else {
    threads_.parallel_for(config_.kv_heads, run);
  }
}

}  // namespace redknot
