// SPDX-License-Identifier: Apache-2.0
#include "runtime/transformer.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/check.h"
#include "runtime/page_select.h"

namespace redknot {
namespace {

// Below this many rows the work per row is done by the calling thread alone.
constexpr int kRowsPerTask = 8;

bool any_integer(const PackedWeights& weights) {
  const auto integer = [](const PackedMatrix& m) { return m.inputs > 0 && is_integer(m.format); };
  const auto ffn_integer = [&](const PackedFfn& ffn) {
    return integer(ffn.gate) || integer(ffn.up) || integer(ffn.down);
  };
  if (integer(weights.output())) return true;
  return std::any_of(weights.layers().begin(), weights.layers().end(), [&](const PackedLayer& l) {
    return integer(l.query.matrix) || integer(l.key.matrix) || integer(l.value.matrix) ||
           integer(l.attention_output.matrix) || integer(l.router) || ffn_integer(l.ffn) ||
           std::any_of(l.experts.begin(), l.experts.end(), ffn_integer);
  });
}

// The entry of a table that holds a position. Requires that there is one.
const PageRef& page_at(const PageTable& table, int position) {
  const auto after =
      std::upper_bound(table.begin(), table.end(), position,
                       [](int wanted, const PageRef& page) { return wanted < page.position; });
  REDKNOT_CHECK(after != table.begin() && position < std::prev(after)->end());
  return *std::prev(after);
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, const PackedWeights& weights, PagePool& pool,
                         const Kernels& kernels, ThreadPool& threads,
                         const TransformerOptions& options)
    : config_(config),
      weights_(weights),
      pool_(pool),
      kernels_(kernels),
      threads_(threads),
      options_(options),
      rope_(config.rope),
      attention_({config.query_heads, config.kv_heads, config.head_dim}, pool, kernels, threads,
                 rope_) {
  const int rows = options.max_rows;
  const auto count = [rows](int columns) {
    return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  };
  const bool quantized = any_integer(weights);
  residual_ = Activations(rows, config.width, false);
  normed_ = Activations(rows, config.width, quantized);
  attended_ = Activations(rows, config.query_heads * config.head_dim, quantized);
  queries_.resize(count(config.query_heads * config.head_dim));
  keys_.resize(count(config.kv_heads * config.head_dim));
  values_.resize(count(config.kv_heads * config.head_dim));
  logits_.resize(static_cast<std::size_t>(options.max_logit_rows) *
                 static_cast<std::size_t>(config.vocabulary_size));
  if (config.experts == 0) {
    gate_ = Activations(rows, config.ffn_width, quantized);
    up_.resize(count(config.ffn_width));
    return;
  }
  const int used = rows * config.experts_used;
  experts_.router.resize(count(config.experts));
  experts_.chosen.resize(static_cast<std::size_t>(used));
  experts_.weights.resize(static_cast<std::size_t>(used));
  experts_.rows.resize(static_cast<std::size_t>(used));
  experts_.slots.resize(static_cast<std::size_t>(used));
  experts_.first.resize(static_cast<std::size_t>(config.experts) + 1);
  experts_.gate = Activations(used, config.ffn_width, quantized);
  experts_.up.resize(static_cast<std::size_t>(used) * static_cast<std::size_t>(config.ffn_width));
  experts_.down.resize(static_cast<std::size_t>(used) * static_cast<std::size_t>(config.width));
}

// Calls body(row) for all rows, on all threads where that pays.
void Transformer::for_rows(int count, auto&& body) {
  const int tasks = (count + kRowsPerTask - 1) / kRowsPerTask;
  threads_.parallel_for(tasks, [&](int task, int) {
    const int end = std::min(count, (task + 1) * kRowsPerTask);
    for (int row = task * kRowsPerTask; row < end; ++row) body(row);
  });
}

Matmul Transformer::product(const PackedMatrix& matrix, const Activations& input, float* output,
                            std::size_t stride) const {
  return {.weights = &matrix,
          .panel_count = matrix.panels(),
          .rows = rows_,
          .input = input.data(),
          .quantized = input.quantized(),
          .output = output,
          .output_stride = stride};
}

std::span<const float> Transformer::run(std::span<const TokenId> tokens,
                                        std::span<const SequenceRows> sequences,
                                        std::span<const int> logit_rows) {
  REDKNOT_CHECK(static_cast<int>(tokens.size()) <= options_.max_rows);
  REDKNOT_CHECK(static_cast<int>(logit_rows.size()) <= options_.max_logit_rows);
  rows_ = static_cast<int>(tokens.size());
  const auto width = static_cast<std::size_t>(config_.width);
  for_rows(rows_, [&](int row) {
    weights_.embed(tokens[static_cast<std::size_t>(row)], {residual_.row(row), width});
  });
  for (int layer = 0; layer < config_.layers; ++layer) {
    const PackedLayer& weights = weights_.layers()[static_cast<std::size_t>(layer)];
    attend(layer, weights, sequences);
    if (config_.experts == 0) {
      feed_forward(weights);
    } else {
      mixture(weights);
    }
  }
  for (std::size_t i = 0; i < logit_rows.size(); ++i) {
    const auto row = static_cast<int>(i);
    kernels_.rms_norm(residual_.row(logit_rows[i]), weights_.output_norm().data(),
                      config_.rms_norm_epsilon, config_.width, normed_.row(row));
    normed_.quantize(kernels_, row);
  }
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
  rows_ = static_cast<int>(logit_rows.size());
  const Matmul head = product(weights_.output(), normed_, logits_.data(), vocabulary);
  multiply_all(threads_, kernels_, {&head, 1});
  return {logits_.data(), logit_rows.size() * vocabulary};
}

void Transformer::norm_rows(const std::vector<float>& weight, const Activations& from,
                            Activations& to) {
  for_rows(rows_, [&](int row) {
    kernels_.rms_norm(from.row(row), weight.data(), config_.rms_norm_epsilon, config_.width,
                      to.row(row));
    to.quantize(kernels_, row);
  });
}

void Transformer::attend(int layer, const PackedLayer& weights,
                         std::span<const SequenceRows> sequences) {
  norm_rows(weights.attention_norm, residual_, normed_);
  const auto projection = [&](const Linear& linear, std::vector<float>& output) {
    Matmul matmul = product(linear.matrix, normed_, output.data(),
                            static_cast<std::size_t>(linear.matrix.outputs));
    if (!linear.bias.empty()) matmul.bias = linear.bias.data();
    return matmul;
  };
  const Matmul projections[] = {projection(weights.query, queries_), projection(weights.key, keys_),
                                projection(weights.value, values_)};
  multiply_all(threads_, kernels_, projections);
  if (config_.qk_norm) norm_queries(weights);
  store_keys_values(layer, weights, sequences);
  if (pool_.shape().key_bounds) bound_keys(layer, sequences);
  attention_.run(layer, sequences, queries_.data(), attended_.data());
  if (observer_ != nullptr) {
    observer_->attended(layer, sequences, queries_.data(), attended_.data());
  }
  for_rows(rows_, [&](int row) { attended_.quantize(kernels_, row); });
  Matmul output = product(weights.attention_output.matrix, attended_, residual_.data(),
                          static_cast<std::size_t>(config_.width));
  output.accumulate = true;
  if (!weights.attention_output.bias.empty()) output.bias = weights.attention_output.bias.data();
  multiply_all(threads_, kernels_, {&output, 1});
}

void Transformer::norm_queries(const PackedLayer& weights) {
  const int dim = config_.head_dim;
  for_rows(rows_, [&](int row) {
    for (int head = 0; head < config_.query_heads; ++head) {
      float* query =
          queries_.data() + (static_cast<std::ptrdiff_t>(row) * config_.query_heads + head) * dim;
      kernels_.rms_norm(query, weights.query_norm.data(), config_.rms_norm_epsilon, dim, query);
    }
  });
}

// Normalises and rotates the keys of all rows and writes keys and values to their pages. One task
// is one KV head of one sequence's rows, up to a page's worth.
void Transformer::store_keys_values(int layer, const PackedLayer& weights,
                                    std::span<const SequenceRows> sequences) {
  constexpr int kTokensPerTask = 64;
  struct Task {
    const SequenceRows* sequence;
    int kv_head, first, end;
  };
  std::vector<Task> tasks;
  for (const SequenceRows& sequence : sequences) {
    const int count = static_cast<int>(sequence.positions.size());
    if (count == 0) continue;
    rope_.prepare(sequence.positions.front(), sequence.positions.back() + 1);
    for (int first = 0; first < count; first += kTokensPerTask) {
      for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
        tasks.push_back({&sequence, kv_head, first, std::min(count, first + kTokensPerTask)});
      }
    }
  }
  const auto run = [&](int index, int) {
    const Task& task = tasks[static_cast<std::size_t>(index)];
    for (int token = task.first; token < task.end; ++token) {
      store_row(layer, weights, *task.sequence, token, task.kv_head);
    }
  };
  if (rows_ < kRowsPerTask) {
    for (int task = 0; task < static_cast<int>(tasks.size()); ++task) run(task, 0);
  } else {
    threads_.parallel_for(static_cast<int>(tasks.size()), run);
  }
}

// Of the pages that the step's rows have filled.
void Transformer::bound_keys(int layer, std::span<const SequenceRows> sequences) {
  const auto run = [&](int kv_head, int) {
    for (const SequenceRows& sequence : sequences) {
      if (sequence.positions.empty()) continue;
      redknot::bound_keys(sequence.kv->table(layer, kv_head),
                          {sequence.positions.front(), sequence.positions.back() + 1}, pool_,
                          kernels_);
    }
  };
  if (rows_ < kRowsPerTask) {
    for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) run(kv_head, 0);
  } else {
    threads_.parallel_for(config_.kv_heads, run);
  }
}

