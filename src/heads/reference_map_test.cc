// SPDX-License-Identifier: Apache-2.0
#include "heads/reference_map.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <string>

namespace redknot {
namespace {

using testing::HasSubstr;

constexpr char kMap[] = R"({
  "num_layers": 2, "num_kv_heads": 3, "model": "any", "retrieval_top_p": 0.9,
  "kv_head_classification": [["local", "global", "retrieval"], ["streaming", "dense", "limited"]],
  "kv_head_max_distance": [[4096, -1, -1], [512, 0, 64]],
  "kv_head_sink_size": [[4, 4, 4], [0, 4, 8]]
})";

HeadPolicy local(int sink, int window) {
  return {.head_class = HeadClass::kLocal, .sink_tokens = sink, .window_tokens = window};
}

TEST(ReferenceMap, BecomesPolicies) {
  const auto found = parse_reference_map(kMap);
  ASSERT_TRUE(found.ok()) << found.error().message();
  EXPECT_EQ(found->layers, 2);
  EXPECT_EQ(found->kv_heads, 3);
  EXPECT_EQ(found->policies,
            (std::vector<HeadPolicy>{local(4, 4096), {}, {}, local(0, 512), {}, local(8, 64)}));
}

std::string changed(const std::string& from, const std::string& to) {
  std::string json = kMap;
  const std::size_t at = json.find(from);
  EXPECT_NE(at, std::string::npos);
  return json.replace(at, from.size(), to);
}

TEST(ReferenceMap, DenseLayersAndTheStandardSink) {
  const auto dense = parse_reference_map(changed("\"model\"", "\"dense_prefix_layers\": 1, \"m\""));
  ASSERT_TRUE(dense.ok());
  EXPECT_EQ(dense->policies[0], HeadPolicy{});
  EXPECT_EQ(dense->policies[3], local(0, 512));
  const auto standard = parse_reference_map(changed("kv_head_sink_size", "other"));
  ASSERT_TRUE(standard.ok());
  EXPECT_EQ(standard->policies[3], local(4, 512));
}

std::string refusal(const std::string& json) {
  const auto found = parse_reference_map(json);
  EXPECT_FALSE(found.ok());
  return found.ok() ? "" : found.error().message();
}

TEST(ReferenceMap, SaysWhatIsWrong) {
  EXPECT_THAT(refusal(changed("\"num_layers\": 2", "\"num_layers\": 3")),
              HasSubstr("2 rows, not 3"));
  EXPECT_THAT(refusal(changed("\"num_kv_heads\": 3", "\"num_kv_heads\": 2")),
              HasSubstr("[0] is not a list of 2 entries"));
  EXPECT_THAT(refusal(changed("streaming", "sleepy")), HasSubstr("[1][0] is \"sleepy\""));
  EXPECT_THAT(refusal(changed("4096", "-1")), HasSubstr("\"kv_head_max_distance\"[0][0]"));
  EXPECT_THAT(refusal(changed("4096", "1e40")), HasSubstr("\"kv_head_max_distance\"[0][0]"));
  EXPECT_THAT(refusal(changed("[0, 4, 8]", "0")), HasSubstr("\"kv_head_sink_size\"[1]"));
  EXPECT_THAT(refusal("[]"), HasSubstr("not a JSON object"));
  EXPECT_THAT(refusal("{}"), HasSubstr("num_layers"));
}

TEST(ReferenceMap, NoDamageEndsTheProgram) {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = kMap;
    for (int j = 0; j <= i % 3; ++j)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (const auto found = parse_reference_map(damaged); found.ok()) {
      EXPECT_EQ(found->policies.size(), static_cast<std::size_t>(found->layers) * found->kv_heads);
    }
  }
}

}  // namespace
}  // namespace redknot
