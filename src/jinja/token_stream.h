// SPDX-License-Identifier: Apache-2.0
// A TokenStream owns the tokens of one template, and the names that were met in it.
//
// The parser of statements and that of expressions walk through it together, forwards, one token
// ahead of what they have understood, and enter a level of it for each nesting. It lives for one
// call of ChatTemplate::parse(), on that thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/lexer.h"
#include "jinja/syntax.h"
#include "redknot/result.h"

namespace redknot::jinja {

class TokenStream {
 public:
  // The last token must be kEnd. At most `depth` levels are entered.
  TokenStream(std::vector<Token> tokens, int depth)
      : tokens_(std::move(tokens)), levels_left_(depth) {}

  const Token& here() const { return tokens_[at_]; }
  const Token& next() const { return tokens_[at_ + 1 < tokens_.size() ? at_ + 1 : at_]; }
  int line() const { return here().line; }
  bool at(TokenKind kind) const { return here().kind == kind; }
  bool at_name(std::string_view name) const { return is(here(), TokenKind::kName, name); }
  bool at_operator(std::string_view op) const { return is(here(), TokenKind::kOperator, op); }
  bool next_is_name(std::string_view name) const { return is(next(), TokenKind::kName, name); }
  bool next_is_operator(std::string_view op) const { return is(next(), TokenKind::kOperator, op); }

  void advance() {
    if (at_ + 1 < tokens_.size()) ++at_;
  }
  bool skip_name(std::string_view name) { return at_name(name) ? (advance(), true) : false; }
  bool skip_operator(std::string_view op) { return at_operator(op) ? (advance(), true) : false; }

  Status expect(TokenKind kind, std::string_view what) {
    if (!at(kind)) return unexpected(what);
    advance();
    return Done{};
  }
  Status expect_operator(std::string_view op) {
    if (!skip_operator(op)) return unexpected(concat("'", op, "'"));
    return Done{};
  }
  Status expect_name(std::string_view name) {
    if (!skip_name(name)) return unexpected(concat("'", name, "'"));
    return Done{};
  }
  // Any name, as its text.
  Result<std::string> take_name() {
    if (!at(TokenKind::kName)) return unexpected("a name");
    std::string name = here().text;
    advance();
    return name;
  }

  template <typename... Parts>
  Error fail(const Parts&... parts) const {
    return invalid("line ", line(), ": ", parts...);
  }
  Error unexpected(std::string_view wanted) const {
    return fail("expected ", wanted, ", found ", shown(here()));
  }

  Symbol intern(const std::string& name) {
    const auto [place, is_first] = symbols_.emplace(name, static_cast<Symbol>(names_.size()));
    if (is_first) names_.push_back(name);
    return place->second;
  }
  std::vector<std::string> take_names() && { return std::move(names_); }

  bool enter() { return levels_left_-- > 0; }
  void leave() { ++levels_left_; }

 private:
  static bool is(const Token& token, TokenKind kind, std::string_view text) {
    return token.kind == kind && token.text == text;
  }
  static std::string shown(const Token& token) {
    switch (token.kind) {
      case TokenKind::kPlain:
        return "text";
      case TokenKind::kOutputBegin:
        return "'{{'";
      case TokenKind::kTagBegin:
        return "'{%'";
      case TokenKind::kOutputEnd:
      case TokenKind::kTagEnd:
        return "the end of the tag";
      case TokenKind::kEnd:
        return "the end of the template";
      default:
        return concat("'", token.text.substr(0, 40), "'");
    }
  }

  std::vector<Token> tokens_;
  std::size_t at_ = 0;
  int levels_left_;
  std::vector<std::string> names_;
  std::unordered_map<std::string, Symbol> symbols_;
};

// One level of nesting while it lives. not ok(): too deep.
class NestingLevel {
 public:
  explicit NestingLevel(TokenStream& tokens) : tokens_(tokens), fits_(tokens.enter()) {}
  NestingLevel(const NestingLevel&) = delete;
  NestingLevel& operator=(const NestingLevel&) = delete;
  ~NestingLevel() { tokens_.leave(); }
  bool fits() const { return fits_; }
  Error error() const {
    return exhausted("line ", tokens_.line(), ": the template is nested too deeply");
  }

 private:
  TokenStream& tokens_;
  bool fits_;
};

}  // namespace redknot::jinja
