// SPDX-License-Identifier: Apache-2.0
#include "runtime/linear.h"

#include <algorithm>

namespace redknot {
namespace {

std::size_t even(int width) { return static_cast<std::size_t>(width + 1) / 2 * 2; }

}  // namespace

Activations::Activations(int max_rows, int width, ActivationFormat format)
    : width_(width), floats_(static_cast<std::size_t>(max_rows) * static_cast<std::size_t>(width)) {
  if (format == ActivationFormat::kBf16) {
    bf16_.resize(static_cast<std::size_t>(max_rows) * even(width));
  }
  if (format != ActivationFormat::k8 && format != ActivationFormat::k16) return;
  codes_.resize(floats_.size());
  if (format == ActivationFormat::k16) low_codes_.resize(floats_.size());
  scales_.resize(floats_.size() / kQuantBlock);
  sums_.resize(floats_.size() / kQuantBlock);
  quantized_ = {codes_.data(), low_codes_.empty() ? nullptr : low_codes_.data(), scales_.data(),
                sums_.data()};
}

void Activations::feed(Matmul& product, int row) const {
  product.input = this->row(row);
  if (!bf16_.empty()) product.bf16 = bf16_.data() + static_cast<std::size_t>(row) * even(width_);
  if (codes_.empty()) return;
  const std::size_t blocks = offset(row) / kQuantBlock;
  std::int8_t* low = quantized_.low_codes;
  product.quantized = {quantized_.codes + offset(row), low == nullptr ? nullptr : low + offset(row),
                       quantized_.scales + blocks, quantized_.sums + blocks};
}

void Activations::round(const Kernels& kernels, int index) {
  if (!codes_.empty()) kernels.quantize_row(row(index), width_, quantized_, index);
  if (bf16_.empty()) return;
  kernels.round_row(row(index), width_,
                    bf16_.data() + static_cast<std::size_t>(index) * even(width_));
}

Matmul product_of(const PackedMatrix& matrix, const Activations& input, int rows, float* output,
                  std::size_t output_stride) {
  Matmul product{.weights = &matrix,
                 .panel_count = matrix.panels(),
                 .rows = rows,
                 .output = output,
                 .output_stride = output_stride};
  input.feed(product, 0);
  return product;
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
