// SPDX-License-Identifier: Apache-2.0
#include "engine/capacity.h"

#include <gtest/gtest.h>

#include <optional>

#include "tests/model_maker.h"

namespace redknot {
namespace {

class CapacityTest : public testing::Test {
 protected:
  CapacityTest() {
    options_.model = model_.path();
    options_.page_tokens = 16;
    options_.context_tokens = 1000;
    options_.max_step_tokens = 64;
    options_.kv = KvFormat::kF16;
    options_.kv_bytes = std::size_t{4} << 20;
  }

  // A profile of this model whose heads have these policies, in turn.
  void use_profile(const std::vector<HeadPolicy>& policies) {
    profile_.emplace(model_, policies);
    options_.profile = profile_->path();
    options_.kv = std::nullopt;
  }

  tests::ModelOnDisk model_{
      {.shape = tests::small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 1}};
  std::optional<tests::ProfileOnDisk> profile_;
  EngineOptions options_;
};

// 2 layers x 2 KV heads x 63 pages of 16 x 16 x 2 halves.
constexpr std::size_t kDenseBytes = std::size_t{2} * 2 * 63 * 1024;

TEST_F(CapacityTest, DenseSessionsAreTheBytesDivided) {
  const auto found = measure_capacity(options_);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->bytes_per_session, kDenseBytes);
  EXPECT_EQ(found->sessions, static_cast<int>(options_.kv_bytes / kDenseBytes));
}

TEST_F(CapacityTest, LocalHeadsMakeRoom) {
  const HeadPolicy local{.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 32};
  use_profile({HeadPolicy{}, local, local, local});
  const auto found = measure_capacity(options_);
  ASSERT_TRUE(found.ok()) << found.error().message();
  // The sink's page, and 3 pages that the window touches: tokens 968..999.
  const std::size_t bytes = std::size_t{63 + 3 * (1 + 3)} * 1024;
  EXPECT_EQ(found->bytes_per_session, bytes);
  // One session's peak: windows and a chunk.
  const std::size_t peak = std::size_t{3} * 5 * 1024;
  EXPECT_GE(found->sessions, static_cast<int>((options_.kv_bytes - peak) / bytes) - 1);
  EXPECT_LE(found->sessions, static_cast<int>(options_.kv_bytes / found->bytes_per_session));
}

TEST_F(CapacityTest, FormatsShareTheBytes) {
  const HeadPolicy local{.head_class = HeadClass::kLocal,
                         .sink_tokens = 4,
                         .window_tokens = 32,
                         .kv_format = KvFormat::kQ8};
  use_profile({HeadPolicy{}, local});
  const auto found = measure_capacity(options_);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_GT(found->sessions, static_cast<int>(options_.kv_bytes / kDenseBytes));
}

TEST_F(CapacityTest, TooLittleMemoryHoldsNoSession) {
  for (const std::size_t bytes : {kDenseBytes - 1, std::size_t{1}}) {
    options_.kv_bytes = bytes;
    const auto found = measure_capacity(options_);
    ASSERT_TRUE(found.ok()) << found.error().message();
    EXPECT_EQ(found->sessions, 0);
    EXPECT_EQ(found->bytes_per_session, kDenseBytes);
  }
}

}  // namespace
}  // namespace redknot
