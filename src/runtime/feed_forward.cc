// SPDX-License-Identifier: Apache-2.0
#include "runtime/feed_forward.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace redknot {

FeedForward::FeedForward(const ModelConfig& config, const Kernels& kernels, ThreadPool& threads,
                         int max_rows, ActivationFormat activations)
    : config_(config), kernels_(kernels), threads_(threads) {
  const auto rows = static_cast<std::size_t>(max_rows);
  normed_ = Activations(max_rows, config.hidden_size, activations);
  gathered_ = Activations(max_rows, config.hidden_size, ActivationFormat::kExact);
  if (config.experts == 0) {
    gate_ = Activations(max_rows, config.intermediate_size, activations);
    up_.resize(rows * static_cast<std::size_t>(config.intermediate_size));
    return;
  }
  const int used = max_rows * config.experts_per_token;
  experts_.router.resize(rows * static_cast<std::size_t>(config.experts));
  experts_.chosen.resize(static_cast<std::size_t>(used));
  experts_.weights.resize(static_cast<std::size_t>(used));
  experts_.rows.resize(static_cast<std::size_t>(used));
  experts_.slots.resize(static_cast<std::size_t>(used));
  experts_.first.resize(static_cast<std::size_t>(config.experts) + 1);
  experts_.gate = Activations(used, config.intermediate_size, activations);
  experts_.up.resize(static_cast<std::size_t>(used) *
                     static_cast<std::size_t>(config.intermediate_size));
  experts_.down.resize(static_cast<std::size_t>(used) *
                       static_cast<std::size_t>(config.hidden_size));
}

Matmul FeedForward::product(const PackedMatrix& matrix, const Activations& input, float* output,
                            std::size_t stride) const {
  return product_of(matrix, input, rows_, output, stride);
}

void FeedForward::run(const PackedLayer& weights, Activations& residual, int rows) {
  rows_ = rows;
  for_rows(threads_, rows, [&](int row) {
    kernels_.rms_norm(residual.row(row), weights.ffn_norm.data(), config_.rms_norm_epsilon,
                      config_.hidden_size, normed_.row(row));
    normed_.round(kernels_, row);
  });
  if (config_.experts == 0) {
    dense(weights, residual);
  } else {
    mixture(weights, residual);
  }
}

void FeedForward::run(const PackedLayer& weights, Activations& residual,
                      std::span<const int> rows) {
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(residual.row(rows[i]), config_.hidden_size, gathered_.row(static_cast<int>(i)));
  }
  run(weights, gathered_, static_cast<int>(rows.size()));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::copy_n(gathered_.row(static_cast<int>(i)), config_.hidden_size, residual.row(rows[i]));
  }
}

void FeedForward::dense(const PackedLayer& weights, Activations& residual) {
  const auto intermediate_size = static_cast<std::size_t>(config_.intermediate_size);
  const Matmul inward[] = {product(weights.ffn.gate, normed_, gate_.data(), intermediate_size),
                           product(weights.ffn.up, normed_, up_.data(), intermediate_size)};
  multiply_all(threads_, kernels_, inward);
  for_rows(threads_, rows_, [&](int row) {
    kernels_.silu_multiply(gate_.row(row),
                           up_.data() + static_cast<std::size_t>(row) * intermediate_size,
                           config_.intermediate_size);
    gate_.round(kernels_, row);
  });
  Matmul down = product(weights.ffn.down, gate_, residual.data(),
                        static_cast<std::size_t>(config_.hidden_size));
  down.accumulate = true;
  multiply_all(threads_, kernels_, {&down, 1});
}

// Softmax over all experts, the `experts_per_token` largest, ties to the lower index; their weights
// renormalised if the model says so. Rows of `chosen` are in falling order of weight.
void FeedForward::choose_for_row(int row) {
  const auto experts = static_cast<std::size_t>(config_.experts);
  const auto used = static_cast<std::size_t>(config_.experts_per_token);
  const std::span<float> scores(experts_.router.data() + static_cast<std::size_t>(row) * experts,
                                experts);
  const float peak = *std::max_element(scores.begin(), scores.end());
  float total = 0.0f;
  for (float& score : scores) total += score = std::exp(score - peak);
  std::vector<int> order(experts);
  std::iota(order.begin(), order.end(), 0);
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(used), order.end(),
                    [&](int a, int b) {
                      const float x = scores[static_cast<std::size_t>(a)];
                      const float y = scores[static_cast<std::size_t>(b)];
                      return x != y ? x > y : a < b;
                    });
  float chosen_total = 0.0f;
  for (std::size_t i = 0; i < used; ++i) {
    chosen_total += scores[static_cast<std::size_t>(order[i])];
  }
  const float divisor = config_.renormalize_experts ? chosen_total : total;
  for (std::size_t i = 0; i < used; ++i) {
    const std::size_t at = static_cast<std::size_t>(row) * used + i;
    experts_.chosen[at] = order[i];
    experts_.weights[at] = scores[static_cast<std::size_t>(order[i])] / divisor;
  }
}

