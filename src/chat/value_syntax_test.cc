// SPDX-License-Identifier: Apache-2.0
#include "chat/value_syntax.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "chat/fields.h"
#include "chat/tool_table.h"

namespace redknot::chat {
namespace {

std::string gemma(const std::string& text) {
  const auto object = gemma_object(text);
  return object ? dump_json(*object) : "nothing";
}

std::string python(const std::string& text) {
  const auto found = python_calls(text);
  if (!found) return "nothing";
  std::string out;
  for (const PythonCall& call : found->calls) out += call.name + dump_json(call.arguments);
  return out + text.substr(found->used);
}

TEST(ValueSyntax, ReadsGemmasObjects) {
  EXPECT_EQ(gemma("{}"), "{}");
  EXPECT_EQ(gemma(R"({a:<|"|>x, "y" {z}<|"|>,b:-1.5,c:[true,null,[]],<|"|>d e<|"|>:{f:2}})"),
            R"({"a":"x, \"y\" {z}","b":-1.5,"c":[true,null,[]],"d e":{"f":2}})");
  for (const char* bad : {"", "{", "{a}", "{a:}", "{a:b}", R"({a:<|"|>x})", "{a:1,}", "{a:1}x",
                          "[1]", "{:1}", "{a:1 b:2}"}) {
    EXPECT_EQ(gemma(bad), "nothing") << bad;
  }
}

TEST(ValueSyntax, ReadsPythonsCalls) {
  EXPECT_EQ(python("now()"), "now{}");
  EXPECT_EQ(python("a.call(x='it\\'s', y = [1, {'k': None}], z=True) rest"),
            R"(a{"x":"it's","y":[1,{"k":null}],"z":true} rest)");
  EXPECT_EQ(python("[a(x=1.0), b(),]"), R"(a{"x":1.0}b{})");
  EXPECT_EQ(python(R"([a(x="\u00e9\ud83d\ude00\n\q")])"), R"(a{"x":"é😀\n\\q"})");
  for (const char* bad : {"", "a", "a(", "a(1)", "a(x=)", "a(x=y)", "[a()", "[]", "a(x='1)",
                          "a(x={1: 2})", "a(x=\"\\ud83d\")", "(x=1)"}) {
    EXPECT_EQ(python(bad), "nothing") << bad;
  }
}

TEST(ValueSyntax, BoundsDepth) {
  const std::string deep(100'000, '[');
  EXPECT_EQ(gemma("{a:" + deep), "nothing");
  EXPECT_EQ(python("a(x=" + deep), "nothing");
}

TEST(ToolTable, ParametersGetTheTypeOfTheirSchema) {
  const ToolTable tools(std::vector<AnswerTool>{{.name = "t", .parameters = R"({"properties": {
      "text": {"type": "string"}, "count": {"type": "integer"}, "size": {"type": "number"},
      "flag": {"type": "boolean"}, "list": {"type": "array"}, "any": {},
      "maybe": {"type": ["integer", "null"]},
      "pick": {"enum": ["1", "2"]},
      "either": {"anyOf": [{"type": "object"}, {"type": "string"}]}}})"}});
  const auto value = [&tools](const std::string& parameter, const std::string& text) {
    return dump_json(tools.value("t", parameter, text));
  };
  EXPECT_EQ(value("text", "12"), R"("12")");
  EXPECT_EQ(value("text", " \"a\" "), R"(" \"a\" ")");
  EXPECT_EQ(value("count", " 12 "), "12");
  EXPECT_EQ(value("count", "1.5"), R"("1.5")");
  EXPECT_EQ(value("size", "1"), "1");
  EXPECT_EQ(value("flag", "True"), "true");
  EXPECT_EQ(value("list", "[1, 2]"), "[1,2]");
  EXPECT_EQ(value("maybe", "None"), "null");
  EXPECT_EQ(value("any", "{\"a\": 1}"), R"({"a":1})");
  EXPECT_EQ(value("any", "word"), R"("word")");
  EXPECT_EQ(value("pick", "1"), R"("1")");
  EXPECT_EQ(value("either", "{}"), "{}");
  EXPECT_EQ(value("either", "x"), R"("x")");
  EXPECT_EQ(value("unknown", "7"), "7");
}

TEST(ToolTable, NamesAreFoundWhereTextBeginsWithThem) {
  const ToolTable tools(std::vector<AnswerTool>{{.name = "get"}, {.name = "get_map"}, {}});
  EXPECT_EQ(tools.longest_name("get_map("), 7U);
  EXPECT_EQ(tools.longest_name("get_ma"), 3U);
  EXPECT_EQ(tools.longest_name("ge"), 0U);
  EXPECT_TRUE(tools.begins_name("get_"));
  EXPECT_FALSE(tools.begins_name("get_map"));
  EXPECT_FALSE(tools.contains(""));
}

}  // namespace
}  // namespace redknot::chat