void Transformer::store_row(int layer, const PackedLayer& weights, const SequenceRows& sequence,
                            int token, int kv_head) {
  const int dim = config_.head_dim;
  const int position = sequence.positions[static_cast<std::size_t>(token)];
  const PageRef& page = page_at(sequence.kv->table(layer, kv_head), position);
  REDKNOT_DCHECK(page.shift == 0 && pool_.reference_count(page.page) == 1);
  const std::ptrdiff_t at =
      (static_cast<std::ptrdiff_t>(sequence.first_row + token) * config_.kv_heads + kv_head) * dim;
  float* key = keys_.data() + at;
  if (config_.qk_norm) {
    kernels_.rms_norm(key, weights.key_norm.data(), config_.rms_norm_epsilon, dim, key);
  }
  float rotated[512];
  kernels_.rotate(key, rope_.at(position), dim, 1.0f, rotated);
  kernels_.write_slot(page_view(pool_, page.page), position - page.position, rotated,
                      values_.data() + at);
}

void Transformer::feed_forward(const PackedLayer& weights) {
  norm_rows(weights.ffn_norm, residual_, normed_);
  const auto ffn_width = static_cast<std::size_t>(config_.ffn_width);
  const Matmul inward[] = {product(weights.ffn.gate, normed_, gate_.data(), ffn_width),
                           product(weights.ffn.up, normed_, up_.data(), ffn_width)};
  multiply_all(threads_, kernels_, inward);
  for_rows(rows_, [&](int row) {
    kernels_.silu_multiply(gate_.row(row), up_.data() + static_cast<std::size_t>(row) * ffn_width,
                           config_.ffn_width);
    gate_.quantize(kernels_, row);
  });
  Matmul down =
      product(weights.ffn.down, gate_, residual_.data(), static_cast<std::size_t>(config_.width));
  down.accumulate = true;
  multiply_all(threads_, kernels_, {&down, 1});
}

