// SPDX-License-Identifier: Apache-2.0
#include "tests/model_maker.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <random>

#include "base/error.h"

namespace redknot::tests {

ModelShape small_shape(Architecture architecture) {
  ModelShape shape{.name = "small",
                   .architecture = architecture,
                   .layers = 2,
                   .width = 64,
                   .query_heads = 4,
                   .kv_heads = 2,
                   .head_dim = 16,
                   .ffn_width = 96,
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
    shape.experts_used = 2;
  }
  return shape;
}

ModelOnDisk::ModelOnDisk(const RandomModelOptions& options) {
  static std::atomic<int> next{0};
  path_ = std::filesystem::path(testing::TempDir()) /
          concat("redknot-", ::getpid(), "-", next.fetch_add(1), ".gguf");
  const Status written = write_random_model(options, path_, [](double) {});
  EXPECT_TRUE(written.ok()) << written.error().message();
}

ModelOnDisk::~ModelOnDisk() {
  std::error_code ignored;
  std::filesystem::remove(path_, ignored);
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
