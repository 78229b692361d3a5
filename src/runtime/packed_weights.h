// SPDX-License-Identifier: Apache-2.0
// PackedWeights: a model's weights as the forward pass wants them, matrices in panels
// (kernels/packed_matrix.h), vectors as floats. It owns the one allocation that they are packed
// into, once, when the engine loads a model. The engine's core owns it and the transformer reads
// it. It does not change after pack(), so any thread may read it at any time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/huge_buffer.h"
#include "base/thread_pool.h"
#include "kernels/packed_matrix.h"
#include "model/model.h"
#include "runtime/key_basis.h"

namespace redknot {

// y = W x + bias
struct Linear {
  PackedMatrix matrix;
  std::vector<float> bias;  // [outputs] or empty
};

struct PackedFfn {
  PackedMatrix gate, up;  // [intermediate_size, hidden_size]
  PackedMatrix down;      // [hidden_size, intermediate_size]
};

struct PackedLayer {
  std::vector<float> attention_norm, ffn_norm;  // [hidden_size]
  std::vector<float> query_norm, key_norm;      // [head_dim] or empty
  Linear query, key, value, attention_output;
  KeyBasis key_basis;
  PackedFfn ffn;                   // dense
  PackedMatrix router;             // MoE: [experts, hidden_size]
  std::vector<PackedFfn> experts;  // MoE
};

// What the matrices of a model are packed as.
struct MatrixFormats {
  bool integer = false, bf16 = false;  // some are
};

class PackedWeights {
 public:
  using Progress = std::function<void(std::string_view activity, double fraction)>;

  // Packs on all threads of `pool`; `model` must outlive the result (embedding rows stay in its
  // file). File pages that were read are given back as packing goes on. kResourceExhausted if the
  // memory is not there.
  static Result<PackedWeights> pack(const Model& model, ThreadPool& pool, const Progress& progress);

  // Bytes that pack would allocate.
  static std::size_t packed_bytes(const ModelWeights& weights);

  static MatrixFormats formats(const ModelWeights& weights);

  const std::vector<PackedLayer>& layers() const { return layers_; }
  const PackedMatrix& output() const { return output_; }
  const std::vector<float>& output_norm() const { return output_norm_; }
  std::size_t bytes() const { return buffer_.bytes().size(); }

  // out [hidden_size] = the embedding of a token. Requires a token below vocabulary_size.
  void embed(TokenId token, std::span<float> out) const;

 private:
  PackedWeights() = default;

  const TensorView* embedding_ = nullptr;  // in the model's file

  // Matrices lie in buffer_.
  std::vector<PackedLayer> layers_;
  PackedMatrix output_;
  std::vector<float> output_norm_;
  HugeBuffer buffer_;
};

}  // namespace redknot
