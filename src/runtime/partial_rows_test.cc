// SPDX-License-Identifier: Apache-2.0
// Rows that pass some of the layers, give keys to some of the heads or skip feed-forward networks:
// what the others get stays as it is, and what is measured on the way is true.
#include <cmath>
#include <numeric>

#include "runtime/transformer_test.h"

namespace redknot {
namespace {

using namespace transformer_test;

class PartialRows : public TransformerTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, PartialRows, ::testing::ValuesIn(available_kernels()),
                         table_name);

// A plan of tokens at [first, ...) of one sequence; logits of the last.
StepPlan plan_of(const Tokens& tokens, int first) {
  StepPlan plan;
  const int count = static_cast<int>(tokens.size());
  plan.tokens = tokens;
  plan.positions.resize(tokens.size());
  std::iota(plan.positions.begin(), plan.positions.end(), first);
  plan.slices = {{SequenceId{}, 0, count}};
  return plan;
}

// Appends pages of a donor from its first on, for all heads.
void adopt_all(SequenceKv& kv, const SequenceKv& donor, int tokens) {
  const HeadProfile& profile = kv.profile();
  for (int head = 0; head < profile.layers * profile.kv_heads; ++head) {
    const int layer = head / profile.kv_heads, kv_head = head % profile.kv_heads;
    std::vector<PageId> pages;
    for (const PageRef& page : donor.table(layer, kv_head)) pages.push_back(page.page);
    kv.adopt(layer, kv_head, pages, tokens, kv.length());
  }
  kv.advance(tokens);
}

TEST_P(PartialRows, WithoutLogitsNeedNotPassTheLastLayer) {
  for (const Architecture architecture : kArchitectures) {
    const OpenModel model = small(architecture, "Q8_0");
    Machine machine(model, local_profile(model), on(2));
    const Tokens tokens = random_tokens(40, model.vocabulary(), 1);
    const Floats all = machine.compute(tokens);
    SequenceKv kv = machine.sequence();
    ASSERT_TRUE(kv.extend(40).ok());
    StepPlan plan = plan_of(tokens, 0);
    plan.depths.assign(40, model.config.layers - 1);
    plan.logit_rows = {7, 39};
    const Floats found = machine.run(plan, kv);
    EXPECT_TRUE(same_bits(machine.rows(found, 0, 1), machine.rows(all, 7, 1)));
    EXPECT_TRUE(same_bits(machine.rows(found, 1, 1), machine.rows(all, 39, 1)));
    const Tokens next = random_tokens(3, model.vocabulary(), 2);
    Tokens both = tokens;
    both.insert(both.end(), next.begin(), next.end());
    EXPECT_TRUE(same_bits(machine.compute(kv, next), machine.rows(machine.compute(both), 40, 3)));
  }
}

// Recovered tokens end at the deepest layer where a head takes what they give.
// Heads of 24 are projected together, heads of 32 each for its own rows.
void end_where_no_head_takes(int head_dim, const MachineOptions& options) {
  ModelShape shape = small_shape(Architecture::kQwen3);
  shape.head_dim = head_dim;
  const OpenModel model({.shape = shape, .type = "F32", .pure = true, .seed = 5});
  const HeadProfile profile = global_profile(model);
  Machine machine(model, profile, options);
  const int heads = model.config.kv_heads;
  const Tokens text = random_tokens(32, model.vocabulary(), 1);
  const Tokens before = random_tokens(16, model.vocabulary(), 2);
  const Tokens ending = random_tokens(5, model.vocabulary(), 3);
  SequenceKv donor = machine.sequence();
  machine.compute(donor, text);
  const auto own = tests::dense_kv(model.config, model.model.weights(), profile, text);
  for (int depth = 0; depth < model.config.layers; ++depth) {
    SequenceKv kv = machine.sequence();
    machine.compute(kv, before);
    adopt_all(kv, donor, 32);
    tests::ReusedKv reused;
    for (int head = 0; head < model.config.layers * heads; ++head) {
      const auto at = static_cast<std::size_t>(head);
      reused.keys.push_back({16, std::vector<double>()});
      reused.keys.back().insert(reused.keys.back().end(), own.keys[at].begin(), own.keys[at].end());
      reused.values.push_back({16, std::vector<double>()});
      reused.values.back().insert(reused.values.back().end(), own.values[at].begin(),
                                  own.values[at].end());
      // In layers up to `depth` every head but one takes what its second page gives.
      if (head / heads > depth || head == 1) continue;
      const PositionRange second{32, 48};
      ASSERT_TRUE(kv.recover(head / heads, head % heads, {&second, 1}).ok());
      for (std::size_t i = 32; i < 48; ++i) {
        reused.keys.back()[i].clear();
        reused.values.back()[i].clear();
      }
    }
    StepPlan plan = plan_of(Tokens(text.begin() + 16, text.end()), 32);
    plan.depths.assign(16, depth);
    machine.run(plan, kv);
    const Floats found = machine.compute(kv, ending);

    Tokens active = before;
    active.insert(active.end(), text.begin() + 16, text.end());
    active.insert(active.end(), ending.begin(), ending.end());
    std::vector<int> positions(active.size());
    std::iota(positions.begin(), positions.begin() + 16, 0);
    std::iota(positions.begin() + 16, positions.end(), 32);
    std::vector<double> expected = tests::composed_logits(model.config, model.model.weights(),
                                                          profile, active, positions, reused);
    expected.erase(expected.begin(), expected.end() - static_cast<std::ptrdiff_t>(found.size()));
    EXPECT_LE(largest_difference(found, expected), kFloatTolerance) << "depth " << depth;
  }
}

TEST_P(PartialRows, EndWhereNoHeadTakesWhatTheyGive) {
  for (const int head_dim : {24, 32}) {
    SCOPED_TRACE(head_dim);
    end_where_no_head_takes(head_dim, on(2));
  }
}

TEST_P(PartialRows, OfSparseNetworksAgreeWithTheSlowForwardPass) {
  for (const Architecture architecture : {Architecture::kQwen3, Architecture::kQwen3Moe}) {
    const OpenModel model = small(architecture, "F32");
    const HeadProfile profile = global_profile(model);
    Machine machine(model, profile, on(2));
    const Tokens tokens = random_tokens(30, model.vocabulary(), 4);
    const SparseFfn sparse{.dense_until = 1, .mass = 0.6f, .deep_start = 2, .mass_deep = 0.3f};
    SequenceKv kv = machine.sequence();
    ASSERT_TRUE(kv.extend(30).ok());
    StepPlan plan = plan_of(tokens, 0);
    for (int row = 0; row < 30; ++row) plan.logit_rows.push_back(row);
    plan.ffn_groups = {{.first_row = 2, .rows = 10, .recent_rows = 3, .sparse = sparse},
                       {.first_row = 12, .rows = 9, .recent_rows = 0, .sparse = sparse}};
    const auto passes = [&](int layer, const std::vector<std::vector<double>>& attended) {
      std::vector<bool> out(attended.size(), true);
      for (const FfnGroup& group : plan.ffn_groups) {
        if (layer < sparse.dense_until) continue;
        const double mass = layer >= sparse.deep_start ? sparse.mass_deep : sparse.mass;
        std::vector<std::pair<double, int>> lengths;
        double total = 0;
        for (int row = group.first_row; row < group.first_row + group.rows; ++row) {
          const auto& one = attended[static_cast<std::size_t>(row)];
          const double squares = std::inner_product(one.begin(), one.end(), one.begin(), 0.0);
          lengths.emplace_back(-std::sqrt(squares), row);
          total += std::sqrt(squares);
        }
        std::sort(lengths.begin(), lengths.end());
        double held = 0;
        for (const auto& [length, row] : lengths) {
          const bool recent = row >= group.first_row + group.rows - group.recent_rows;
          out[static_cast<std::size_t>(row)] = held < mass * total || recent;
          held -= length;
        }
      }
      return out;
    };
    std::vector<int> positions(30);
    std::iota(positions.begin(), positions.end(), 0);
    tests::ReusedKv nothing;
    nothing.keys.resize(profile.policies.size());
    nothing.values.resize(profile.policies.size());
    EXPECT_LE(
        largest_difference(machine.run(plan, kv),
                           tests::composed_logits(model.config, model.model.weights(), profile,
                                                  tokens, positions, nothing, passes)),
        kFloatTolerance);
  }
}

TEST_P(PartialRows, OfNetworksOfAllMassAndSelectedRowsKeepTheirBits) {
  for (const Architecture architecture : {Architecture::kLlama, Architecture::kQwen3Moe}) {
    OpenModel model = small(architecture, "Q8_0");
    Machine machine(model, global_profile(model), on(2));
    const Tokens tokens = random_tokens(30, model.vocabulary(), 5);
    const Floats dense = machine.compute(tokens);
    const auto run = [&](float mass, int recent) {
      SequenceKv kv = machine.sequence();
      EXPECT_TRUE(kv.extend(30).ok());
      StepPlan plan = plan_of(tokens, 0);
      for (int row = 0; row < 30; ++row) plan.logit_rows.push_back(row);
      plan.ffn_groups = {{.first_row = 0,
                          .rows = 30,
                          .recent_rows = recent,
                          .sparse = {.dense_until = model.config.layers - 1, .mass = mass}}};
      return machine.run(plan, kv);
    };
    EXPECT_TRUE(same_bits(run(1.0f, 0), dense));
    // Only the last layer is sparse, so that rows before it are dense; these are selected in it.
    const Floats sparse = run(0.05f, 6);
    EXPECT_FALSE(same_bits(sparse, dense));
    EXPECT_TRUE(same_bits(machine.rows(sparse, 24, 6), machine.rows(dense, 24, 6)));
  }
}

// `tolerance`: relative, for what the format rounds.
void measure_deviations(KvFormat format, double tolerance, const MachineOptions& options) {
  const OpenModel model = small(Architecture::kQwen3, "F32");
  const HeadProfile profile = global_profile(model, format);
  Machine machine(model, profile, options);
  const Tokens text = random_tokens(20, model.vocabulary(), 1);
  const Tokens before = random_tokens(16, model.vocabulary(), 2);
  SequenceKv donor = machine.sequence();
  machine.compute(donor, text);
  SequenceKv kv = machine.sequence();
  machine.compute(kv, before);
  adopt_all(kv, donor, 20);
  StepPlan plan = plan_of(Tokens(text.begin() + 3, text.begin() + 18), 19);
  plan.depths.assign(15, 1);
  plan.slices[0].measure = Measure::kDeviation;
  const StepResult output = machine.run_all(plan, kv);
  ASSERT_EQ(output.slices[0].deviations.size(), 15u);

  // In layer 0 keys and values do not depend on what stands before, so the rows in between may be
  // the reused ones: values of layer 1 are those of a dense pass over all of it.
  Tokens all = before;
  all.insert(all.end(), text.begin(), text.end());
  const ModelWeights& weights = model.model.weights();
  const tests::ReusedKv there = tests::dense_kv(model.config, weights, profile, all);
  const tests::ReusedKv stored = tests::dense_kv(model.config, weights, profile, text);
  for (std::size_t i = 0; i < 15; ++i) {
    double expected = 0;
    for (int kv_head = 0; kv_head < model.config.kv_heads; ++kv_head) {
      const auto head = static_cast<std::size_t>(model.config.kv_heads + kv_head);
      for (std::size_t d = 0; d < static_cast<std::size_t>(model.config.head_dim); ++d) {
        expected += std::pow(there.values[head][19 + i][d] - stored.values[head][3 + i][d], 2);
      }
    }
    EXPECT_NEAR(output.slices[0].deviations[i], expected, tolerance * expected + 1e-6);
  }
}

TEST_P(PartialRows, ThatMeasureDeviationWriteNothingAndSayHowFarValuesAre) {
  for (const auto& [format, tolerance] :
       {std::pair{KvFormat::kF32, 1e-3}, std::pair{KvFormat::kQ8, 0.05},
        std::pair{KvFormat::kK8V4, 0.3}}) {
    SCOPED_TRACE(name(format));
    measure_deviations(format, tolerance, on());
  }
}

TEST_P(PartialRows, AreCountedByWhatTheyTake) {
  const OpenModel model = small(Architecture::kQwen3, "Q8_0");
  const ModelConfig& config = model.config;
  Machine machine(model, global_profile(model), on());
  const Tokens tokens = random_tokens(10, model.vocabulary(), 1);
  SequenceKv kv = machine.sequence();
  ASSERT_TRUE(kv.extend(10).ok());
  StepPlan plan = plan_of(tokens, 0);
  plan.depths.assign(10, config.layers - 1);
  plan.logit_rows = {9};
  const double query_width = config.query_heads * config.head_dim;
  const double key_value = 4.0 * config.hidden_size * config.kv_heads * config.head_dim;
  const double query = 2.0 * config.hidden_size * query_width;
  const double rest = query + 6.0 * config.hidden_size * config.intermediate_size;
  // Rows 0..9 see 1..10 positions; the last layer runs for the last row alone, but for its queries.
  const double pairs = (config.layers - 1) * 55.0 + 10.0;
  const double expected = 10.0 * config.layers * (key_value + query) +
                          (10.0 * (config.layers - 1) + 1) * rest + 4.0 * query_width * pairs +
                          2.0 * config.hidden_size * config.vocabulary_size;
  EXPECT_DOUBLE_EQ(machine.run_all(plan, kv).slices[0].flops, expected);
}

}  // namespace
}  // namespace redknot
