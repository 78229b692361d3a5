// SPDX-License-Identifier: Apache-2.0
#include "heads/profile_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace redknot {
namespace {

using testing::HasSubstr;

MeasuredText text_of(std::string description) {
  return {.description = std::move(description),
          .sha256 = std::string(64, 'a'),
          .tokens = 1234,
          .context_tokens = 512,
          .page_tokens = 64,
          .dense_bytes = 1 << 20};
}

ProfileTrial trial_of(std::size_t bytes, double kl) {
  return {.kv_bytes = bytes,
          .kv_bytes_read = bytes / 2,
          .divergence = {.positions = 100,
                         .kl_mean = kl,
                         .kl_p99 = 2 * kl,
                         .kl_p999 = 3 * kl,
                         .same_top1 = 0.99,
                         .perplexity_ratio = 1.01}};
}

ProfileFile measured_file() {
  ProfileFile file{.model_name = "a \"model\"",
                   .fingerprint = "sha256:00",
                   .profile = uniform_profile(2, 3, {}),
                   .calibration = text_of("corpus, seed 7"),
                   .budget_kl = 0.005,
                   .curve = {trial_of(1000, 0.01), trial_of(2000, 0.001)},
                   .validation = text_of("corpus, seed 8"),
                   .validated = trial_of(1500, 0.004)};
  file.profile.policies[4] = {.head_class = HeadClass::kLocal,
                              .sink_tokens = 4,
                              .window_tokens = 64,
                              .kv_format = KvFormat::kQ8};
  file.profile.policies[5] = {
      .head_class = HeadClass::kRetrieval, .sink_tokens = 4, .window_tokens = 128, .top_pages = 9};
  file.profile.policies[2].context_bound = false;
  file.profile.policies[3].kv_format = KvFormat::kK8V4;
  file.reuse = ReuseTrial{.description = "corpus, seed 9",
                          .policy = "knot",
                          .ratio = 0.125,
                          .questions = 200,
                          .page_tokens = 16,
                          .kl_mean = 0.0625,
                          .same_top1 = 0.75};
  file.heads.assign(6, {.mass = {0.25, 0.5, 0.25},
                        .windows = {8, 64, 400},
                        .prefix_shift = 0.125,
                        .effect_kl = 0.001,
                        .effect_heads = 3});
  return file;
}

ProfileFile imported_file() {
  return {.model_name = "m",
          .fingerprint = "sha256:00",
          .profile = uniform_profile(
              1, 2, {.head_class = HeadClass::kLocal, .sink_tokens = 0, .window_tokens = 1})};
}

TEST(ProfileFile, IsReadBackAsItWasWritten) {
  for (const ProfileFile& file : {measured_file(), imported_file()}) {
    const auto read = parse_profile(to_json(file));
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(*read, file);
  }
}

TEST(ProfileFile, HasALineForEveryHead) {
  const std::string json = to_json(measured_file());
  EXPECT_THAT(json, HasSubstr("\n    {\"layer\":1,\"kv_head\":1,\"class\":\"local\",\"sink\":4,"));
}

std::string refusal(const std::string& from, const std::string& to) {
  std::string json = to_json(measured_file());
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  const auto read = parse_profile(json.replace(at, from.size(), to));
  EXPECT_FALSE(read.ok()) << to;
  return read.ok() ? "" : read.error().message();
}

TEST(ProfileFile, SaysWhatIsWrong) {
  EXPECT_THAT(refusal("redknot head profile", "recipe"), HasSubstr("\"format\" is \"recipe\""));
  EXPECT_THAT(refusal("\"version\": 1", "\"version\": 2"), HasSubstr("version 2"));
  EXPECT_THAT(refusal("\"layers\":2", "\"layers\":3"), HasSubstr("3 layers x 3 KV heads"));
  EXPECT_THAT(refusal("\"layers\":2", "\"layers\":-1"), HasSubstr("\"model\".layers"));
  EXPECT_THAT(refusal("\"local\"", "\"nearby\""), HasSubstr("global, local"));
  EXPECT_THAT(refusal("\"window\":64", "\"window\":0"), HasSubstr("\"heads\"[4].window"));
  EXPECT_THAT(refusal("\"window\":64", "\"window\":1e99"), HasSubstr("\"heads\"[4].window"));
  EXPECT_THAT(refusal("\"kl_mean\":0.01", "\"kl_mean\":-1"), HasSubstr("kl_mean"));
  EXPECT_THAT(refusal("\"kv_head\":1", "\"kv_head\":2"), HasSubstr("\"heads\"[1].kv_head"));
  EXPECT_THAT(refusal("\"mass\":[0.25", "\"mass\":[\"x\""), HasSubstr("mass"));
  EXPECT_FALSE(parse_profile("").ok());
  EXPECT_FALSE(parse_profile("[]").ok());
}

TEST(ProfileFile, NoDamageToTheTextEndsTheProgram) {
  const std::string json = to_json(measured_file());
  std::mt19937 random(5);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = json;
    for (int j = 0; j <= i % 3; ++j) {
      const std::size_t at = random() % damaged.size();
      if (random() % 4 == 0) {
        damaged.erase(at, random() % 40);
      } else {
        damaged[at] = static_cast<char>(random());
      }
    }
    if (const auto read = parse_profile(damaged); read.ok()) {
      EXPECT_EQ(read->profile.policies.size(),
                static_cast<std::size_t>(read->profile.layers) * read->profile.kv_heads);
    }
  }
}

}  // namespace
}  // namespace redknot
