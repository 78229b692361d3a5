// SPDX-License-Identifier: Apache-2.0
#include "base/json_fields.h"

#include <gtest/gtest.h>

#include <string>

namespace redknot {
namespace {

using Json = nlohmann::json;

template <typename T>
std::string error_of(const Result<T>& result) {
  return result.ok() ? "no error" : result.error().message();
}

TEST(JsonFields, CallsFieldsByTheirPlace) {
  const Json document = {{"size", "large"}, {"part", {{"size", 1.5}}}};
  const JsonFields fields(document);
  EXPECT_EQ(error_of(fields.integer("size", 0, 9)), "\"size\" is not an integer in 0..9");
  EXPECT_EQ(error_of(fields.text("name")), "there is no \"name\"");
  const auto part = fields.object("part");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(error_of(part->integer("size", 0, 9)), "\"part\".size is not an integer in 0..9");
  EXPECT_EQ(error_of(JsonFields(document["size"], "\"size\"").text("x")),
            "\"size\" is not an object");
  EXPECT_EQ(fields.text("part").error().code(), ErrorCode::kInvalidArgument);
}

TEST(JsonFields, CallsFieldsOfFilesByTheFileToo) {
  const Json document = {{"size", "large"}};
  const auto fields = JsonFields<Json>::of_file(document, "config.json: part");
  const auto size = fields.optional_integer("size");
  EXPECT_EQ(error_of(size), "config.json: part: size is not an integer");
  EXPECT_EQ(size.error().code(), ErrorCode::kCorrupt);
}

TEST(JsonFields, WhatMayBeMissingMayBeNull) {
  const Json document = {{"null", nullptr}, {"text", "a"}, {"number", 1.5}, {"flag", true}};
  const JsonFields fields(document);
  for (const char* name : {"null", "absent"}) {
    EXPECT_EQ(fields.find(name), nullptr);
    EXPECT_EQ(fields.optional_text(name).value(), std::nullopt);
    EXPECT_EQ(fields.optional_integer(name).value(), std::nullopt);
    EXPECT_EQ(fields.optional_number(name).value(), std::nullopt);
    EXPECT_EQ(fields.optional_boolean(name).value(), std::nullopt);
  }
  EXPECT_EQ(fields.optional_text("text").value(), "a");
  EXPECT_EQ(fields.optional_number("number").value(), 1.5);
  EXPECT_EQ(fields.optional_boolean("flag").value(), true);
  EXPECT_EQ(error_of(fields.optional_integer("number")), "\"number\" is not an integer");
  EXPECT_EQ(error_of(fields.optional_text("flag")), "\"flag\" is not a string");
}

TEST(JsonFields, WhatMustBeThereMayNotBeNull) {
  const Json document = {{"null", nullptr}};
  const JsonFields fields(document);
  EXPECT_EQ(error_of(fields.text("null")), "\"null\" is not a string");
  EXPECT_EQ(error_of(fields.boolean("null", true)), "\"null\" is not true or false");
  EXPECT_EQ(fields.boolean("absent", true).value(), true);
  EXPECT_TRUE(fields.has("null"));
  EXPECT_TRUE(fields.is_null("null"));
  EXPECT_FALSE(fields.is_null("absent"));
}

TEST(JsonFields, NumbersKeepTheirRange) {
  const Json document = Json::parse(R"({"huge": 18446744073709551615, "below": -1, "nine": 9})");
  const JsonFields fields(document);
  EXPECT_EQ(fields.integer("nine", 9, 9).value(), 9);
  for (const char* name : {"huge", "below"}) {
    EXPECT_EQ(error_of(fields.integer(name, 0, 9)),
              concat("\"", name, "\" is not an integer in 0..9"));
  }
  EXPECT_EQ(error_of(fields.optional_integer("huge")), "\"huge\" is not an integer");
  EXPECT_EQ(fields.optional_integer("below").value(), -1);
  EXPECT_EQ(error_of(fields.number("below")), "\"below\" is -1, not >= 0");
}

TEST(JsonFields, ListsHaveALimit) {
  const Json document = {{"list", {1, 2, 3}}};
  const JsonFields fields(document);
  EXPECT_TRUE(fields.list("list", 3).ok());
  EXPECT_EQ(error_of(fields.list("list", 2)), "\"list\" has more than 2 entries");
}

TEST(JsonFields, MembersOfWhatIsNoObjectAreNull) {
  const Json document = {{"a", {{"b", 1}}}, {"list", {1}}};
  EXPECT_EQ(member_of(member_of(document, "a"), "b"), 1);
  EXPECT_TRUE(member_of(member_of(document, "list"), "b").is_null());
  EXPECT_TRUE(member_of(member_of(document, "absent"), "b").is_null());
}

}  // namespace
}  // namespace redknot
