// SPDX-License-Identifier: Apache-2.0
// Programs that want too much are stopped, and soon.
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "redknot/chat_template.h"

namespace redknot {
namespace {

constexpr ChatTemplateLimits kSmall = {.steps = 200'000,
                                       .depth = 100,
                                       .output_bytes = 1 << 16,
                                       .memory_bytes = 1 << 20,
                                       .source_bytes = 1 << 20};

void expect_stopped(std::string_view source, std::string_view cause) {
  const auto program = ChatTemplate::parse(source, kSmall);
  ASSERT_TRUE(program.ok()) << program.error().message();
  const auto text = program->render(R"({"a": "aaaaaaaaaaaaaaaa", "l": [1, 2, 3]})", -1);
  ASSERT_FALSE(text.ok()) << source;
  EXPECT_EQ(text.error().code(), ErrorCode::kResourceExhausted) << text.error().message();
  EXPECT_NE(text.error().message().find(cause), std::string::npos) << text.error().message();
}

std::string repeated(std::string_view text, int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += text;
  return out;
}

// Runs `body` 90,000 times.
std::string looped(std::string_view body) {
  return "{% for i in range(300) %}{% for j in range(300) %}" + std::string(body) +
         "{% endfor %}{% endfor %}";
}

TEST(ChatTemplateLimits, StepsEnd) {
  expect_stopped(looped("{% if i > j %}{% endif %}"), "steps");
  // Work on long texts is more than one step.
  expect_stopped("{% set t = a * 4000 %}" + looped("{% set x = t.find('b') %}"), "steps");
  // 2^60 leaves of one small value
  expect_stopped(
      "{% set ns = namespace(x=[1]) %}{% for i in range(60) %}"
      "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x|string|length }}",
      "");
}

TEST(ChatTemplateLimits, TextsEnd) {
  expect_stopped("{{ 'a' * 1000000000 }}", "text grows");
  expect_stopped("{{ 'aaaaaaaa' * 9223372036854775807 }}", "too large");
  expect_stopped(
      "{% set ns = namespace(x=a) %}{% for i in l * 20 %}{% set ns.x = ns.x ~ ns.x %}"
      "{% endfor %}",
      "text grows");
  expect_stopped("{{ (a * 100)|replace('a', a * 100) }}", "text grows");
  expect_stopped("{{ (a * 100).replace('', a * 100) }}", "text grows");
  expect_stopped("{{ (l * 100)|join(a * 1000) }}", "text grows");
  expect_stopped("{{ ('a\\n' * 1000)|indent(1000) }}", "text grows");
  expect_stopped("{{ l|tojson(indent=100000) }}", "text grows");
  expect_stopped("{{ 'a'.center(100000000000) }}", "text grows");
  expect_stopped("{{ ('\"' * 60000)|tojson }}", "text grows");
  expect_stopped("{{ ('<' * 30000)|e }}", "text grows");
}

TEST(ChatTemplateLimits, OutputEnds) {
  expect_stopped(looped("aaaa"), "text grows");
  expect_stopped("{% set x %}" + looped("aaaa") + "{% endset %}", "text grows");
}

TEST(ChatTemplateLimits, ListsEnd) {
  expect_stopped("{{ range(1000000000) }}", "Range too big");
  expect_stopped("{{ l * 1000000000 }}", "list grows");
  expect_stopped("{{ l * 9223372036854775807 }}", "too large");
  expect_stopped(
      "{% set ns = namespace(x=l) %}{% for i in l * 20 %}{% set ns.x = ns.x + ns.x %}"
      "{% endfor %}",
      "");
  expect_stopped("{{ (a * 4000)|list }}", "");
}

TEST(ChatTemplateLimits, MemoryEnds) {
  expect_stopped(
      "{% set ns = namespace(x=[]) %}{% for i in range(100) %}"
      "{% set ns.x = ns.x + [a * 2000 ~ i] %}{% endfor %}",
      "values take more");
  expect_stopped("{% set ns = namespace(x=[]) %}" + looped("{% set ns.x = namespace(y=ns.x) %}"),
                 "values take more");
  expect_stopped(looped("{% macro f() %}{% endmacro %}"), "values take more");
}

TEST(ChatTemplateLimits, DepthEnds) {
  expect_stopped("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nested deeper");
  expect_stopped(
      "{% set ns = namespace(x=[]) %}{% for i in range(1000) %}"
      "{% set ns.x = [ns.x] %}{% endfor %}",
      "nested deeper");
  expect_stopped(
      "{% set ns = namespace(x={}) %}{% for i in range(1000) %}"
      "{% set ns.x = {'a': ns.x.items} %}{% endfor %}",
      "nested deeper");
}

// Also with what is allowed by default, on the stack that a thread has.
TEST(ChatTemplateLimits, DepthEndsBeforeTheStack) {
  const auto program = ChatTemplate::parse(
      "{% macro f(x) %}{% for i in x %}{% filter upper %}{{ [f([1]|map('string')|list)] ~ '' }}"
      "{% endfilter %}{% endfor %}{% endmacro %}{{ f([1]) }}");
  ASSERT_TRUE(program.ok()) << program.error().message();
  const auto text = program->render("{}", -1);
  ASSERT_FALSE(text.ok());
  EXPECT_NE(text.error().message().find("nested deeper"), std::string::npos)
      << text.error().message();
}

TEST(ChatTemplateLimits, DepthOfTheSourceEnds) {
  for (const auto& [open, close] :
       {std::pair("(", ")"), std::pair("[", "]"), std::pair("{1:", "}"), std::pair("not ", ""),
        std::pair("-", ""), std::pair("1 if 1 else ", ""), std::pair("f(", ")"),
        std::pair("a[", "]"), std::pair("1|f(", ")")}) {
    const auto program =
        ChatTemplate::parse("{{ " + repeated(open, 20'000) + "1" + repeated(close, 20'000) + " }}");
    ASSERT_FALSE(program.ok()) << open;
    EXPECT_EQ(program.error().code(), ErrorCode::kResourceExhausted) << program.error().message();
  }
  const auto blocks = ChatTemplate::parse(repeated("{% if 1 %}", 20'000));
  ASSERT_FALSE(blocks.ok());
  EXPECT_EQ(blocks.error().code(), ErrorCode::kResourceExhausted);
  const auto targets = ChatTemplate::parse("{% set " + repeated("(", 20'000) + "x" +
                                           repeated(")", 20'000) + " = 1 %}");
  ASSERT_FALSE(targets.ok());
  EXPECT_EQ(targets.error().code(), ErrorCode::kResourceExhausted);
}

TEST(ChatTemplateLimits, ChainsAreNotDeep) {
  const auto program = ChatTemplate::parse(
      "{{ 0" + repeated(" + 1", 5'000) + " }}{{ 0" + repeated("|string", 5'000) + " }}{% if 0 %}" +
      repeated("{% elif 0 %}", 5'000) + "{% else %}x{% endif %}");
  ASSERT_TRUE(program.ok()) << program.error().message();
  EXPECT_EQ(program->render("{}", -1).value(), "50000x");
}

TEST(ChatTemplateLimits, DeepVariablesAreRefused) {
  const auto program = ChatTemplate::parse("{{ a }}");
  const auto text =
      program->render("{\"a\": " + repeated("[", 100'000) + repeated("]", 100'000) + "}", -1);
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.error().code(), ErrorCode::kResourceExhausted);
}

TEST(ChatTemplateLimits, LongSourcesAreRefused) {
  const auto program = ChatTemplate::parse(std::string(kSmall.source_bytes + 1, 'x'), kSmall);
  ASSERT_FALSE(program.ok());
  EXPECT_EQ(program.error().code(), ErrorCode::kResourceExhausted);
}

// Under the address sanitizer this also says that nothing is leaked.
TEST(ChatTemplateLimits, CyclesAreFreed) {
  const auto program = ChatTemplate::parse(
      "{% set ns = namespace() %}{% set ns.me = [ns] %}{% macro f() %}{{ ns }}{% endmacro %}"
      "{% set ns.f = f %}{% for i in [1, 2] %}{% set ns.loop = loop %}"
      "{% macro g() %}{{ i }}{% endmacro %}{% set ns.g = g %}{% endfor %}{{ ns.g() }}");
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->render("{}", -1).value(), "2");
  EXPECT_EQ(program->render("{}", -1).value(), "2");
}

}  // namespace
}  // namespace redknot
