// SPDX-License-Identifier: Apache-2.0
// Models of known shapes with random weights, as GGUF files: for tests that need no download, and
// for measuring speed, which does not depend on what the weights say.
//
// Weights are scaled so that activations stay near one and the entropy of the next token is neither
// 0 nor that of a uniform choice. The vocabulary is a byte-level BPE that can tokenize any text.
// Equal options give equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"
#include "redknot/result.h"
#include "tensor/dtype.h"

namespace redknot {

struct ModelShape {
  std::string_view name;
  Architecture architecture = Architecture::kLlama;
  int layers = 0, hidden_size = 0, query_heads = 0, kv_heads = 0, head_dim = 0;
  int intermediate_size = 0;  // of one expert, where there are experts
  int vocabulary_size = 0, context_tokens = 0;
  bool tied = false;
  float rope_base = 10000.0f;
  float epsilon = 1e-5f;
  float llama3_factor = 0.0f;  // of RoPE scaling; 0: none
  int experts = 0, experts_per_token = 0;
};

// "smollm2-135m", "qwen3-0.6b", ..., and "tiny-llama" and its kin, which every type can hold.
std::span<const ModelShape> known_shapes();
// nullptr if there is none of the name.
const ModelShape* find_shape(std::string_view name);

struct RandomModelOptions {
  ModelShape shape;
  std::string type = "Q8_0";  // a dtype's name, or "Q4_K_M"
  bool pure = false;          // all matrices of the type; else the output as llama-quantize has it
  std::uint64_t seed = 1;
};

// kInvalidArgument for an unknown type or a shape that cannot be; kIo. `progress` is often called
// with the fraction written.
Status write_random_model(const RandomModelOptions& options, const std::filesystem::path& path,
                          const std::function<void(double)>& progress);

// The same file in memory, for small shapes.
Result<std::vector<std::byte>> random_model_bytes(const RandomModelOptions& options);

}  // namespace redknot
