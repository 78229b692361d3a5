// SPDX-License-Identifier: Apache-2.0
// Linear layers over all threads: Activations, which own the rows that a product reads and what
// they are rounded to, and products that run as one loop where
// they share their input. Transformer and FeedForward own the activations and start the products,
// in the thread that runs the step; worker threads write rows of their own.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernels.h"
#include "redknot/activation_format.h"

namespace redknot {

// Activations [rows, width] and the same rounded to a format, kExact being none. Memory for
// `max_rows` is allocated once.
class Activations {
 public:
  Activations() = default;
  Activations(int max_rows, int width, ActivationFormat format);

  float* row(int index) { return floats_.data() + offset(index); }
  const float* row(int index) const { return floats_.data() + offset(index); }
  float* data() { return floats_.data(); }
  const float* data() const { return floats_.data(); }
  // A product reads rows from `row` on.
  void feed(Matmul& product, int row) const;

  // Rounds a row, if the format does.
  void round(const Kernels& kernels, int index);

 private:
  // Where a row begins, in floats and in codes.
  std::size_t offset(int index) const {
    return static_cast<std::size_t>(index) * static_cast<std::size_t>(width_);
  }

  int width_ = 0;  // floats of a row
  std::vector<float> floats_;

  // The same rounded, and a view of that; empty if it is not.
  std::vector<std::int8_t> codes_, low_codes_;
  std::vector<float> scales_;
  std::vector<std::int32_t> sums_;
  QuantizedRows quantized_;
  std::vector<std::uint16_t> bf16_;
};

// A product of the first `rows` rows of an input, whatever that is rounded to.
Matmul product_of(const PackedMatrix& matrix, const Activations& input, int rows, float* output,
                  std::size_t output_stride);

// Calls body(row) for all rows, on all threads where that pays.
template <typename Body>
void for_rows(ThreadPool& threads, int count, const Body& body) {
  constexpr int kRowsPerTask = 8;  // so few the calling thread does alone
  const int tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  threads.parallel_for(tasks, [&](int task, int) {
    const int end = std::min(count, (task + 1) * kRowsPerTask);
    for (int row = task * kRowsPerTask; row < end; ++row) body(row);
  });
}

// Computes products, which all may run at the same time, on all threads.
void multiply_all(ThreadPool& pool, const Kernels& kernels, std::span<const Matmul> products);

}  // namespace redknot
