// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "redknot/chat_template.h"

namespace redknot {
namespace {

constexpr std::string_view kVariables = R"({
  "messages": [{"role": "user", "content": "Hi <b>"},
               {"role": "assistant", "content": "Yo", "n": 3},
               {"role": "Tool", "content": null}],
  "d": {"b": 1, "A": [1, 2.5, null, true], "c": {"x": "\u00e9'\"\n"}},
  "s": "  Hello, W\u00f6rld! \n", "w": "a,b,,c", "e": "", "z": 0, "n": null, "l": [3, 1, 2]
})";

// What the program writes, or its error's message.
std::string rendered(std::string_view source, std::string_view variables = kVariables) {
  const auto program = ChatTemplate::parse(source);
  if (!program.ok()) return program.error().message();
  const auto text = program->render(variables, -1);
  return text.ok() ? *text : text.error().message();
}

ErrorCode code_of(std::string_view source) {
  const auto program = ChatTemplate::parse(source);
  if (!program.ok()) return program.error().code();
  const auto text = program->render(kVariables, -1);
  EXPECT_FALSE(text.ok()) << *text;
  return text.ok() ? ErrorCode::kIo : text.error().code();
}

TEST(ChatTemplate, ValuesArePrintedAsPythonDoes) {
  EXPECT_EQ(rendered("{{ d }}"), "{'b': 1, 'A': [1, 2.5, None, True], 'c': {'x': 'é\\'\"\\n'}}");
  EXPECT_EQ(rendered("{{ (1,) }}{{ (1, 'a') }}{{ [] }}{{ {} }}{{ none }}{{ true }}"),
            "(1,)(1, 'a')[]{}NoneTrue");
  EXPECT_EQ(rendered("{{ 1e16 }} {{ 1e-5 }} {{ 0.1 }} {{ 1e15 }} {{ 5.0 }} {{ -0.0 }} {{ 1e100 }}"),
            "1e+16 1e-05 0.1 1000000000000000.0 5.0 -0.0 1e+100");
  EXPECT_EQ(rendered("{{ ['\\x01\\u200b', \"it's\"] }}"), "['\\x01\\u200b', \"it's\"]");
}

