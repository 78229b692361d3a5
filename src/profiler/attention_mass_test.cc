// SPDX-License-Identifier: Apache-2.0
#include "profiler/attention_mass.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "profiler/dense_comparison.h"
#include "runtime/page_read.h"
#include "tensor/half.h"
#include "tests/dense_forward.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

TEST(DistanceBins, DoubleUpToTheContext) {
  EXPECT_EQ(distance_bins(1), (std::vector<int>{0, 0, 1}));
  EXPECT_EQ(distance_bins(9), (std::vector<int>{0, 0, 1, 2, 4, 8, 9}));
  EXPECT_EQ(distance_bins(8), (std::vector<int>{0, 0, 1, 2, 4, 8}));
}

// The same by plain loops over every key of every row.
class NaiveMass : public AttentionObserver {
 public:
  NaiveMass(EngineCore& core, AttentionObserver& next)
      : core_(core),
        next_(next),
        bins_(distance_bins(core.context_tokens())),
        frequencies_(tests::rope_frequencies(core.model().config().rope)) {
    const ModelConfig& config = core.model().config();
    mass.assign(static_cast<std::size_t>(config.layers * config.kv_heads),
                std::vector<double>(bins_.size() - 1));
  }

  void attended(int layer, std::span<const SequenceRows> sequences, const float* queries,
                const float* outputs) override {
    next_.attended(layer, sequences, queries, outputs);
    const ModelConfig& config = core_.model().config();
    for (const SequenceRows& sequence : sequences) {
      for (std::size_t row = 0; row < sequence.positions.size(); ++row) {
        for (int head = 0; head < config.query_heads; ++head) {
          const std::size_t at =
              (static_cast<std::size_t>(sequence.first_row) + row) * config.query_heads + head;
          add(layer, head, sequence, sequence.positions[row], queries + at * config.head_dim);
        }
      }
    }
  }

  std::vector<std::vector<double>> mass;  // [layers x kv_heads][bins], sums over queries

 private:
  void add(int layer, int head, const SequenceRows& sequence, int position, const float* query) {
    const ModelConfig& config = core_.model().config();
    const int kv_head = head / config.group_size(), dim = config.head_dim;
    std::vector<double> rotated(query, query + dim);
    tests::rotate_dense(config.rope, frequencies_, position, rotated);
    std::vector<double> weights(static_cast<std::size_t>(position) + 1);
    for (const PageRef& page : sequence.table(layer, kv_head)) {
      const PageView view = page_view(core_.backend().memory(), page.frame);
      const auto* keys = reinterpret_cast<const std::uint16_t*>(view.keys);
      for (int slot = 0; slot < page.tokens && page.position + slot <= position; ++slot) {
        double score = 0;
        for (int i = 0; i < dim; ++i) {
          score += rotated[i] * f16_to_f32(keys[i * view.page_tokens + slot]);
        }
        weights[page.position + slot] = std::exp(score / std::sqrt(dim));
      }
    }
    const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
    for (int key = 0; key <= position; ++key) {
      std::size_t bin = 0;
      if (key >= kSinkTokens) {
        bin = 1;
        while (position - key >= bins_[bin + 1]) ++bin;
      }
      mass[layer * config.kv_heads + kv_head][bin] += weights[key] / total;
    }
  }

  EngineCore& core_;
  AttentionObserver& next_;
  std::vector<int> bins_;
  std::vector<double> frequencies_;
};

// Errors of a window are those of a local head's own output.
class NaiveErrors : public AttentionObserver {
 public:
  explicit NaiveErrors(const ModelConfig& config) : config_(config) {}
  void attended(int layer, std::span<const SequenceRows> sequences, const float*,
                const float* outputs) override {
    if (layer > 0) return;  // behind it, inputs differ
    for (const SequenceRows& sequence : sequences) {
      const std::size_t width = static_cast<std::size_t>(config_.query_heads) *
                                static_cast<std::size_t>(config_.head_dim);
      const float* first = outputs + static_cast<std::size_t>(sequence.first_row) * width;
      found.insert(found.end(), first, first + sequence.positions.size() * width);
    }
  }
  std::vector<float> found;  // of the first layer, [positions, query_heads * head_dim]