void FeedForward::group_by_expert() {
  const int used = config_.experts_per_token;
  const int pairs = rows_ * used;
  std::fill(experts_.first.begin(), experts_.first.end(), 0);
  for (int pair = 0; pair < pairs; ++pair) {
    ++experts_.first[static_cast<std::size_t>(experts_.chosen[static_cast<std::size_t>(pair)]) + 1];
  }
  std::partial_sum(experts_.first.begin(), experts_.first.end(), experts_.first.begin());
  std::vector<int> next(experts_.first.begin(), experts_.first.end() - 1);
  for (int pair = 0; pair < pairs; ++pair) {
    const auto expert = static_cast<std::size_t>(experts_.chosen[static_cast<std::size_t>(pair)]);
    const int slot = next[expert]++;
    experts_.rows[static_cast<std::size_t>(slot)] = pair / used;
    experts_.slots[static_cast<std::size_t>(pair)] = slot;
  }
}

void FeedForward::choose_experts() {
  for_rows(threads_, rows_, [&](int row) { choose_for_row(row); });
  group_by_expert();
}

void FeedForward::run_experts(const PackedLayer& weights) {
  const auto intermediate_size = static_cast<std::size_t>(config_.intermediate_size);
  const auto hidden_size = static_cast<std::size_t>(config_.hidden_size);
  std::vector<Matmul> inward, outward;
  for (int expert = 0; expert < config_.experts; ++expert) {
    const auto e = static_cast<std::size_t>(expert);
    const int first = experts_.first[e];
    const int count = experts_.first[e + 1] - first;
    if (count == 0) continue;
    const auto at = static_cast<std::size_t>(first);
    const PackedFfn& ffn = weights.experts[e];
    for (const auto& [matrix, out] :
         {std::pair(&ffn.gate, experts_.gate.data()), std::pair(&ffn.up, experts_.up.data())}) {
      Matmul& matmul = inward.emplace_back(
          product(*matrix, normed_, out + at * intermediate_size, intermediate_size));
      matmul.rows = count;
      matmul.input_rows = experts_.rows.data() + at;
    }
    Matmul& down = outward.emplace_back(
        product(ffn.down, experts_.gate, experts_.down.data() + at * hidden_size, hidden_size));
    down.rows = count;
    experts_.gate.feed(down, first);
  }
  multiply_all(threads_, kernels_, inward);
  for_rows(threads_, rows_ * config_.experts_per_token, [&](int slot) {
    kernels_.silu_multiply(experts_.gate.row(slot),
                           experts_.up.data() + static_cast<std::size_t>(slot) * intermediate_size,
                           config_.intermediate_size);
    experts_.gate.round(kernels_, slot);
  });
  multiply_all(threads_, kernels_, outward);
}

void FeedForward::mixture(const PackedLayer& weights, Activations& residual) {
  const Matmul router = product(weights.router, normed_, experts_.router.data(),
                                static_cast<std::size_t>(config_.experts));
  multiply_all(threads_, kernels_, {&router, 1});
  choose_experts();
  run_experts(weights);
  const auto hidden_size = static_cast<std::size_t>(config_.hidden_size);
  for_rows(threads_, rows_, [&](int row) {
    for (int choice = 0; choice < config_.experts_per_token; ++choice) {
      const std::size_t pair =
          static_cast<std::size_t>(row) * static_cast<std::size_t>(config_.experts_per_token) +
          static_cast<std::size_t>(choice);
      kernels_.add_scaled(
          residual.row(row),
          experts_.down.data() + static_cast<std::size_t>(experts_.slots[pair]) * hidden_size,
          experts_.weights[pair], config_.hidden_size);
    }
  });
}

}  // namespace redknot
