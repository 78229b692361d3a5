// SPDX-License-Identifier: Apache-2.0
#include "runtime/transformer.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "runtime/ffn_select.h"

namespace redknot {
namespace {

// The Euclidean length of a row.
float length_of(const float* row, int count) {
  double sum = 0.0;
  for (int i = 0; i < count; ++i) sum += static_cast<double>(row[i]) * row[i];
  return static_cast<float>(std::sqrt(sum));
}

}  // namespace

Transformer::Transformer(const ModelConfig& config, const PackedWeights& weights,
                         PageMemory& memory, const Kernels& kernels, ThreadPool& threads,
                         const TransformerOptions& options)
    : config_(config),
      weights_(weights),
      kernels_(kernels),
      threads_(threads),
      options_(options),
      rope_(config.rope),
      attention_({config.query_heads, config.kv_heads, config.head_dim}, memory, kernels, threads,
                 rope_),
      key_values_(config, memory, kernels, threads, rope_, options.max_rows),
      feed_forward_(config, kernels, threads, options.max_rows, options.activations),
      flops_(config) {
  rows_ = allocate();
}

Transformer::RowValues Transformer::allocate() const {
  const int rows = options_.max_rows;
  const int query_floats = config_.query_heads * config_.head_dim;
  return {.residual = Activations(rows, config_.hidden_size, ActivationFormat::kExact),
          .normed = Activations(rows, config_.hidden_size, options_.activations),
          .attended = Activations(rows, query_floats, options_.activations),
          .queries = std::vector<float>(static_cast<std::size_t>(rows) *
                                        static_cast<std::size_t>(query_floats)),
          .logits = std::vector<float>(static_cast<std::size_t>(options_.max_logit_rows) *
                                       static_cast<std::size_t>(config_.vocabulary_size))};
}

StepOutput Transformer::run(const StepRows& step) {
  const std::size_t rows = step.tokens.size();
  REDKNOT_CHECK(static_cast<int>(rows) <= options_.max_rows);
  REDKNOT_CHECK(static_cast<int>(step.logit_rows.size()) <= options_.max_logit_rows);
  ActiveRows active(step.sequences, step.depths, step.logit_rows, config_.layers);
  REDKNOT_CHECK(active.count() == static_cast<int>(rows));
  StepOutput output;
  output.slices.resize(step.sequences.size());
  flops_.begin(rows);
  const auto hidden_size = static_cast<std::size_t>(config_.hidden_size);
  for_rows(threads_, active.count(), [&](int row) {
    weights_.embed(step.tokens[static_cast<std::size_t>(row)],
                   {rows_.residual.row(row), hidden_size});
  });
  for (int layer = 0; layer < config_.layers && active.count() > 0; ++layer) {
    project(layer, active);
    measure_deviations(layer, active, output);
    compact(active.keep(layer));
    if (active.count() == 0) break;
    attend(layer, active);
    measure_page_mass(layer, active, output);
    feed_forward(layer, active, step.ffn_groups);
  }
  output.logits = logits_of(step.logit_rows, active);
  for (std::size_t i = 0; i < step.sequences.size(); ++i) {
    const SequenceRows& sequence = step.sequences[i];
    output.slices[i].flops =
        flops_.sum(sequence.first_row, static_cast<int>(sequence.positions.size()));
  }
  return output;
}

std::span<const float> Transformer::logits_of(std::span<const int> rows, const ActiveRows& active) {
  const auto vocabulary = static_cast<std::size_t>(config_.vocabulary_size);
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto found = std::lower_bound(active.rows().begin(), active.rows().end(), rows[i]);
    const auto from = static_cast<int>(found - active.rows().begin());
    const auto to = static_cast<int>(i);
    kernels_.rms_norm(rows_.residual.row(from), weights_.output_norm().data(),
                      config_.rms_norm_epsilon, config_.hidden_size, rows_.normed.row(to));
    rows_.normed.round(kernels_, to);
  }
  flops_.add_logits(rows);
  const Matmul head = product_of(weights_.output(), rows_.normed, static_cast<int>(rows.size()),
                                 rows_.logits.data(), vocabulary);
  multiply_all(threads_, kernels_, {&head, 1});
  return {rows_.logits.data(), rows.size() * vocabulary};
}

void Transformer::norm_rows(const std::vector<float>& weight, int rows) {
  for_rows(threads_, rows, [&](int row) {
    kernels_.rms_norm(rows_.residual.row(row), weight.data(), config_.rms_norm_epsilon,
                      config_.hidden_size, rows_.normed.row(row));
    rows_.normed.round(kernels_, row);
  });
}

void Transformer::project(int layer, const ActiveRows& active) {
  const PackedLayer& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  norm_rows(weights.attention_norm, active.count());
  std::vector<Matmul> projections;
  const bool some_pass = std::any_of(active.depths().begin(), active.depths().end(),
                                     [layer](int depth) { return depth > layer; });
  if (some_pass) {
    const int query_width = config_.query_heads * config_.head_dim;
    const auto query_floats = static_cast<std::size_t>(query_width);
    Matmul& query = projections.emplace_back(product_of(
        weights.query.matrix, rows_.normed, active.count(), rows_.queries.data(), query_floats));
    if (!weights.query.bias.empty()) query.bias = weights.query.bias.data();
    flops_.add_query(active.rows());
  }
  key_values_.plan(layer, weights, active, rows_.normed, projections);
  for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
    flops_.add_key_value(active.rows(), key_values_.projected(kv_head));
  }
  multiply_all(threads_, kernels_, projections);
  key_values_.store(layer, weights, active);
}