 private:
  const ModelConfig& config_;
};

TEST(AttentionMass, ErrorsAreThoseOfWindows) {
  const tests::ModelOnDisk model(
      {.shape = tests::small_shape(Architecture::kLlama), .type = "F32", .seed = 3});
  EngineOptions options;
  options.model = model.path();
  options.page_tokens = 16;
  options.context_tokens = 100;
  options.max_step_tokens = 40;
  auto comparison = DenseComparison::open(options);
  ASSERT_TRUE(comparison.ok()) << comparison.error().message();
  EngineCore& core = comparison->core();
  const ModelConfig& config = core.model().config();
  const ComparedText text{.tokens = tests::random_tokens(97, 300, 1), .first_compared = 96};
  constexpr int kFirstJudged = 50;
  AttentionMass mass(core, 40, kFirstJudged);
  core.backend().transformer().show(&mass);
  comparison->pass_dense(text.tokens);
  NaiveErrors dense(config);
  core.backend().transformer().show(&dense);
  comparison->pass_dense(text.tokens);
  const std::vector<int> bins = distance_bins(100);
  for (std::size_t bin = 1; bin + 1 < bins.size(); ++bin) {
    const HeadProfile local = uniform_profile(config.layers, config.kv_heads,
                                              {.head_class = HeadClass::kLocal,
                                               .sink_tokens = kSinkTokens,
                                               .window_tokens = bins[bin + 1]});
    NaiveErrors seen(config);
    core.backend().transformer().show(&seen);
    comparison->compare(text, local, {.dense = comparison->predict(text, 1000)});
    // predict() has shown itself, too.
    seen.found.erase(seen.found.begin(),
                     seen.found.begin() + static_cast<std::ptrdiff_t>(dense.found.size()));
    ASSERT_EQ(seen.found.size(), dense.found.size());
    const std::size_t width = dense.found.size() / 97;
    const std::size_t own = width / static_cast<std::size_t>(config.kv_heads);
    for (int head = 0; head < config.kv_heads; ++head) {
      double expected = 0;
      for (std::size_t position = kFirstJudged; position < 97; ++position) {
        for (std::size_t i = 0; i < own; ++i) {
          const std::size_t at = position * width + static_cast<std::size_t>(head) * own + i;
          expected += std::pow(static_cast<double>(seen.found[at]) - dense.found[at], 2);
        }
      }
      EXPECT_NEAR(mass.window_errors(0, head)[bin - 1], expected, 1e-6 + 1e-3 * expected) << bin;
    }
  }
  core.backend().transformer().show(nullptr);
}

TEST(AttentionMass, IsWhatPlainLoopsAddUp) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3}) {
    const tests::ModelOnDisk model(
        {.shape = tests::small_shape(architecture), .type = "F32", .seed = 3});
    EngineOptions options;
    options.model = model.path();
    options.page_tokens = 16;
    options.context_tokens = 100;
    options.max_step_tokens = 40;
    auto comparison = DenseComparison::open(options);
    ASSERT_TRUE(comparison.ok()) << comparison.error().message();
    EngineCore& core = comparison->core();
    AttentionMass mass(core, 40);
    EXPECT_EQ(mass.evidence(0, 0).windows, (std::array{0, 0, 0}));
    NaiveMass naive(core, mass);
    core.backend().transformer().show(&naive);
    comparison->pass_dense(tests::random_tokens(97, 300, 1));
    const ModelConfig& config = core.model().config();
    for (int layer = 0; layer < config.layers; ++layer) {
      for (int head = 0; head < config.kv_heads; ++head) {
        const HeadEvidence found = mass.evidence(layer, head);
        std::vector<double>& expected = naive.mass[layer * config.kv_heads + head];
        const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
        for (std::size_t bin = 0; bin < expected.size(); ++bin) {
          EXPECT_NEAR(found.mass[bin], expected[bin] / total, 1e-4) << bin;
        }
        EXPECT_LE(found.windows[0], found.windows[1]);
        EXPECT_LE(found.windows[1], found.windows[2]);
        EXPECT_GT(found.windows[0], 16);  // random weights look everywhere
      }
    }
  }
}

}  // namespace
}  // namespace redknot
