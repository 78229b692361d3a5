// SPDX-License-Identifier: Apache-2.0
// Masks beside the acceptor itself, asked for one token at a time.
#include "grammar/token_masker.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

#include "grammar/constraint_state.h"

namespace redknot::grammar {
namespace {

// Every byte, and pieces of what documents are made of.
std::vector<std::string> vocabulary(std::mt19937& random) {
  std::vector<std::string> out(1);  // the first has no bytes
  for (int byte = 0; byte < 256; ++byte) out.emplace_back(1, static_cast<char>(byte));
  const std::vector<std::string> parts = {
      "\"",   "{",    "}",      "[",          "]",     ":",  ",", " ",    "\n",
      "\\",   "a",    "b",      "name",       "1",     "0",  "-", "true", "null",
      "\xc3", "\xa9", "\u00e9", "\U0001F600", "\\u00", "\t", ".", "e"};
  for (int i = 0; i < 600; ++i) {
    std::string token;
    for (auto count = random() % 4 + 1; count > 0; --count) token += parts[random() % parts.size()];
    out.push_back(token);
  }
  return out;
}

std::vector<std::string_view> views(const std::vector<std::string>& tokens) {
  return {tokens.begin(), tokens.end()};
}

bool can_follow(Acceptor& acceptor, const std::string& token) {
  std::size_t pushed = 0;
  while (pushed < token.size() && acceptor.push(static_cast<std::uint8_t>(token[pushed]))) ++pushed;
  for (std::size_t i = 0; i < pushed; ++i) acceptor.pop();
  return pushed == token.size() && !token.empty();
}

TEST(TokenMasker, AllowsWhatTheAcceptorTakes) {
  const char* schemas[] = {
      R"({})",
      R"({"type": "object", "properties": {"a": {"type": "string"}, "b": {}},
          "additionalProperties": {"type": "integer"}})",
      R"({"items": {"maxLength": 5}})",
      R"({"minLength": 4})",
      R"({"pattern": "^[ab]*\\.?$"})",
      R"({"anyOf": [{"maxLength": 3}, {"pattern": "^a"}, {"enum": ["a1", "\u00e9b"]}]})"};
  for (unsigned seed = 0; seed < 12; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    const std::vector<std::string> tokens = vocabulary(random);
    const std::vector<std::string_view> texts = views(tokens);
    const TokenMasker masker(texts);
    Acceptor acceptor =
        acceptor_of(Constraint::json_schema(schemas[seed % std::size(schemas)]).value());
    for (int step = 0; step < 60 && !acceptor.is_complete(); ++step) {
      const TokenSet allowed = masker.allowed(acceptor).value();
      std::vector<std::size_t> possible;
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        const bool one = contains(allowed, static_cast<int>(i));
        ASSERT_EQ(one, can_follow(acceptor, tokens[i]))
            << "step " << step << " [" << tokens[i] << "]";
        if (one) possible.push_back(i);
      }
      ASSERT_FALSE(possible.empty());
      ASSERT_TRUE(acceptor.accept(tokens[possible[random() % possible.size()]]));
    }
  }
}

TEST(TokenMasker, EqualTokensAreAllowedTogether) {
  const std::vector<std::string_view> tokens = {"true", "", "true", "tru", "false", "truer"};
  Acceptor acceptor = acceptor_of(Constraint::json_schema(R"({"const": true})").value());
  EXPECT_EQ(TokenMasker(tokens).allowed(acceptor).value(), TokenSet{0b001101});
}

TEST(TokenMasker, TooManyWaysAreAnError) {
  std::string schema = R"({"anyOf": [)";
  for (int i = 0; i < 1500; ++i) {
    schema +=
        (i > 0 ? "," : "") + std::string(R"({"pattern": "^[a-z\"]*)") + std::to_string(i) + "$\"}";
  }
  Acceptor acceptor = acceptor_of(Constraint::json_schema(schema + "]}").value());
  ASSERT_TRUE(acceptor.accept("\"a"));
  std::vector<std::string> tokens;
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) {
      for (char c = 'a'; c <= 'z'; ++c) tokens.push_back({a, b, c, a});
    }
  }
  const TokenMasker masker(views(tokens));
  const auto allowed = masker.allowed(acceptor);
  ASSERT_FALSE(allowed.ok());
  EXPECT_EQ(allowed.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_TRUE(acceptor.accept("b"));  // it is as it was
}

}  // namespace
}  // namespace redknot::grammar
