// SPDX-License-Identifier: Apache-2.0
// Which documents a schema's grammar takes, and which schemas are refused.
#include "grammar/schema.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "grammar/constraint_state.h"

namespace redknot::grammar {
namespace {

using testing::HasSubstr;

bool takes(const std::string& schema, std::string_view document) {
  const auto constraint = Constraint::json_schema(schema);
  EXPECT_TRUE(constraint.ok()) << constraint.error().message();
  if (!constraint.ok()) return false;
  Acceptor acceptor = acceptor_of(*constraint);
  return acceptor.accept(document) && acceptor.may_end();
}

void expect(const std::string& schema, const std::vector<std::string>& good,
            const std::vector<std::string>& bad) {
  for (const std::string& one : good) EXPECT_TRUE(takes(schema, one)) << schema << "\n" << one;
  for (const std::string& one : bad) EXPECT_FALSE(takes(schema, one)) << schema << "\n" << one;
}

TEST(Schema, StringsAreValidUtf8WithValidEscapes) {
  expect(R"({"type": "string"})",
         {R"("")", R"("a\"b\\\/\b\f\n\r\t")", R"("\u00e9\uD83D\ude00")",
          "\"\u00e9\u20ac\U0001F600\x7f\""},
         {"", "\"", R"("\x")", R"("\u12g4")", R"("\ud83d")", R"("\ud83dx")", R"("\ude00")",
          "\"\n\"", "\"\xff\"", "\"\xc0\x80\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"",
          "\"\xe2\x82\"", R"("a" )", R"( "a")", "'a'"});
}

TEST(Schema, LengthsCountCharacters) {
  expect(R"({"type": "string", "minLength": 2, "maxLength": 3})",
         {R"("ab")", R"("abc")", "\"\U0001F600\u00e9\"", R"("\u00e9\n\"")", R"("\ud83d\ude00x")"},
         {R"("a")", R"("abcd")", "\"\U0001F600\"", R"("\ud83d\ude00")"});
  expect(R"({"type": "string", "minLength": 2})", {R"("ab")", R"("abcdefgh")"},
         {R"("")", R"("a")"});
  expect(R"({"type": "string", "maxLength": 0})", {R"("")"}, {R"("a")"});
}

TEST(Schema, Numbers) {
  expect(R"({"type": "number"})", {"0", "-0", "12", "-1.5", "0.25", "1e5", "2.5E-10", "1e+09"},
         {"01", ".5", "1.", "+1", "1e", "1e100", "-", "NaN", "12345678901234567"});
  expect(R"({"type": "integer"})", {"0", "-7", "123456789012345678"},
         {"1.0", "1e2", "00", "1234567890123456789"});
}

TEST(Schema, IntegerBoundsAreExact) {
  const std::pair<int, int> ranges[] = {{0, 0},    {-5, 120},  {7, 1003},
                                        {-99, -1}, {-1000, 0}, {99, 101}};
  for (const auto& [least, most] : ranges) {
    const std::string schema = R"({"type": "integer", "minimum": )" + std::to_string(least) +
                               R"(, "maximum": )" + std::to_string(most) + "}";
    const auto constraint = Constraint::json_schema(schema).value();
    for (int value = -1200; value <= 1200; ++value) {
      Acceptor acceptor = acceptor_of(constraint);
      const bool taken = acceptor.accept(std::to_string(value)) && acceptor.may_end();
      ASSERT_EQ(taken, least <= value && value <= most) << schema << " " << value;
    }
  }
  expect(R"({"type": "integer", "exclusiveMinimum": 3, "exclusiveMaximum": 5.5})", {"4", "5"},
         {"3", "6"});
  expect(R"({"type": "integer", "minimum": 0.5})", {"1", "999999999999999999"}, {"0", "-1"});
}

TEST(Schema, NumbersMayHaveWholeBounds) {
  expect(R"({"type": "number", "minimum": 0, "maximum": 1})", {"0", "0.5", "1", "1.00", "0.999"},
         {"-0.1", "1.01", "2", "1e0"});
  expect(R"({"minimum": -2, "maximum": 10})", {"-2", "-1.5", "-0.5", "9.99", "10.0"},
         {"-2.1", "10.1", "11"});
}

TEST(Schema, ObjectsKeepTheOrderOfTheSchema) {
  const std::string schema = R"({"type": "object", "properties": {"b": {"type": "integer"},
      "a": {"type": "null"}, "c": {"type": "boolean"}}, "required": ["a"]})";
  expect(schema,
         {R"({"a":null})", R"({"b":1,"a":null,"c":true})", R"({ "a": null, "c": false })",
          "{\n  \"b\": 1,\n  \"a\": null\n}"},
         {"{}", R"({"a":null,"b":1})", R"({"b":1})", R"({"a":null,})", R"({"a":null,"x":1})",
          R"({"a":null "c":true})", R"({"a" :null})", R"({"a":  null})", R"({"a":null,"a":null})"});
}

