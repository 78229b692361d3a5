// SPDX-License-Identifier: Apache-2.0
#include "chat/fields.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace redknot::chat {
namespace {

using ::testing::HasSubstr;

std::string why_not(const std::string& body) {
  const Read<Json> json = parse_json(body);
  return json.ok() ? "" : json.error().message;
}

TEST(ParseJson, KeepsTheOrderOfKeysAndWhatStringsHold) {
  const std::string text =
      R"({"z":1,"a":[true,null,-2,1.5,"x\u0000y"],"m":{"k":18446744073709551615}})";
  const Read<Json> json = parse_json(text);
  ASSERT_TRUE(json.ok());
  EXPECT_EQ(dump_json(*json), text);
}

TEST(ParseJson, RefusesWhatIsNotJsonNamingTheByte) {
  EXPECT_THAT(why_not(R"({"a": tru})"), HasSubstr("body is not valid JSON"));
  EXPECT_THAT(why_not(R"({"a": tru})"), HasSubstr("at byte 10"));
  EXPECT_THAT(why_not("{\"a\": \"\xff\"}"), HasSubstr("UTF-8"));
  EXPECT_THAT(why_not("{\"a\": \"\xed\xa0\x80\"}"), HasSubstr("UTF-8"));
  for (const char* body : {"", "{", "[1,]", "{}x", "{\"a\":1e400}", "nul", "{\"a\" 1}", "[01]"}) {
    EXPECT_THAT(why_not(body), HasSubstr("body is not valid JSON")) << body;
  }
}

TEST(ParseJson, RefusesAKeyThatComesTwice) {
  EXPECT_THAT(why_not(R"({"n": 1, "n": 2})"), HasSubstr("the key \"n\" comes twice"));
  EXPECT_EQ(why_not(R"({"n": {"n": 2}, "m": [{"n": 1}, {"n": 1}]})"), "");
}

TEST(ParseJson, RefusesMoreThanItsDepth) {
  const std::string open(kMaxJsonDepth, '['), close(kMaxJsonDepth, ']');
  EXPECT_EQ(why_not(open + close), "");
  EXPECT_THAT(why_not("[" + open + close + "]"), HasSubstr("more than 64 deep"));
  EXPECT_THAT(why_not(std::string(1'000'000, '[')), HasSubstr("more than 64 deep"));
}

TEST(ParseJson, TakesManyKeysInLinearTime) {
  std::string body = "{";
  for (int i = 0; i < 200'000; ++i) body += "\"key" + std::to_string(i) + "\":1,";
  body.back() = '}';
  EXPECT_EQ(why_not(body), "");
}

// What reading a field of this JSON text is refused for.
template <typename ReadField>
std::string refused(const std::string& text, ReadField read) {
  const Read<Json> json = parse_json("{\"f\": " + text + "}");
  if (!json.ok()) return json.error().message;
  Refusal refusal;
  read(Value(&*json, "", refusal)["f"]);
  if (!refusal.first()) return "";
  EXPECT_EQ(refusal.first()->param, "f");
  return refusal.first()->message;
}

std::string refused_integer(const std::string& text) {
  return refused(text, [](const Value& value) { value.integer(-5, 10, 0); });
}

TEST(Value, IntegersAreInRange) {
  for (const char* text : {"-5", "10", "3.0", "-0", "null", "1e1"}) {
    EXPECT_EQ(refused_integer(text), "") << text;
  }
  EXPECT_EQ(refused_integer("11"), "f: 11 is not in -5..10");
  EXPECT_EQ(refused_integer("-6"), "f: -6 is not in -5..10");
  EXPECT_EQ(refused_integer("1.5"), "f: expected an integer, got 1.5");
  EXPECT_EQ(refused_integer("\"1\""), "f: expected an integer, got a string");
  for (const char* text : {"18446744073709551615", "99999999999999999999999", "-1e300", "1e300"}) {
    EXPECT_THAT(refused_integer(text), HasSubstr("is not in -5..10")) << text;
  }
  EXPECT_EQ(refused_integer("true"), "f: expected an integer, got true or false");
}

TEST(Value, OtherTypesAreWhatTheyAre) {
  EXPECT_EQ(refused("1", [](const Value& v) { (void)v.text(); }),
            "f: expected a string, got a number");
  EXPECT_EQ(refused("\"true\"", [](const Value& v) { (void)v.flag(true); }),
            "f: expected true or false, got a string");
  EXPECT_EQ(refused("[]", [](const Value& v) { (void)v.number(0, 1, 0); }),
            "f: expected a number, got a list");
  EXPECT_EQ(refused("1.01", [](const Value& v) { (void)v.number(0, 1, 0); }),
            "f: 1.01 is not from 0 to 1");
  EXPECT_EQ(refused("\"c\"",
                    [](const Value& v) {
                      (void)v.choice({"a", "b"}, 0);
                    }),
            "f: expected one of \"a\" \"b\", got \"c\"");
  EXPECT_EQ(refused("{}", [](const Value& v) { (void)v.expect_array(1); }),
            "f: expected a list, got an object");
  EXPECT_EQ(refused("[1,2]", [](const Value& v) { (void)v.expect_array(1); }),
            "f: 2 elements, more than 1");
  EXPECT_EQ(refused("null", [](const Value& v) { (void)v.required(); }), "f: is required");
}

TEST(Value, NamesItsPlaceAndTheFirstRefusalStays) {
  const Read<Json> json = parse_json(R"({"a": [{"b": 1}, null]})");
  ASSERT_TRUE(json.ok());
  Refusal refusal;
  const Value list = Value(&*json, "", refusal)["a"];
  (void)list.at(0)["b"].text();
  (void)list.at(1).text();
  ASSERT_TRUE(refusal.first());
  EXPECT_EQ(refusal.first()->param, "a[0].b");
  Refusal other;
  (void)Value(&*json, "", other)["a"].at(1).expect_object();
  EXPECT_EQ(other.first()->message, "a[1]: expected an object, got null");
}

}  // namespace
}  // namespace redknot::chat