void Transformer::attend(int layer, const ActiveRows& active) {
  const PackedLayer& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  const float* queries = rows_.queries.data();
  if (config_.qk_norm) norm_queries(weights, active.count());
  attention_.run(layer, weights.key_basis, active.sequences(), queries, rows_.attended.data());
  flops_.add_attention(active.rows(), attention_.attended());
  if (observer_ != nullptr) {
    observer_->attended(layer, active.sequences(), queries, rows_.attended.data());
  }
  add_attention_output(weights, active.count());
  flops_.add_attention_output(active.rows());
}

void Transformer::add_attention_output(const PackedLayer& weights, int rows) {
  for_rows(threads_, rows, [&](int row) { rows_.attended.round(kernels_, row); });
  Matmul product = product_of(weights.attention_output.matrix, rows_.attended, rows,
                              rows_.residual.data(), static_cast<std::size_t>(config_.hidden_size));
  product.accumulate = true;
  if (!weights.attention_output.bias.empty()) product.bias = weights.attention_output.bias.data();
  multiply_all(threads_, kernels_, {&product, 1});
}

void Transformer::compact(std::span<const int> kept) {
  const int query_width = config_.query_heads * config_.head_dim;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    const auto to = static_cast<int>(i);
    if (kept[i] == to) continue;
    std::copy_n(rows_.residual.row(kept[i]), config_.hidden_size, rows_.residual.row(to));
    std::copy_n(rows_.queries.data() + static_cast<std::ptrdiff_t>(kept[i]) * query_width,
                query_width, rows_.queries.data() + static_cast<std::ptrdiff_t>(to) * query_width);
  }
}

// Of the rows that end at this layer, before they are dropped.
void Transformer::measure_deviations(int layer, const ActiveRows& active,
                                     StepOutput& output) const {
  for (std::size_t i = 0; i < active.sequences().size(); ++i) {
    const SequenceRows& sequence = active.sequences()[i];
    if (sequence.measure != Measure::kDeviation) continue;
    const auto first = static_cast<std::size_t>(sequence.first_row);
    for (std::size_t row = first; row < first + sequence.positions.size(); ++row) {
      if (active.depths()[row] != layer) continue;
      output.slices[i].deviations.push_back(key_values_.deviations()[row]);
    }
  }
}

void Transformer::measure_page_mass(int layer, const ActiveRows& active, StepOutput& output) const {
  for (std::size_t i = 0; i < active.sequences().size(); ++i) {
    if (active.sequences()[i].measure != Measure::kPageMass) continue;
    SliceResult& own = output.slices[i];
    for (int kv_head = 0; kv_head < config_.kv_heads; ++kv_head) {
      const std::span<const std::int64_t> mass = attention_.page_mass(i, kv_head);
      if (mass.empty()) continue;
      own.page_mass.resize(mass.size() *
                           static_cast<std::size_t>(config_.layers * config_.kv_heads));
      const int head = layer * config_.kv_heads + kv_head;
      std::copy(mass.begin(), mass.end(),
                own.page_mass.begin() + head * static_cast<std::ptrdiff_t>(mass.size()));
    }
  }
}

void Transformer::norm_queries(const PackedLayer& weights, int rows) {
  const int dim = config_.head_dim;
  for_rows(threads_, rows, [&](int row) {
    for (int head = 0; head < config_.query_heads; ++head) {
      float* query = rows_.queries.data() +
                     (static_cast<std::ptrdiff_t>(row) * config_.query_heads + head) * dim;
      kernels_.rms_norm(query, weights.query_norm.data(), config_.rms_norm_epsilon, dim, query);
    }
  });
}

std::vector<int> Transformer::ffn_rows(int layer, const ActiveRows& active,
                                       std::span<const FfnGroup> groups) {
  std::vector<std::uint8_t> marks(static_cast<std::size_t>(active.count()), 1);
  const std::span<const int> rows = active.rows();
  for (const FfnGroup& group : groups) {
    if (layer < group.sparse.dense_until) continue;
    const auto at = [&rows](int row) {
      return std::lower_bound(rows.begin(), rows.end(), row) - rows.begin();
    };
    const auto first = static_cast<std::size_t>(at(group.first_row));
    const auto count = static_cast<std::size_t>(at(group.first_row + group.rows)) - first;
    std::vector<float> scores(count);
    for (std::size_t i = 0; i < count; ++i) {
      scores[i] = length_of(rows_.attended.row(static_cast<int>(first + i)),
                            config_.query_heads * config_.head_dim);
    }
    const std::span<std::uint8_t> own = std::span(marks).subspan(first, count);
    std::fill(own.begin(), own.end(), std::uint8_t{0});
    const bool deep = layer >= group.sparse.deep_start;
    mark_by_mass(scores, deep ? group.sparse.mass_deep : group.sparse.mass, group.recent_rows, own);
  }
  std::vector<int> chosen;
  for (std::size_t row = 0; row < marks.size(); ++row) {
    if (marks[row] != 0) chosen.push_back(static_cast<int>(row));
  }
  return chosen;
}

void Transformer::feed_forward(int layer, const ActiveRows& active,
                               std::span<const FfnGroup> groups) {
  const PackedLayer& weights = weights_.layers()[static_cast<std::size_t>(layer)];
  if (!groups.empty()) {
    const std::vector<int> chosen = ffn_rows(layer, active, groups);
    if (static_cast<int>(chosen.size()) < active.count()) {
      feed_forward_.run(weights, rows_.residual, chosen);
      flops_.add_feed_forward(active.rows(), chosen);
      return;
    }
  }
  feed_forward_.run(weights, rows_.residual, active.count());
  flops_.add_feed_forward(active.rows());
}

}  // namespace redknot