TEST(Schema, OtherPropertiesHaveOtherNames) {
  const std::string schema =
      R"({"properties": {"ab": {"const": 1}, "a\"": {"const": 2}, "\u00e9x": {}},
      "additionalProperties": {"type": "string"}})";
  expect(schema,
         {"{}", R"({"ab":1,"a\"":2})", R"({"ab":1,"x":"","":"","a":"","abc":""})",
          "{\"\u00e9\":\"\",\"\u00e8x\":\"\"}", R"({"b\n\u0062":""})"},
         {R"({"ab":""})", R"({"\u0061b":""})", R"({"a\u0062":""})", R"({"a\"":""})",
          R"({"a\u0022":""})", "{\"\u00e9x\":\"\"", R"({"x":"","ab":1})", R"({"x":1})"});
  expect(R"({"type": "object"})", {"{}", R"({"a":{"b":[1,"x",null]}})"}, {"[]", "1", R"({"a"})"});
  expect(R"({"type": "object", "properties": {}})", {"{}", "{ }"}, {R"({"a":1})"});
  expect(R"({"type": "object", "properties": {"a": {}}, "additionalProperties": true})",
         {R"({"b":[]})", R"({"a":{},"b":1})"}, {R"({"b":1,"a":{}})"});
}

TEST(Schema, ArraysCountTheirItems) {
  expect(R"({"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 3})",
         {"[1]", "[1,2,3]", "[ 1, 2 ]", "[\n 1,\n 2\n]"},
         {"[]", "[1,2,3,4]", "[1,]", "[,1]", "[true]", "[1 ,2]"});
  expect(R"({"items": {"const": 1}})", {"[]", "[ ]", "[1,1,1,1]"}, {"[2]"});
  expect(R"({"items": {"const": 1}, "minItems": 2})", {"[1,1]", "[1,1,1]"}, {"[]", "[1]"});
  expect(R"({"prefixItems": [{"const": 1}, {"const": "x"}]})", {"[]", "[1]", R"([1,"x"])"},
         {R"(["x"])", R"([1,"x",2])"});
  expect(R"({"prefixItems": [{"const": 1}], "items": {"const": 2}, "minItems": 2})",
         {"[1,2]", "[1,2,2]"}, {"[1]", "[2,2]"});
  expect(R"({"type": "array", "items": false})", {"[]"}, {"[1]"});
  expect(R"({"type": "array", "maxItems": 0})", {"[]"}, {"[1]"});
}

TEST(Schema, ConstantsAndAlternatives) {
  expect(R"({"enum": ["a", 1, 1.5, null, true, {"k": [1, {}]}, "\u00e9\n"]})",
         {R"("a")", "1", "1.5", "null", "true", R"({"k":[1,{}]})", R"({ "k": [1, {}] })",
          "\"\u00e9\\n\""},
         {"2", "1.50", "false", R"({"k":[1]})", R"("b")"});
  expect(R"({"type": "string", "enum": ["a", 1]})", {R"("a")"}, {"1"});
  expect(R"({"anyOf": [{"type": "integer"}, {"type": "null"}, {"const": "x"}]})",
         {"1", "null", R"("x")"}, {"true", R"("y")"});
  expect(R"({"type": ["integer", "string"], "maxLength": 1, "minimum": 3})", {"3", R"("a")"},
         {"2", R"("ab")"});
  expect("true", {"[1,{\"a\":null}]", "3"}, {"", "[1"});
}

