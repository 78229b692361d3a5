// SPDX-License-Identifier: Apache-2.0
// A Model is a model file, opened: it owns the mapped bytes, the configuration and the vocabulary,
// and has the weights as views into those bytes.
//
// Model::open checks everything that later code relies on: the architecture is one we run, every
// tensor of it is present, has the expected shape and lies inside the file. The engine opens one
// and keeps it; so do the verbs that only look into files. Move-only and immutable after open;
// const methods may be called from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/config.h"
#include "model/vocabulary.h"
#include "redknot/result.h"
#include "redknot/sampling.h"
#include "tensor/dtype.h"

namespace redknot {

// A matrix [rows, columns], row-major, in the mapped file; columns is the reduction dimension of
// the product (a linear layer's inputs). A vector has one row. Absent tensors have no bytes.
struct TensorView {
  std::string name;  // as in the file
  DType dtype = DType::kF32;
  int rows = 0;
  int columns = 0;
  std::span<const std::byte> bytes;

  bool present() const { return !bytes.empty(); }
  std::span<const std::byte> row(int index) const;
  std::vector<float> floats() const;  // all elements; empty if absent
};

struct ExpertWeights {
  TensorView gate, up;  // [intermediate_size, hidden_size]
  TensorView down;      // [hidden_size, intermediate_size]
};

struct LayerWeights {
  TensorView attention_norm;                    // [1, hidden_size]
  TensorView query, key, value;                 // [heads * head_dim, hidden_size]
  TensorView query_bias, key_bias, value_bias;  // [1, heads * head_dim]; may be absent
  TensorView query_norm, key_norm;              // [1, head_dim]; present iff config.qk_norm
  TensorView attention_output;                  // [hidden_size, query_heads * head_dim]
  TensorView attention_output_bias;             // [1, hidden_size]; may be absent
  TensorView ffn_norm;                          // [1, hidden_size]
  ExpertWeights ffn;                            // dense FFN; absent for MoE
  TensorView router;                            // [experts, hidden_size]; MoE only
  std::vector<ExpertWeights> experts;           // MoE only
};

struct ModelWeights {
  TensorView token_embedding;  // [vocabulary_size, hidden_size]
  TensorView output_norm;      // [1, hidden_size]
  TensorView output;           // [vocabulary_size, hidden_size]; the embedding itself when tied
  bool tied = false;
  std::vector<LayerWeights> layers;
};

// One line of `inspect`'s table of tensors.
struct TensorListing {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;  // outermost first
  std::size_t bytes;
};

class Model {
 public:
  // Opens a GGUF file, or a folder with config.json, *.safetensors and tokenizer.json.
  // kNotFound, kIo; kCorrupt naming field and offset; kUnsupported naming the architecture, type or
  // scaling, with the list of what runs.
  static Result<Model> open(const std::filesystem::path& path);
  Model(Model&&) noexcept;
  Model& operator=(Model&&) noexcept;
  ~Model();

  const ModelConfig& config() const;
  const Vocabulary& vocabulary() const;
  const SamplingDefaults& sampling() const;
  const ModelWeights& weights() const;
  const std::vector<TensorListing>& tensors() const;
  const std::string& format() const;  // "GGUF v3", "Hugging Face folder"
  std::size_t file_bytes() const;

  // Tells the system that a tensor's bytes are not needed for now (see MappedFile::drop).
  void drop(const TensorView& tensor) const;

 private:
  struct State;
  explicit Model(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace redknot
