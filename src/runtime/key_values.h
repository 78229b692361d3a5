// SPDX-License-Identifier: Apache-2.0
// KeyValues: keys and values of a layer's rows. They are projected for the heads whose page at the
// row's position is the sequence's own, and written there. A head that keeps what was adopted costs
// nothing.
//
// Rows that end at the layer in a slice whose measure is Measure::kDeviation are projected where
// pages are reused, compared with what those hold, and not written.
//
// The transformer owns it and calls it, in the thread that runs the step; it spreads the work over
// the pool's threads itself. It owns the projected keys and values, allocated at construction for
// max_rows rows.
#pragma once

#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "kv/page_memory.h"
#include "kv/page_table.h"
#include "model/config.h"
#include "runtime/active_rows.h"
#include "runtime/linear.h"
#include "runtime/packed_weights.h"
#include "runtime/rope_table.h"

namespace redknot {

class KeyValues {
 public:
  // All references must outlive the object.
  KeyValues(const ModelConfig& config, PageMemory& memory, const Kernels& kernels,
            ThreadPool& threads, RopeTable& rope, int max_rows);

  // Finds the rows that give keys and values to the heads of a layer, and adds the products that
  // project them from `input` [rows, hidden_size]. They must be computed before store().
  void plan(int layer, const PackedLayer& weights, const ActiveRows& active,
            const Activations& input, std::vector<Matmul>& products);
  void store(int layer, const PackedLayer& weights, const ActiveRows& active);

  // Of the latest plan: the active rows whose key and value are projected for a head.
  std::span<const int> projected(int kv_head) const {
    return rows_[static_cast<std::size_t>(kv_head)];
  }

  // Of the latest store, by active row, if the measure of a slice is the deviation: the squared
  // distance of a row's values to those of its reused pages, summed over the heads; 0 of rows that
  // were not compared.
  std::span<const float> deviations() const { return deviations_; }

 private:
  // A row that gives its key and value to a head.
  struct Item {
    int row = 0;
    int position = 0;
    const PageRef* page = nullptr;
    const HeadPolicy* policy = nullptr;
  };
  // A part of a head's items, stored by one thread.
  struct Task {
    int kv_head, first, end;
  };

  // Adds to a head's items those of one sequence.
  void add_items(int layer, int kv_head, const SequenceRows& sequence, std::span<const int> depths);

  // Adds the products of keys, or of values: one of all heads, or one for each.
  void add_products(const Linear& linear, int rows, const Activations& input, float* output,
                    std::vector<Matmul>& products) const;

  // Writes an item's key and value to its page, or compares its value if the page is reused.
  void store_item(const PackedLayer& weights, int kv_head, int index);
  void compare_value(int kv_head, const Item& item, const float* value);

  // Computes the rotations of all items, before threads look them up.
  void prepare_rotations(const ActiveRows& active);

  // Makes room for deviations, if some sequence asks for them; adds up those of the heads.
  void clear_deviations(const ActiveRows& active);
  void sum_deviations();

  // Writes the bounds of the pages that the step's rows have filled.
  void bound_keys(int layer, const ActiveRows& active);

  // Where the key and value of a head's item are, in keys_ and values_.
  std::ptrdiff_t offset(int kv_head, int index) const;

  PageView view(const PageRef& page) const;

  // Constant after construction.
  const ModelConfig& config_;
  PageMemory& memory_;
  const Kernels& kernels_;
  ThreadPool& threads_;
  RopeTable& rope_;

  // Of the latest plan.
  std::vector<std::vector<Item>> items_;  // by KV head, in row order
  std::vector<std::vector<int>> rows_;    // the same items' rows
  // Whether the outputs of a head are those of its items, not of all rows.
  bool gathered_ = false;
  std::vector<float> keys_, values_;  // [rows or items, kv_heads * head_dim]

  // Of the latest store; empty if no sequence asks for them.
  std::vector<float> head_deviations_;  // [rows, kv_heads]
  std::vector<float> deviations_;       // [rows]
};

}  // namespace redknot
