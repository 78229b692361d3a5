// SPDX-License-Identifier: Apache-2.0
// A model from bytes: all that Model::open does once its files are mapped. Views point into the
// bytes, which must outlive them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/model.h"
#include "model/vocabulary_files.h"
#include "redknot/result.h"

namespace redknot {

struct ModelParts {
  ModelConfig config;
  Vocabulary vocabulary;
  SamplingDefaults sampling;
  ModelWeights weights;
  std::vector<TensorListing> tensors;
  std::string format;
};

Result<ModelParts> model_from_gguf(std::span<const std::byte> file);

struct HuggingFaceModelFiles {
  HuggingFaceTokenizerFiles tokenizer;             // with config.json
  std::vector<std::span<const std::byte>> shards;  // safetensors
};
Result<ModelParts> model_from_huggingface(const HuggingFaceModelFiles& files);

// The safetensors files that model.safetensors.index.json names, each once: plain file names only.
Result<std::vector<std::string>> shard_names(std::string_view index_json);

// What both formats end with: checks the vocabulary against the embedding and binds the weights.
struct WeightRules;
Result<ModelParts> assemble(ModelParts parts, const WeightRules& rules,
                            std::span<const StoredTensor> tensors);

}  // namespace redknot
