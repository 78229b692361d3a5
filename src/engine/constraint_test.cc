// SPDX-License-Identifier: Apache-2.0
// Answers that have to meet a constraint, through the public header alone, of a small random model
// that knows nothing of JSON.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "redknot/redknot.h"
#include "tests/answers.h"
#include "tests/model_maker.h"

namespace redknot {
namespace {

using nlohmann::json;
using tests::Answer;
using tests::answer;
using tests::ModelOnDisk;
using tests::small_engine;
using tests::small_shape;

constexpr char kPerson[] = R"({"type": "object", "properties": {
    "name": {"type": "string", "minLength": 1, "maxLength": 6},
    "kind": {"enum": ["cat", "dog", null]},
    "age": {"type": "integer", "minimum": 0, "maximum": 99},
    "tags": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3}},
    "required": ["name", "kind", "age"], "additionalProperties": false})";

class ConstraintTest : public testing::Test {
 protected:
  static Request request(const Constraint& constraint, std::uint64_t seed) {
    Request out = tests::greedy_request(10, seed);
    out.constraint = constraint;
    out.max_tokens = 150;
    out.ignore_end = false;
    out.sampling.temperature = 1.5f;
    out.sampling.seed = seed;
    return out;
  }

  ModelOnDisk model_{{.shape = small_shape(Architecture::kLlama), .type = "Q8_0", .seed = 7}};
  Engine engine_ = Engine::open(small_engine(model_.path())).value();
};

void expect_person(const std::string& text) {
  const json value = json::parse(text, nullptr, false);
  ASSERT_TRUE(value.is_object()) << text;
  EXPECT_GE(value.at("name").get<std::string>().size(), 1u);
  EXPECT_GE(value.at("age").get<int>(), 0);
  EXPECT_LE(value.at("age").get<int>(), 99);
  EXPECT_TRUE(value.at("kind").is_null() || value.at("kind") == "cat" || value.at("kind") == "dog");
  for (const json& tag : value.value("tags", json::array())) EXPECT_TRUE(tag.is_boolean());
  EXPECT_EQ(value.size(), 3u + value.count("tags"));
}

TEST_F(ConstraintTest, AnswersAtHighTemperatureMeetTheSchemaAndStop) {
  const Constraint constraint = Constraint::json_schema(kPerson).value();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(seed);
    Request one = request(constraint, seed);
    one.ignore_end = seed % 2 == 0;
    one.sampling.top_k = seed % 3 == 0 ? 0 : 40;
    const Answer got = answer(engine_, one);
    EXPECT_EQ(got.finish, FinishReason::kStop);
    expect_person(got.text);
  }
}

TEST_F(ConstraintTest, GreedyAnswersMeetTheSchemaToo) {
  Request one = request(Constraint::json_schema(kPerson).value(), 3);
  one.sampling.temperature = 0;
  const Answer got = answer(engine_, one);
  EXPECT_EQ(got.finish, FinishReason::kStop);
  expect_person(got.text);
  EXPECT_TRUE(answer(engine_, one) == got);
}

TEST_F(ConstraintTest, OtherRequestsBesideItChangeNothing) {
  const Constraint constraint = Constraint::json_schema(kPerson).value();
  const Answer alone = answer(engine_, request(constraint, 5));
  Generation free = engine_.generate(tests::greedy_request(20, 8)).value();
  Generation constrained = engine_.generate(request(constraint, 5)).value();
  Generation other = engine_.generate(request(Constraint::json_object(), 6)).value();
  EXPECT_TRUE(tests::read_all(constrained) == alone);
}

TEST_F(ConstraintTest, AValueThatMayGoOnEndsWithATokenThatEndsAnswersOnly) {
  Request one = request(Constraint::json_schema(R"({"type": "integer"})").value(), 1);
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    one.sampling.seed = seed;
    one.ignore_end = seed % 2 == 0;
    const Answer got = answer(engine_, one);
    EXPECT_EQ(got.finish, FinishReason::kStop);
    EXPECT_TRUE(json::parse(got.text, nullptr, false).is_number_integer()) << got.text;
    if (one.ignore_end && got.text != "0") {
      EXPECT_EQ(got.text.size(), 18u + (got.text[0] == '-'));
    }
  }
}

TEST_F(ConstraintTest, FramesStandAroundTheValue) {
  const auto constraint =
      Constraint::framed("<call>\n", R"({"const": [1, "\u00e9"]})", "\n</call>");
  const Answer got = answer(engine_, request(constraint.value(), 2));
  ASSERT_EQ(got.finish, FinishReason::kStop);
  ASSERT_EQ(got.text.rfind("<call>\n", 0), 0u) << got.text;
  const std::string value = got.text.substr(7, got.text.size() - 7 - 8);
  EXPECT_EQ(json::parse(value, nullptr, false), json::parse("[1, \"\\u00e9\"]")) << got.text;
  EXPECT_EQ(got.text.substr(got.text.size() - 8), "\n</call>");
}

TEST_F(ConstraintTest, LogProbabilitiesAreTheModelsOwn) {
  Request one = request(Constraint::json_schema(R"({"const": 7})").value(), 4);
  one.sampling.log_probabilities = 0;
  const Answer got = answer(engine_, one);
  ASSERT_EQ(got.log_probabilities.size(), 1u);
  EXPECT_LT(got.log_probabilities[0], -0.5f);  // 0 if it were among those that are allowed
}

TEST_F(ConstraintTest, WhatBiasForbidsCannotBeSaid) {
  Request one = request(Constraint::json_schema(R"({"const": 7})").value(), 4);
  const auto tokens = engine_.tokenizer()->tokenize("7", false, false).value();
  ASSERT_EQ(tokens.size(), 1u);
  one.sampling.logit_bias = {{tokens[0], -std::numeric_limits<float>::infinity()}};
  const Answer got = answer(engine_, one);
  EXPECT_EQ(got.finish, FinishReason::kError);
  ASSERT_TRUE(got.error);
  EXPECT_EQ(got.error->code(), ErrorCode::kInvalidArgument);
}

TEST_F(ConstraintTest, AnAnswerThatIsCutShortSaysSo) {
  Request one = request(Constraint::json_schema(kPerson).value(), 4);
  one.max_tokens = 3;
  EXPECT_EQ(answer(engine_, one).finish, FinishReason::kLength);
}

}  // namespace
}  // namespace redknot