TEST(Schema, ReferencesMayGoRound) {
  const std::string list = R"({"type": "object", "properties": {"v": {"type": "integer"},
      "next": {"anyOf": [{"$ref": "#"}, {"type": "null"}]}}, "required": ["v", "next"]})";
  expect(list, {R"({"v":1,"next":null})", R"({"v":1,"next":{"v":2,"next":null}})"},
         {R"({"v":1})", R"({"v":1,"next":{"v":2}})"});
  expect(R"({"$ref": "#/$defs/a~1b", "$defs": {"a/b": {"items": {"$ref": "#/$defs/a~1b"}}}})",
         {"[]", "[[],[[]]]"}, {"[1]", "[[]"});
  expect(R"({"anyOf": [{"$ref": "#"}, {"type": "boolean"}]})", {"true"}, {"1"});
}

TEST(Schema, AllOfJoinsObjects) {
  const std::string schema = R"({"allOf": [{"$ref": "#/definitions/base"},
      {"properties": {"b": {"const": 2}}, "required": ["b"]}], "properties": {"c": {"const": 3}},
      "definitions": {"base": {"properties": {"a": {"const": 1}}, "required": ["a"]}}})";
  expect(schema, {R"({"a":1,"b":2})", R"({"a":1,"b":2,"c":3})"}, {R"({"a":1})", R"({"b":2})"});
  expect(R"({"allOf": [{"type": "integer"}], "description": "x"})", {"1"}, {"null"});
}

TEST(Schema, Patterns) {
  const auto pattern = [](const std::string& text) { return R"({"pattern": ")" + text + "\"}"; };
  expect(pattern("^a[b-d]+(x|yy){2,3}$"), {R"("abxx")", R"("abcdyyxyy")"},
         {R"("axx")", R"("abx")", R"("abxxxx")", R"("xabxx")"});
  expect(pattern("b"), {R"("b")", R"("abc")", R"("\n\"b")"}, {R"("")", R"("ac")"});
  expect(pattern("^a|c$"), {R"("ax")", R"("xc")"}, {R"("xa")", R"("cx")"});
  expect(pattern(R"(^\\d{4}-\\d\\d?$)"), {R"("2024-1")", R"("2024-12")"}, {R"("2024-")", R"("x")"});
  expect(pattern(R"(^[^\\w\\s]$)"), {R"("-")", R"("\"")", "\"\u00e9\"", R"("\\")"},
         {R"("a")", R"(" ")", R"("\n")", R"("--")"});
  expect(pattern(R"(^\\u00e9\\x41[\\u{1F600}-\\u{1F602}]?\\.$)"),
         {"\"\u00e9A.\"", "\"\u00e9A\U0001F601.\""}, {"\"\u00e9A\"", "\"\u00e9AB.\""});
  expect(pattern("^(?:a*?b+?|(?<n>c))?$"), {R"("")", R"("aab")", R"("c")"}, {R"("a")", R"("bc")"});
  expect(pattern("^(a*)*$"), {R"("")", R"("aaa")"}, {R"("b")"});
  expect(pattern(".{2}"), {R"("ab")", R"("\u0000\b")"}, {R"("a")", R"("\n\n")"});
}

struct Refused {
  std::string schema;
  ErrorCode code;
  std::string said;
};

