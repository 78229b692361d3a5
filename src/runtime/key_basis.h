// SPDX-License-Identifier: Apache-2.0
// KeyBasis: the coordinates in which quantised pages hold the keys of a layer. Keys and queries of
// float pages stay as they are.
//
// What rounding a key to few bits does to its scores is least where keys and queries are equally
// large in every pair of elements that RoPE rotates together: keys are divided by the root of what
// is usual of the pair's keys over what is usual of its queries, queries are multiplied with it
// (adr/0022). Both elements of a pair share the factor, so it commutes with the rotation, and a
// page stays valid under any shift. Then a Hadamard transform of both spreads what is left of
// outliers over the head, but where queries select pages: bounds of elements say less behind it.
//
// PackedWeights owns one for each layer, made when weights are packed; any thread may read it.
#pragma once

#include <vector>

#include "base/thread_pool.h"
#include "heads/head_profile.h"
#include "kernels/kernels.h"
#include "model/model.h"

namespace redknot {

struct KeyBasis {
  std::vector<float> key_factors, query_factors;  // [kv_heads, head_dim]; each other's inverse
};

// By what the weights of a layer say of its keys and queries: the weights of each head's norm where
// it has norms, else biases and the lengths of rows, for inputs that are as large as the norm
// before makes them and otherwise even. Reads the layer's key and query matrices.
KeyBasis key_basis(const ModelConfig& config, const LayerWeights& weights, ThreadPool& threads);

// Whether pages hold values behind a Hadamard transform, which is taken back of what attention adds
// up of them.
constexpr bool mixes_values(KvFormat format) { return value_element(format) == KvElement::kInt4; }

// What is to be done to a rotated key, or query, of one head before it meets the head's pages.
class BasisChange {
 public:
  BasisChange() = default;  // nothing
  static BasisChange of_keys(const KeyBasis& basis, const HeadPolicy& policy, int kv_head,
                             int head_dim) {
    return {basis.key_factors, policy, kv_head, head_dim};
  }
  static BasisChange of_queries(const KeyBasis& basis, const HeadPolicy& policy, int kv_head,
                                int head_dim) {
    return {basis.query_factors, policy, kv_head, head_dim};
  }

  // x [head_dim], in place.
  void apply(const Kernels& kernels, float* x) const;

 private:
  BasisChange(const std::vector<float>& factors, const HeadPolicy& policy, int kv_head,
              int head_dim);

  const float* factors_ = nullptr;  // [head_dim]; null: nothing is to be done
  bool mixes_ = false;              // with a Hadamard transform
  int head_dim_ = 0;
};

}  // namespace redknot