TEST(ChatTemplate, JsonIsWrittenAsPythonDoes) {
  EXPECT_EQ(rendered("{{ d|tojson }}"),
            "{\"b\": 1, \"A\": [1, 2.5, null, true], \"c\": {\"x\": \"é'\\\"\\n\"}}");
  EXPECT_EQ(rendered("{{ {'a': [1, {}], 'b': []}|tojson(indent=2) }}"),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
  EXPECT_EQ(rendered("{{ ['é', '\\U0001f30d']|tojson(ensure_ascii=true, separators=(',', ':')) }}"),
            "[\"\\u00e9\",\"\\ud83c\\udf0d\"]");
  EXPECT_EQ(rendered("{{ {'b': 1, 'a': 2}|tojson(sort_keys=true) }}"), "{\"a\": 2, \"b\": 1}");
  EXPECT_EQ(rendered("{{ {1: 2, none: 3, 1.5: 4}|tojson }}"),
            "{\"1\": 2, \"null\": 3, \"1.5\": 4}");
  EXPECT_NE(rendered("{{ l|select|tojson }}").find("not JSON serializable"), std::string::npos);
}

TEST(ChatTemplate, WhiteSpaceAroundTagsIsTakenAway) {
  EXPECT_EQ(rendered("  {% if true %}  \n  a\n    {% endif %}\nb\n"), "  \n  a\nb");
  EXPECT_EQ(rendered("x \n {%- if true -%} \n  a\n {%- endif +%}\nb"), "xa\nb");
  EXPECT_EQ(rendered("  {%+ if true %}x{% endif %}\n {# c #}\ny\n\n"), "  xy\n");
  EXPECT_EQ(rendered("{{ 1 -}}  \n {{- 2 }}\n{{ 3 }}"), "12\n3");
  EXPECT_EQ(rendered(" {% raw %}\n{{ x }} {% if %}\n {% endraw %}\nz"), "\n{{ x }} {% if %}\nz");
  EXPECT_EQ(rendered("a\r\nb\rc\r\n"), "a\nb\nc");
}

TEST(ChatTemplate, LoopsKnowWhereTheyAre) {
  EXPECT_EQ(rendered("{% for x in l %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}"
                     "{{ loop.first }}{{ loop.last }}{{ loop.length }}{{ loop.previtem }}/"
                     "{{ loop.nextitem }}{{ loop.cycle('a', 'b') }};{% endfor %}"),
            "103TrueFalse3/1a;212FalseFalse33/2b;321FalseTrue31/a;");
  EXPECT_EQ(rendered("{% for x in [] %}a{% else %}none{% endfor %}"), "none");
  EXPECT_EQ(rendered("{% for x in l if x > 1 %}{{ x }}{{ loop.last }}{% endfor %}"), "3False2True");
  EXPECT_EQ(rendered("{% for x in l %}{% if x == 1 %}{% continue %}{% endif %}{{ x }}"
                     "{% if loop.index == 3 %}{% break %}{% endif %}.{% endfor %}"),
            "3.2");
  EXPECT_EQ(rendered("{% for k, v in d.items() %}{{ k }}={{ v|string|length }};{% endfor %}"),
            "b=1;A=20;c=15;");
  EXPECT_EQ(rendered("{% for a, (b, c) in [(1, (2, 3))] %}{{ a }}{{ b }}{{ c }}{% endfor %}"),
            "123");
  EXPECT_NE(rendered("{% for a, b in [(1,)] %}{% endfor %}").find("unpack"), std::string::npos);
}

TEST(ChatTemplate, NamesLiveInTheirScopeAndNamespacesOutliveIt) {
  EXPECT_EQ(rendered("{% set x = 1 %}{% for i in l %}{{ x }}{% set x = 5 %}{{ x }}{% endfor %}"
                     "{{ x }}{% if true %}{% set x = 9 %}{% endif %}{{ x }}"),
            "15151519");
  EXPECT_EQ(rendered("{% set ns = namespace(x=1) %}{% for i in l %}{% set ns.x = ns.x + i %}"
                     "{% endfor %}{{ ns.x }}{{ ns.nope is defined }}"),
            "7False");
  EXPECT_EQ(rendered("{% set a, b = 1, 2 %}{{ b }}{{ a }}"), "21");
  EXPECT_EQ(rendered("{% with a = 1 %}{{ a }}{% endwith %}{{ a is defined }}"), "1False");
  EXPECT_EQ(rendered("{% set x | upper %} a{{ 1 }} {% endset %}[{{ x }}]"), "[ A1 ]");
  EXPECT_EQ(rendered("{% generation %}{{ s|trim }}{% endgeneration %}"), "Hello, Wörld!");
  EXPECT_NE(rendered("{% set x = {} %}{% set x.a = 2 %}").find("non-namespace"), std::string::npos);
}

TEST(ChatTemplate, MacrosTakeDefaultsKeywordsAndCallers) {
  EXPECT_EQ(rendered("{% macro f(a, b=2, c=a) %}[{{ a }},{{ b }},{{ c }}{{ varargs }}{{ kwargs }}]"
                     "{% endmacro %}{{ f(1) }}{{ f(1, c=9) }}{{ f(1, 2, 3, 4, z=5) }}{{ f() }}"),
            "[1,2,1(){}][1,2,9(){}][1,2,3(4,){'z': 5}][,2,(){}]");
  EXPECT_EQ(rendered("{% macro box(t) %}<{{ t }}>{{ caller('in') }}{% endmacro %}"
                     "{% call(x) box('p') %}body {{ x }}{% endcall %}"),
            "<p>body in");
  EXPECT_EQ(rendered("{% macro f(n) %}{{ n }}{% if n > 1 %}*{{ f(n - 1) }}{% endif %}{% endmacro %}"
                     "{{ f(4) }}"),
            "4*3*2*1");
  EXPECT_EQ(rendered("{% macro g() %}{{ later }}{% endmacro %}{% set later = 3 %}{{ g() }}"), "3");
  EXPECT_NE(rendered("{% macro f(a) %}{% endmacro %}{{ f(1, 2) }}").find("not more than 1"),
            std::string::npos);
  EXPECT_NE(rendered("{% macro f(a) %}{% endmacro %}{{ f(b=2) }}").find("no keyword argument 'b'"),
            std::string::npos);
}

TEST(ChatTemplate, OperatorsAreThoseOfPython) {
  EXPECT_EQ(rendered("{{ -7 // 2 }} {{ -7 % 3 }} {{ 7 / 2 }} {{ 2 ** 3 ** 2 }} {{ -2 ** 2 }} "
                     "{{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 10 - 2 - 3 }} {{ 2 ** -1 }}"),
            "-4 2 3.5 64 4 3.0 0.5 5 0.5");
  EXPECT_EQ(rendered("{{ 'a' ~ 1 ~ none }} {{ 'ab' * 2 }} {{ [1] + [2] }} {{ 'x' + 'y' 'z' }}"),
            "a1None abab [1, 2] xyz");
  EXPECT_EQ(rendered("{{ 1 < 2 < 3 }}{{ 1 == 1.0 }}{{ [1] == [true] }}{{ (1,) == [1] }}"
                     "{{ 'ell' in s }}{{ 4 not in l }}{{ 'b' in d }}{{ z or 'x' }}{{ n and 1 }}"),
            "TrueTrueTrueFalseTrueTrueTruexNone");
  EXPECT_EQ(rendered("{{ l[-1] }}{{ l[1:] }}{{ l[::-1] }}{{ s[-4:] }}{{ s[2:4] }}{{ l[9] }}"),
            "2[1, 2][2, 1, 3]d! \nHe");
  EXPECT_EQ(rendered("{{ 'a' if z else 'b' if n else 'c' }}{{ 'x' if z }}"), "c");
  for (const char* wrong : {"{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ 'a' < 1 }}", "{{ 1 in 5 }}",
                            "{{ 9223372036854775807 + 1 }}", "{{ [1] + (2,) }}", "{{ {[]: 1} }}"}) {
    EXPECT_EQ(code_of(wrong), ErrorCode::kInvalidArgument) << wrong;
  }
}

TEST(ChatTemplate, UndefinedIsEmptyUntilItIsUsed) {
  EXPECT_EQ(rendered("[{{ nope }}{{ d.nope }}{{ nope ~ 'x' }}{{ nope|length }}{{ nope == other }}"
                     "{% for x in nope %}x{% endfor %}{{ nope is defined }}{{ nope|default(7) }}]"),
            "[x0TrueFalse7]");
  EXPECT_EQ(rendered("{{ d.nope.x }}"), "chat template: line 1: 'nope' is undefined");
  EXPECT_EQ(rendered("\n\n{{ m['nope'].x }}"), "chat template: line 3: 'm' is undefined");
  EXPECT_EQ(rendered("{{ d['nope'] + 1 }}"), "chat template: line 1: 'nope' is undefined");
  EXPECT_EQ(rendered("{{ nope() }}"), "chat template: line 1: 'nope' is undefined");
}

// What Python gives for the same.
TEST(ChatTemplate, CaseIsThatOfUnicode) {
  EXPECT_EQ(rendered("{{ 'ﬁx ŉ ᾳ և'.upper() }}"), "FIX ʼN ΑΙ ԵՒ");
  EXPECT_EQ(rendered("{{ 'ẞ ǅ აბ ꭰ'.upper() }}"), "ẞ Ǆ ᲐᲑ Ꭰ");
  EXPECT_EQ(rendered("{{ 'İ ẞ Ǆ Ꭰ Ⅷ'.lower() }}"), "i\u0307 ß ǆ ꭰ ⅷ");
  EXPECT_EQ(rendered("{{ 'ßa ǆE ﬂOW ᾲ 中a'.title() }}"), "Ssa ǅe Flow Ὰ\u0345 中A");
  EXPECT_EQ(rendered("{{ 'ßA'.capitalize() }}{{ 'ŉA'.capitalize() }}"), "SsaʼNa");
  EXPECT_EQ(rendered("{{ 'ǅ'.isupper() }}{{ 'ĸ'.islower() }}{{ 'Ⅷ'.isupper() }}"), "FalseTrueTrue");
  EXPECT_EQ(rendered("{{ 'ไทย'.isalpha() }}{{ 'אב'.isalpha() }}{{ 'a1'.isalpha() }}"),
            "TrueTrueFalse");
}

TEST(ChatTemplate, MethodsAreThoseOfPython) {
  EXPECT_EQ(rendered("{{ s.strip(' \\n!') }}|{{ w.split(',') }}|{{ w.split(',', 1) }}|"
                     "{{ w.rsplit(',', 1) }}|{{ ' a  b c '.split(none, 1) }}|{{ ''.split(',') }}"),
            "Hello, Wörld|['a', 'b', '', 'c']|['a', 'b,,c']|['a,b,', 'c']|['a', 'b c ']|['']");
  EXPECT_EQ(rendered("{{ 'àßñ'.upper() }}{{ 'ÀЖ'.lower() }}{{ \"it's a\".title() }}"
                     "{{ 'hELLO'.capitalize() }}{{ 'aXbX'.replace('X', '-', 1) }}"
                     "{{ s.endswith(('x', '\\n')) }}{{ s.find('!') }}{{ 'aab'.count('a') }}"),
            "ÀSSÑàжIt'S AHelloa-bXTrue142");
  EXPECT_EQ(rendered("{{ d.get('b') }}{{ d.get('q') }}{{ d.get('q', 5) }}{{ d.keys()|list }}"
                     "{{ d.items is callable }}{{ {'items': 4}['items'] }}{{ l.index(1) }}"),
            "1None5['b', 'A', 'c']True41");
  EXPECT_EQ(rendered("{{ l.append(1) }}"),
            "chat template: line 1: access to attribute 'append' of 'list' object is unsafe");
  EXPECT_EQ(rendered("{{ '%s-%03d'|format('a', 7) }}{{ '{} {x}'.format(1, x=2) }}"), "a-0071 2");
}

TEST(ChatTemplate, FiltersAreThoseOfJinja) {
  EXPECT_EQ(rendered("{{ messages|map(attribute='role')|join('|') }} "
                     "{{ messages|selectattr('role', 'equalto', 'user')|list|length }} "
                     "{{ messages|rejectattr('n', 'defined')|map(attribute='content')|list }}"),
            "user|assistant|Tool 1 ['Hi <b>', None]");
  EXPECT_EQ(rendered("{{ d|dictsort|map('first')|list }}{{ l|sort }}{{ l|sort(reverse=true) }}"
                     "{{ ['a', 'A', 'b']|unique|list }}{{ l|sum }}{{ l|min }}{{ 'abc'|reverse }}"),
            "['A', 'b', 'c'][1, 2, 3][3, 2, 1]['a', 'b']61cba");
  EXPECT_EQ(rendered("{{ 'a\\n\\nb'|indent(2) }}|{{ 'a\\nb'|indent(1, true) }}"),
            "a\n\n  b| a\n b");
  EXPECT_EQ(rendered("{{ '3.7'|int }}{{ 'x'|int(9) }}{{ 2.5|round }}{{ 3.14159|round(2) }}"),
            "392.03.14");
  EXPECT_EQ(rendered("{{ '<'|safe + '>' }}{{ '<&'|e }}{{ '<' ~ '>'|safe }}"), "<&gt;&lt;&amp;<>");
  // A generator gives its items once.
  EXPECT_EQ(rendered("{% set g = l|select %}{{ g|list }}{{ g|list }}"), "[3, 1, 2][]");
  EXPECT_EQ(rendered("{% if z %}{{ s|nosuch }}{% endif %}ok"), "ok");
  EXPECT_EQ(code_of("{{ s|nosuch }}"), ErrorCode::kUnsupported);
  EXPECT_EQ(code_of("{{ s is nosuch }}"), ErrorCode::kUnsupported);
}

TEST(ChatTemplate, TestsAreThoseOfJinja) {
  EXPECT_EQ(rendered("{{ s is string }}{{ true is number }}{{ true is integer }}{{ d is mapping }}"
                     "{{ d is sequence }}{{ 5 is iterable }}{{ d.items() is sequence }}"
                     "{{ 1 is true }}{{ 9 is divisibleby 3 }}{{ 'a' is in ['a'] }}"),
            "TrueTrueFalseTrueTrueFalseFalseFalseTrueTrue");
  EXPECT_EQ(rendered("{{ 1 is not none and e is string }}{{ not e is defined }}"), "TrueFalse");
}

TEST(ChatTemplate, WhatTheProgramRaisesIsInTheMessage) {
  EXPECT_EQ(rendered("a\n{{ raise_exception('roles must ' ~ 'alternate') }}"),
            "chat template: line 2: roles must alternate");
  EXPECT_EQ(code_of("{{ raise_exception('x') }}"), ErrorCode::kInvalidArgument);
}

TEST(ChatTemplate, TimeIsThereOnlyIfItIsGiven) {
  const auto program = ChatTemplate::parse("{{ strftime_now('%Y') if strftime_now is defined }}");
  ASSERT_TRUE(program.ok());
  EXPECT_EQ(program->render("{}", 1'721'000'000).value(), "2024");
  EXPECT_EQ(program->render("{}", -1).value(), "");
}

TEST(ChatTemplate, SourceErrorsNameTheirLine) {
  for (const char* wrong : {"{{ a b }}",
                            "{% if %}{% endif %}",
                            "{% for x in l %}",
                            "{% endif %}",
                            "{{ 'abc }}",
                            "{{ (1 }}",
                            "{{ 1) }}",
                            "{% set 1 = 2 %}",
                            "{{ 1",
                            "{# x",
                            "{% raw %}",
                            "{% break %}",
                            "{{ a ! b }}",
                            "{{ f(a=1, 2) }}",
                            "{% macro f(a=1, b) %}{% endmacro %}",
                            "{{ }}",
                            "{{ 99999999999999999999 }}",
                            "{{ '\\xz' }}",
                            "{% nosuchtag %}",
                            "{% call 1 %}{% endcall %}"}) {
    const auto program = ChatTemplate::parse("\n" + std::string(wrong));
    ASSERT_FALSE(program.ok()) << wrong;
    EXPECT_EQ(program.error().code(), ErrorCode::kInvalidArgument) << wrong;
    EXPECT_EQ(program.error().message().find("chat template: line 2: "), 0U)
        << program.error().message();
  }
  for (const char* beyond : {"{% include 'x' %}", "{% for x in l recursive %}{% endfor %}",
                             "{% block x %}{% endblock %}"}) {
    EXPECT_EQ(code_of(beyond), ErrorCode::kUnsupported) << beyond;
  }
}

TEST(ChatTemplate, VariablesMustBeAJsonObject) {
  for (const char* wrong : {"", "[]", "{", "{\"a\": 1e999}", "{\"a\": \"\xff\"}", "{} x"}) {
    EXPECT_EQ(rendered("x", wrong).find("chat template: template variables: "), 0U) << wrong;
  }
  EXPECT_EQ(rendered("{{ a }}{{ b }}", "{\"a\": 1, \"a\": 9223372036854775807, \"b\": 1.50}"),
            "92233720368547758071.5");
}

}  // namespace
}  // namespace redknot
