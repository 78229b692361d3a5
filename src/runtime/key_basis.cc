// SPDX-License-Identifier: Apache-2.0
#include "runtime/key_basis.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "heads/visibility.h"

namespace redknot {
namespace {

// Beyond these the weights say that a pair is nearly always zero, and rounding it costs nothing.
constexpr double kLeastFactor = 0x1p-10, kLargestFactor = 0x1p10;

// By output of a projection: the mean square to expect. [outputs]
std::vector<double> output_squares(const TensorView& matrix, const TensorView& bias,
                                   const std::vector<float>& input_norm, ThreadPool& threads) {
  const std::vector<float> offsets = bias.floats();
  std::vector<double> squares(static_cast<std::size_t>(matrix.rows));
  constexpr int kRowsPerTask = 64;
  threads.parallel_for((matrix.rows + kRowsPerTask - 1) / kRowsPerTask, [&](int task, int) {
    std::vector<float> row(static_cast<std::size_t>(matrix.columns));
    const int end = std::min(matrix.rows, (task + 1) * kRowsPerTask);
    for (int output = task * kRowsPerTask; output < end; ++output) {
      const auto at = static_cast<std::size_t>(output);
      dequantize(matrix.dtype, matrix.row(output), row);
      const double offset = offsets.empty() ? 0.0 : offsets[at];
      double sum = offset * offset;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const double scaled = static_cast<double>(row[i]) * input_norm[i];
        sum += scaled * scaled;
      }
      squares[at] = sum;
    }
  });
  return squares;
}

// The same of heads that are normed: their norm's weights, for each head. [heads * head_dim]
std::vector<double> normed_squares(const TensorView& norm, int heads) {
  std::vector<double> squares;
  for (int head = 0; head < heads; ++head) {
    for (const float weight : norm.floats()) {
      squares.push_back(static_cast<double>(weight) * weight);
    }
  }
  return squares;
}

// The element that RoPE rotates together with element d of a head; d itself where there is none.
int partner(const RopeConfig& rope, int d) {
  if (d >= rope.dims) return d;
  if (rope.pairing == RopePairing::kInterleaved) return d ^ 1;
  const int half = rope.dims / 2;
  return d < half ? d + half : d - half;
}

double factor_of(double key_square, double query_square) {
  const double factor = std::pow(key_square / query_square, 0.25);
  return factor > 0.0 && std::isfinite(factor) ? std::clamp(factor, kLeastFactor, kLargestFactor)
                                               : 1.0;
}

}  // namespace

KeyBasis key_basis(const ModelConfig& config, const LayerWeights& weights, ThreadPool& threads) {
  std::vector<double> keys, queries;
  if (config.qk_norm) {
    keys = normed_squares(weights.key_norm, config.kv_heads);
    queries = normed_squares(weights.query_norm, config.query_heads);
  } else {
    const std::vector<float> norm = weights.attention_norm.floats();
    keys = output_squares(weights.key, weights.key_bias, norm, threads);
    queries = output_squares(weights.query, weights.query_bias, norm, threads);
  }
  const int dim = config.head_dim;
  const auto pair_sum = [&](const std::vector<double>& squares, int head, int d) {
    const auto first = static_cast<std::size_t>(head) * static_cast<std::size_t>(dim);
    return squares[first + static_cast<std::size_t>(d)] +
           squares[first + static_cast<std::size_t>(partner(config.rope, d))];
  };
  KeyBasis basis;
  for (int kv_head = 0; kv_head < config.kv_heads; ++kv_head) {
    for (int d = 0; d < dim; ++d) {
      double query = 0.0;
      for (int i = 0; i < config.group_size(); ++i) {
        query += pair_sum(queries, kv_head * config.group_size() + i, d);
      }
      const double factor = factor_of(pair_sum(keys, kv_head, d), query / config.group_size());
      basis.key_factors.push_back(static_cast<float>(1.0 / factor));
      basis.query_factors.push_back(static_cast<float>(factor));
    }
  }
  return basis;
}

BasisChange::BasisChange(const std::vector<float>& factors, const HeadPolicy& policy, int kv_head,
                         int head_dim)
    : head_dim_(head_dim) {
  if (key_element(policy.kv_format) != KvElement::kInt8) return;
  factors_ = factors.data() + static_cast<std::ptrdiff_t>(kv_head) * head_dim;
  mixes_ = selected_pages(policy) == 0;
}

void BasisChange::apply(const Kernels& kernels, float* x) const {
  if (factors_ == nullptr) return;
  for (int d = 0; d < head_dim_; ++d) x[d] *= factors_[d];
  if (mixes_) kernels.hadamard(x, head_dim_);
}

}  // namespace redknot