TEST(Schema, WhatIsNotSupportedIsNamedWithItsPlace) {
  const auto nested = [](int depth) {
    std::string out;
    for (int i = 0; i < depth; ++i) out += R"({"items":)";
    return out + "{}" + std::string(static_cast<std::size_t>(depth), '}');
  };
  const Refused cases[] = {
      {"{", ErrorCode::kInvalidArgument, "not valid JSON"},
      {"\"\xff\"", ErrorCode::kInvalidArgument, "not valid JSON"},
      {"3", ErrorCode::kInvalidArgument, "the schema: must be an object"},
      {"false", ErrorCode::kInvalidArgument, "no finite text"},
      {R"({"not": {}})", ErrorCode::kUnsupported, "not: this keyword"},
      {R"({"properties": {"age": {"type": "int"}}})", ErrorCode::kInvalidArgument,
       "properties.age.type: \"int\""},
      {R"({"anyOf": [{}, {"type": 3}]})", ErrorCode::kInvalidArgument, "anyOf.1.type"},
      {R"({"anyOf": [{}], "type": "string"})", ErrorCode::kUnsupported,
       "type: not supported beside"},
      {R"({"anyOf": []})", ErrorCode::kInvalidArgument, "anyOf"},
      {R"({"$ref": "#/$defs/x"})", ErrorCode::kInvalidArgument, "$ref: there is no #/$defs/x"},
      {R"({"$ref": "http://x"})", ErrorCode::kUnsupported, "$ref"},
      {R"({"$ref": "#"})", ErrorCode::kInvalidArgument, "no finite text"},
      {R"({"properties": {"a": {"$ref": "#"}}, "required": ["a"]})", ErrorCode::kInvalidArgument,
       "no finite text"},
      {R"({"allOf": [{"$ref": "#"}, {}]})", ErrorCode::kResourceExhausted, "allOf is nested"},
      {R"({"allOf": [{"type": "string"}, {}]})", ErrorCode::kUnsupported, "allOf.0.type"},
      {R"({"required": ["a"]})", ErrorCode::kUnsupported, "required: \"a\""},
      {R"({"type": "string", "minLength": 5, "maxLength": 4})", ErrorCode::kInvalidArgument,
       "minLength"},
      {R"({"type": "string", "maxLength": -1})", ErrorCode::kInvalidArgument, "maxLength"},
      {R"({"type": "string", "maxLength": 1e99})", ErrorCode::kResourceExhausted, "maxLength"},
      {R"({"items": {}, "minItems": 3, "maxItems": 2})", ErrorCode::kInvalidArgument, "minItems"},
      {R"({"type": "integer", "minimum": 5, "maximum": 4})", ErrorCode::kInvalidArgument, "bounds"},
      {R"({"type": "integer", "minimum": 1e30})", ErrorCode::kUnsupported, "18 digits"},
      {R"({"type": "number", "minimum": 0.5})", ErrorCode::kUnsupported, "minimum"},
      {R"({"type": "number", "exclusiveMinimum": 0})", ErrorCode::kUnsupported, "exclusiveMinimum"},
      {R"({"type": "integer", "multipleOf": 3})", ErrorCode::kUnsupported, "multipleOf"},
      {R"({"enum": []})", ErrorCode::kInvalidArgument, "enum"},
      {R"({"enum": [1], "type": "string"})", ErrorCode::kInvalidArgument, "enum"},
      {R"x({"pattern": "a(?=b)"})x", ErrorCode::kUnsupported, "pattern: a look ahead"},
      {R"({"pattern": "(a)\\1"})", ErrorCode::kUnsupported, "pattern: \\1"},
      {R"({"pattern": "\\bx"})", ErrorCode::kUnsupported, "boundary"},
      {R"({"pattern": "a^"})", ErrorCode::kUnsupported, "\"^\""},
      {R"({"pattern": "a$b"})", ErrorCode::kUnsupported, "\"$\""},
      {R"x({"pattern": "(a$)"})x", ErrorCode::kUnsupported, "\"$\" in a group"},
      {R"({"pattern": "(a"})", ErrorCode::kInvalidArgument, "pattern"},
      {R"x({"pattern": "a)"})x", ErrorCode::kInvalidArgument, "pattern"},
      {R"({"pattern": "[b-a]"})", ErrorCode::kInvalidArgument, "pattern"},
      {R"({"pattern": "*"})", ErrorCode::kInvalidArgument, "pattern"},
      {R"({"pattern": "a{3,2}"})", ErrorCode::kInvalidArgument, "pattern"},
      {R"({"pattern": "a{9999}"})", ErrorCode::kResourceExhausted, "pattern"},
      {R"({"pattern": "(((a{4096}){4096}){4096}){4096}"})", ErrorCode::kResourceExhausted, "large"},
      {R"({"pattern": "^(a|b)*a(a|b){30}$"})", ErrorCode::kResourceExhausted, "large"},
      {R"({"pattern": "^[^\\s\\S]$"})", ErrorCode::kInvalidArgument, "no finite text"},
      {R"({"properties": {"a": {"pattern": "x", "maxLength": 3}}})", ErrorCode::kUnsupported,
       "properties.a.pattern"},
      {R"({"items": [{}]})", ErrorCode::kUnsupported, "items"},
      {nested(80), ErrorCode::kResourceExhausted, "deep"},
      {std::string(kMaxSchemaBytes + 1, ' '), ErrorCode::kResourceExhausted, "bytes"},
  };
  for (const auto& [schema, code, said] : cases) {
    SCOPED_TRACE(schema.substr(0, 100));
    const auto constraint = Constraint::json_schema(schema);
    ASSERT_FALSE(constraint.ok());
    EXPECT_EQ(constraint.error().code(), code) << constraint.error().message();
    EXPECT_THAT(constraint.error().message(), HasSubstr(said));
  }
}

TEST(Schema, AnnotationsSayNothing) {
  expect(R"({"$schema": "x", "title": "T", "default": 3, "format": "date", "x-y": {"not": 1},
             "type": "integer", "uniqueItems": false})",
         {"1"}, {"null"});
}

TEST(Schema, NeedlesslyEmptyRepetitionsEnd) {
  expect(R"({"pattern": "^((((){4096}){4096}){4096}){4096}$"})", {R"("")"}, {R"("a")"});
  expect(R"({"pattern": "^((([^\\s\\S]{0,4096}){4096}){4096}){4096}$"})", {R"("")"}, {R"("a")"});
}

TEST(Schema, FramesAreLiteral) {
  const auto constraint = Constraint::framed("<a>", R"({"type": "boolean"})", "</a>").value();
  Acceptor acceptor = acceptor_of(constraint);
  EXPECT_FALSE(acceptor.accept("true"));
  EXPECT_TRUE(acceptor.accept("<a>true"));
  EXPECT_FALSE(acceptor.may_end());
  EXPECT_TRUE(acceptor.accept("</a>"));
  EXPECT_TRUE(acceptor.is_complete());
}

TEST(Schema, AnAmbiguousSchemaStaysQuick) {
  const std::string schema = R"({"anyOf": [
      {"properties": {"x": {"$ref": "#"}, "y": {"const": 1}}},
      {"properties": {"x": {"$ref": "#"}, "z": {"const": 2}}}]})";
  const auto constraint = Constraint::json_schema(schema).value();
  Acceptor acceptor = acceptor_of(constraint);
  std::string text, end;
  for (int i = 0; i < 2000; ++i) {
    text += "{\"x\":";
    end += i % 2 == 0 ? "}" : ",\"y\":1}";
  }
  EXPECT_TRUE(acceptor.accept(text + "{}" + end));
  EXPECT_TRUE(acceptor.is_complete());
  EXPECT_LT(acceptor.work(), 2'000'000u);
}

TEST(Schema, WhatWasReadIsForgotten) {
  const auto constraint = Constraint::json_schema(R"({"items": {"maxLength": 4}})").value();
  Acceptor acceptor = acceptor_of(constraint);
  ASSERT_TRUE(acceptor.accept("["));
  for (int i = 0; i < 20000; ++i) ASSERT_TRUE(acceptor.accept("\"abc\", "));
  EXPECT_LT(acceptor.frames(), 10000u);
  ASSERT_TRUE(acceptor.accept("\"abcd\"]"));
  EXPECT_TRUE(acceptor.is_complete());
}

}  // namespace
}  // namespace redknot::grammar
