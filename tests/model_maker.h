// SPDX-License-Identifier: Apache-2.0
// Random models for tests, small enough to be written, opened and packed in milliseconds. A
// ModelOnDisk owns a file or folder that is there as long as the object; tests make one on their
// stack, on one thread, and engines read it from any.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "model/config.h"
#include "model/vocabulary.h"
#include "tests/models/random_model.h"
#include "tests/temp_folder.h"

namespace redknot::tests {

// Two layers of hidden size 64 with a vocabulary of 300 tokens. Head sizes and groups differ
// between the architectures: llama 4 query heads over 2 of 16, qwen2 3 over 1 of 16 (48 columns: no
// multiple of a quantised block), qwen3 4 over 2 of 24, qwen3moe 6 experts of which 2 are used.
ModelShape small_shape(Architecture architecture);

// A model file in a temporary folder, as long as the object lives. A model that is open stays
// usable after that: its bytes are mapped.
class ModelOnDisk {
 public:
  explicit ModelOnDisk(const RandomModelOptions& options);
  const std::filesystem::path& path() const { return path_; }

 private:
  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "model.gguf";
};

// A profile of a model on disk whose heads have these policies, in turn; in a temporary folder,
// as long as the object lives.
class ProfileOnDisk {
 public:
  ProfileOnDisk(const ModelOnDisk& model, const std::vector<HeadPolicy>& policies);
  const std::filesystem::path& path() const { return path_; }

 private:
  TempFolder folder_;
  std::filesystem::path path_ = folder_ / "profile.json";
};

// Token ids in [0, vocabulary_size). Equal seeds give equal tokens.
std::vector<TokenId> random_tokens(int count, int vocabulary_size, std::uint64_t seed);

}  // namespace redknot::tests
