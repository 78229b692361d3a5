// SPDX-License-Identifier: Apache-2.0
#include "tests/model_maker.h"

#include <gtest/gtest.h>

#include <random>
#include <span>

#include "base/error.h"
#include "base/file.h"
#include "base/thread_pool.h"
#include "heads/profile_file.h"
#include "model/fingerprint.h"
#include "model/model.h"

namespace redknot::tests {

ModelShape small_shape(Architecture architecture) {
  ModelShape shape{.name = "small",
                   .architecture = architecture,
                   .layers = 2,
                   .hidden_size = 64,
                   .query_heads = 4,
                   .kv_heads = 2,
                   .head_dim = 16,
                   .intermediate_size = 96,
                   .vocabulary_size = 300,
                   .context_tokens = 4096};
  if (architecture == Architecture::kQwen2) {
    shape.query_heads = 3;
    shape.kv_heads = 1;
    shape.tied = true;
  }
  if (architecture == Architecture::kQwen3) shape.head_dim = 24;
  if (architecture == Architecture::kQwen3Moe) {
    shape.experts = 6;
    shape.experts_per_token = 2;
  }
  return shape;
}

ModelOnDisk::ModelOnDisk(const RandomModelOptions& options) {
  const Status written = write_random_model(options, path_, [](double) {});
  EXPECT_TRUE(written.ok()) << written.error().message();
}

ProfileOnDisk::ProfileOnDisk(const ModelOnDisk& model, const std::vector<HeadPolicy>& policies) {
  const Model open = Model::open(model.path()).value();
  ThreadPool threads(1);
  ProfileFile file{.model_name = "test", .fingerprint = fingerprint(open, threads)};
  file.profile = uniform_profile(open.config().layers, open.config().kv_heads, {});
  for (std::size_t i = 0; i < file.profile.policies.size(); ++i) {
    file.profile.policies[i] = policies[i % policies.size()];
  }
  const std::string json = to_json(file);
  EXPECT_TRUE(write_file(path_, std::as_bytes(std::span(json))).ok());
}

std::vector<TokenId> random_tokens(int count, int vocabulary_size, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<TokenId> tokens;
  for (int i = 0; i < count; ++i) {
    tokens.push_back(
        TokenId{static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(vocabulary_size))});
  }
  return tokens;
}

}  // namespace redknot::tests
