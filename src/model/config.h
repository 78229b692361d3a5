// SPDX-License-Identifier: Apache-2.0
// What a model is, as far as arithmetic is concerned. Filled from GGUF metadata or config.json and
// checked there: every number here is in range and consistent with the tensors. A plain value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace redknot {

enum class Architecture { kLlama, kQwen2, kQwen3, kQwen3Moe };
std::string_view name(Architecture architecture);  // as GGUF spells it: "llama", "qwen3moe"

// Which pairs of a head's elements are rotated together: (2i, 2i+1), or (i, i + rope_dims/2).
enum class RopePairing { kInterleaved, kHalfSplit };

enum class RopeScaling { kNone, kLinear, kYarn, kLlama3 };
std::string_view name(RopeScaling scaling);  // "none", "linear", "yarn", "llama3"

struct RopeConfig {
  RopePairing pairing = RopePairing::kHalfSplit;
  RopeScaling scaling = RopeScaling::kNone;
  int dims = 0;                     // even, <= head_dim; elements beyond are not rotated
  double base = 10000.0;            // theta
  double factor = 1.0;              // linear, YaRN, Llama-3
  int original_context_tokens = 0;  // YaRN, Llama-3
  double yarn_beta_fast = 32.0;
  double yarn_beta_slow = 1.0;
  double yarn_magnitude = 1.0;  // factor on rotated queries and keys (cos and sin are scaled)
  // Llama-3: each frequency is divided by its entry [dims / 2] (GGUF rope_freqs.weight; computed
  // from low/high factors for Hugging Face folders). Empty otherwise.
  std::vector<float> frequency_divisors;
};

struct ModelConfig {
  Architecture architecture = Architecture::kLlama;
  std::string name;  // general.name, or the folder's name
  int layers = 0;
  int hidden_size = 0;
  int query_heads = 0;
  int kv_heads = 0;  // divides query_heads
  int head_dim = 0;
  int intermediate_size = 0;  // of the dense FFN, or of one expert for MoE
  int vocabulary_size = 0;    // rows of the embedding
  int context_tokens = 0;     // trained length
  float rms_norm_epsilon = 1e-5f;
  bool qk_norm = false;  // RMSNorm of each head's query and key before RoPE
  RopeConfig rope;
  int experts = 0;  // 0: dense FFN
  int experts_per_token = 0;
  bool renormalize_experts = true;  // weights of the chosen experts sum to 1

  int group_size() const { return query_heads / kv_heads; }
};

}  // namespace redknot
