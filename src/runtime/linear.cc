// SPDX-License-Identifier: Apache-2.0
#include "runtime/linear.h"

#include <algorithm>

namespace redknot {

Activations::Activations(int max_rows, int width, bool quantized)
    : width_(width), floats_(static_cast<std::size_t>(max_rows) * static_cast<std::size_t>(width)) {
  if (!quantized) return;
  codes_.resize(floats_.size());
  scales_.resize(floats_.size() / kQuantBlock);
  sums_.resize(floats_.size() / kQuantBlock);
  quantized_ = {codes_.data(), scales_.data(), sums_.data()};
}

QuantizedRows Activations::quantized_from(int row) const {
  if (codes_.empty()) return {};
  const std::size_t blocks = offset(row) / kQuantBlock;
  return {quantized_.codes + offset(row), quantized_.scales + blocks, quantized_.sums + blocks};
}

void Activations::quantize(const Kernels& kernels, int index) {
  if (codes_.empty()) return;
  kernels.quantize_row(row(index), width_, quantized_, index);
}

Matmul product_of(const PackedMatrix& matrix, const Activations& input, int rows, float* output,
                  std::size_t output_stride) {
  return {.weights = &matrix,
          .panel_count = matrix.panels(),
          .rows = rows,
          .input = input.data(),
          .quantized = input.quantized(),
          .output = output,
          .output_stride = output_stride};
}

void multiply_all(ThreadPool& pool, const Kernels& kernels, std::span<const Matmul> products) {
  // A dozen tasks a thread: enough to even out a thread that lost its core, few enough that handing
  // them out costs nothing.
  int panels = 0;
  for (const Matmul& product : products) panels += product.panel_count;
  const int per_task = std::max(1, panels / (12 * pool.threads()));
  std::vector<Matmul> tasks;
  for (const Matmul& product : products) {
    if (product.rows == 0) continue;
    for (int panel = 0; panel < product.panel_count; panel += per_task) {
      Matmul& task = tasks.emplace_back(product);
      task.first_panel = product.first_panel + panel;
      task.panel_count = std::min(per_task, product.panel_count - panel);
    }
  }
  pool.parallel_for(static_cast<int>(tasks.size()),
                    [&](int task, int) { kernels.matmul(tasks[static_cast<std::size_t>(task)]); });
}

}  // namespace redknot
