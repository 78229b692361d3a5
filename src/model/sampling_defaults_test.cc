// SPDX-License-Identifier: Apache-2.0
#include "model/sampling_defaults.h"

#include <limits>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/models/gguf_writer.h"

namespace redknot {
namespace {

using testing::HasSubstr;

template <typename Put>
SamplingDefaults of_gguf(Put put) {
  GgufWriter writer;
  put(writer);
  const auto file = writer.header();
  const auto gguf = Gguf::parse(file);
  if (!gguf.ok()) return {.refusal = "not a file: " + gguf.error().message()};
  return sampling_from_gguf(*gguf);
}

TEST(SamplingDefaults, OfAGgufFileAreThoseThatItNames) {
  const SamplingDefaults found = of_gguf([](GgufWriter& writer) {
    writer.put_number("general.sampling.temp", 0.7f);
    writer.put_integer("general.sampling.top_k", 20);
    writer.put_number("general.sampling.top_p", 0.8f);
    writer.put_number("general.sampling.min_p", 0.02f);
    writer.put_number("general.sampling.penalty_repeat", 1.05f);
    writer.put_integer("general.sampling.penalty_last_n", 128);
  });
  EXPECT_EQ(found.refusal, "");
  EXPECT_EQ(found.temperature, 0.7f);
  EXPECT_EQ(found.top_k, 20);
  EXPECT_EQ(found.top_p, 0.8f);
  EXPECT_EQ(found.min_p, 0.02f);
  EXPECT_EQ(found.repetition_penalty, 1.05f);
  EXPECT_EQ(found.penalty_tokens, 128);
  EXPECT_TRUE(of_gguf([](GgufWriter&) {}).empty());
}

TEST(SamplingDefaults, OfAFolderAreThoseThatItNames) {
  const SamplingDefaults found = sampling_from_json(
      R"({"do_sample": true, "temperature": 0.6, "top_k": -1, "top_p": 1, "eos_token_id": [1, 2],
          "min_p": null, "repetition_penalty": 1.1})");
  EXPECT_EQ(found.refusal, "");
  EXPECT_EQ(found.temperature, 0.6f);
  EXPECT_EQ(found.top_k, 0) << "-1 is off";
  EXPECT_EQ(found.top_p, 1.0f);
  EXPECT_EQ(found.repetition_penalty, 1.1f);
  EXPECT_FALSE(found.min_p || found.penalty_tokens);
  EXPECT_TRUE(sampling_from_json("").empty());
  EXPECT_EQ(sampling_from_json("").refusal, "");
}

TEST(SamplingDefaults, NonsenseIsRefusedByNameAndNothingIsTaken) {
  const auto check = [](const SamplingDefaults& found, const char* name) {
    EXPECT_THAT(found.refusal, HasSubstr(name));
    EXPECT_TRUE(found.empty()) << name;
  };
  check(sampling_from_json(R"({"top_k": 5, "temperature": -1})"), "temperature");
  check(sampling_from_json(R"({"temperature": 1e30})"), "temperature");
  check(sampling_from_json(R"({"temperature": "hot"})"), "temperature");
  check(sampling_from_json(R"({"top_p": 0})"), "top_p");
  check(sampling_from_json(R"({"top_k": 2.5})"), "top_k");
  check(sampling_from_json(R"({"top_k": 99999999999999999999})"), "top_k");
  check(sampling_from_json(R"({"min_p": 1.5})"), "min_p");
  check(sampling_from_json(R"({"repetition_penalty": 0})"), "repetition_penalty");
  check(sampling_from_json("[1]"), "generation_config.json");
  check(of_gguf([](GgufWriter& writer) {
          writer.put_number("general.sampling.temp", std::numeric_limits<float>::quiet_NaN());
        }),
        "general.sampling.temp");
  check(of_gguf([](GgufWriter& writer) { writer.put_text("general.sampling.top_k", "20"); }),
        "general.sampling.top_k");
}

TEST(SamplingDefaults, TakeThePlaceOfWhatTheyNameAlone) {
  const Sampling before{.temperature = 0.3f, .top_k = 7, .presence_penalty = 1};
  const Sampling after = with_defaults(before, {.temperature = 0.9f, .min_p = 0.1f});
  EXPECT_EQ(after.temperature, 0.9f);
  EXPECT_EQ(after.min_p, 0.1f);
  EXPECT_EQ(after.top_k, 7);
  EXPECT_EQ(after.presence_penalty, 1);
  EXPECT_EQ(with_defaults(before, {}), before);
}

}  // namespace
}  // namespace redknot
