// SPDX-License-Identifier: Apache-2.0
// The coordinates of quantised keys: that scores stay what they are, that they follow from the
// weights as the formula says, and that rounding costs less in them.
#include "runtime/key_basis.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "runtime/rope_table.h"
#include "runtime/transformer_test.h"

namespace redknot {
namespace {

using namespace transformer_test;

double dot(const Floats& a, const Floats& b) {
  double sum = 0.0;
  for (std::size_t d = 0; d < a.size(); ++d) sum += static_cast<double>(a[d]) * b[d];
  return sum;
}

KeyBasis basis_of(const OpenModel& model, int layer) {
  ThreadPool threads(2);
  return key_basis(model.config, model.model.weights().layers[static_cast<std::size_t>(layer)],
                   threads);
}

constexpr HeadPolicy kQuantised = {.kv_format = KvFormat::kQ8};

TEST(KeyBasisTest, FloatPagesHoldKeysAsTheyAre) {
  const OpenModel model = small(Architecture::kQwen2, "F32");
  const int dim = model.config.head_dim;
  const KeyBasis basis = basis_of(model, 0);
  for (const KvFormat format : {KvFormat::kF16, KvFormat::kF32}) {
    Random random(1);
    const Floats key = random.normals(static_cast<std::size_t>(dim));
    Floats changed = key;
    const HeadPolicy policy{.kv_format = format};
    BasisChange::of_keys(basis, policy, 0, dim).apply(kReferenceKernels, changed.data());
    BasisChange::of_queries(basis, policy, 0, dim).apply(kReferenceKernels, changed.data());
    EXPECT_TRUE(same_bits(changed, key));
  }
}

TEST(KeyBasisTest, FactorsArePositiveAndThoseOfAPairAreEqual) {
  for (const Architecture architecture : kArchitectures) {
    const OpenModel model = small(architecture, "F32");
    const ModelConfig& config = model.config;
    const KeyBasis basis = basis_of(model, 1);
    const int dim = config.head_dim, half = config.rope.dims / 2;
    ASSERT_EQ(static_cast<int>(basis.key_factors.size()), config.kv_heads * dim);
    for (int i = 0; i < config.kv_heads * dim; ++i) {
      const auto at = static_cast<std::size_t>(i);
      ASSERT_GT(basis.key_factors[at], 0.0f);
      ASSERT_NEAR(basis.key_factors[at] * basis.query_factors[at], 1.0f, 1e-6f);
      if (i % dim >= half) continue;
      const bool interleaved = config.rope.pairing == RopePairing::kInterleaved;
      const int pair = i % dim;
      const int first = i - pair + (interleaved ? 2 * pair : pair);
      const int second = i - pair + (interleaved ? 2 * pair + 1 : pair + half);
      ASSERT_EQ(basis.key_factors[static_cast<std::size_t>(first)],
                basis.key_factors[static_cast<std::size_t>(second)]);
    }
  }
}

// The mean squares of both elements of a pair, over many inputs as a norm gives them.
TEST(KeyBasisTest, KeysAndQueriesOfAPairAreEquallyLargeInIt) {
  const OpenModel model = small(Architecture::kQwen2, "F32");
  const ModelConfig& config = model.config;
  const LayerWeights& weights = model.model.weights().layers[0];
  const KeyBasis basis = basis_of(model, 0);
  const std::vector<float> norm = weights.attention_norm.floats();
  Random random(7);
  const auto width = static_cast<std::size_t>(config.hidden_size);
  const auto project = [&](const TensorView& matrix, const TensorView& bias, int output,
                           const Floats& input) {
    Floats row(width);
    dequantize(matrix.dtype, matrix.row(output), row);
    return dot(row, input) + bias.floats()[static_cast<std::size_t>(output)];
  };
  const int dim = config.head_dim, kv_head = config.kv_heads - 1;
  for (const int pair : {0, dim / 4}) {
    const bool interleaved = config.rope.pairing == RopePairing::kInterleaved;
    const int d = interleaved ? 2 * pair : pair, other = interleaved ? d + 1 : d + dim / 2;
    double keys = 0.0, queries = 0.0;
    for (int sample = 0; sample < 4000; ++sample) {
      Floats input = random.normals(width);
      for (std::size_t i = 0; i < width; ++i) input[i] *= norm[i];
      for (const int element : {d, other}) {
        const double key = project(weights.key, weights.key_bias, kv_head * dim + element, input);
        keys += key * key;
        for (int i = 0; i < config.group_size(); ++i) {
          const int head = kv_head * config.group_size() + i;
          const double query =
              project(weights.query, weights.query_bias, head * dim + element, input);
          queries += query * query / config.group_size();
        }
      }
    }
    const float factor = basis.query_factors[static_cast<std::size_t>(kv_head * dim + d)];
    EXPECT_NEAR(std::pow(keys / queries, 0.25), factor, 0.02 * factor) << "pair " << pair;
  }
}

class KeyBasisKernels : public KernelsTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, KeyBasisKernels, ::testing::ValuesIn(available_kernels()),
                         table_name);

// Keys with a large constant in a few pairs, as biases give them, and queries that hardly ask for
// these.
TEST_P(KeyBasisKernels, ScoresStayAndRoundingCostsLess) {
  constexpr int kDim = 64, kTokens = 64;
  KeyBasis basis;
  for (int d = 0; d < kDim; ++d) {
    const float factor = d % 32 == 5 || d % 32 == 17 ? 8.0f : 1.0f;
    basis.key_factors.push_back(1.0f / factor);
    basis.query_factors.push_back(factor);
  }
  RopeConfig config;
  config.dims = kDim;
  RopeTable rope(config);
  rope.prepare(0, kTokens);
  const auto errors = [&](const HeadPolicy& policy, bool in_basis) {
    const PageParts page(KvFormat::kQ8, kTokens, kDim);
    Random random(3);
    double squares = 0.0;
    for (int token = 0; token < kTokens; ++token) {
      Floats key = random.normals(kDim), query = random.normals(kDim);
      for (std::size_t d = 0; d < key.size(); ++d) {
        const float factor = basis.query_factors[d];
        key[d] += factor > 1.0f ? 64.0f : 0.0f;
        query[d] /= factor;
      }
      kernels().rotate(key.data(), rope.at(token), kDim, 1.0f, key.data());
      kernels().rotate(query.data(), rope.at(kTokens - 1), kDim, 1.0f, query.data());
      const double exact = dot(query, key);
      if (in_basis) {
        BasisChange::of_keys(basis, policy, 0, kDim).apply(kernels(), key.data());
        BasisChange::of_queries(basis, policy, 0, kDim).apply(kernels(), query.data());
        EXPECT_NEAR(dot(query, key), exact, 1e-3);
      }
      kernels().write_slot(page.view(), token, key.data(), key.data());
      double score = 0.0;
      for (int d = 0; d < kDim; ++d) {
        score += query[static_cast<std::size_t>(d)] * page.key(token, d);
      }
      squares += (score - exact) * (score - exact);
    }
    return squares;
  };
  const double plain = errors(kQuantised, false);
  const HeadPolicy selecting{.head_class = HeadClass::kRetrieval,
                             .window_tokens = 1,
                             .kv_format = KvFormat::kQ8,
                             .top_pages = 1};
  EXPECT_LT(errors(selecting, true), plain / 10);
  EXPECT_LT(errors(kQuantised, true), plain / 10);
}

}  // namespace
}  // namespace redknot