// Softmax over all experts, the `experts_used` largest, ties to the lower index; their weights
// renormalised if the model says so. Rows of `chosen` are in falling order of weight.
void Transformer::choose_for_row(int row) {
  const auto experts = static_cast<std::size_t>(config_.experts);
  const auto used = static_cast<std::size_t>(config_.experts_used);
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

// Lists the rows of each expert, so that its weights are read once for all of them.
void Transformer::group_by_expert() {
  const int used = config_.experts_used;
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

void Transformer::choose_experts() {
  for_rows(rows_, [&](int row) { choose_for_row(row); });
  group_by_expert();
}

void Transformer::mixture(const PackedLayer& weights) {
  norm_rows(weights.ffn_norm, residual_, normed_);
  const Matmul router = product(weights.router, normed_, experts_.router.data(),
                                static_cast<std::size_t>(config_.experts));
  multiply_all(threads_, kernels_, {&router, 1});
  choose_experts();

  const auto ffn_width = static_cast<std::size_t>(config_.ffn_width);
  const auto width = static_cast<std::size_t>(config_.width);
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
      Matmul& matmul =
          inward.emplace_back(product(*matrix, normed_, out + at * ffn_width, ffn_width));
      matmul.rows = count;
      matmul.input_rows = experts_.rows.data() + at;
    }
    Matmul& down = outward.emplace_back(
        product(ffn.down, experts_.gate, experts_.down.data() + at * width, width));
    down.rows = count;
    down.input = experts_.gate.row(first);
    down.quantized = experts_.gate.quantized_from(first);
  }
  multiply_all(threads_, kernels_, inward);
  for_rows(rows_ * config_.experts_used, [&](int slot) {
    kernels_.silu_multiply(experts_.gate.row(slot),
                           experts_.up.data() + static_cast<std::size_t>(slot) * ffn_width,
                           config_.ffn_width);
    experts_.gate.quantize(kernels_, slot);
  });
  multiply_all(threads_, kernels_, outward);
  for_rows(rows_, [&](int row) {
    for (int choice = 0; choice < config_.experts_used; ++choice) {
      const std::size_t pair =
          static_cast<std::size_t>(row) * static_cast<std::size_t>(config_.experts_used) +
          static_cast<std::size_t>(choice);
      kernels_.add_scaled(
          residual_.row(row),
          experts_.down.data() + static_cast<std::size_t>(experts_.slots[pair]) * width,
          experts_.weights[pair], config_.width);
    }
  });
}

}  // namespace redknot
