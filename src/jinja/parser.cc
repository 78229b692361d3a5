// SPDX-License-Identifier: Apache-2.0
#include "jinja/parser.h"

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/expression_parser.h"
#include "jinja/token_stream.h"

namespace redknot::jinja {
namespace {

using EndTags = std::initializer_list<std::string_view>;

class Parser {
 public:
  Parser(std::vector<Token> tokens, int depth) : tokens_(std::move(tokens), depth) {
    for (const char* name : {"loop", "caller", "varargs", "kwargs"}) tokens_.intern(name);
  }

  Result<Tree> run() {
    Tree tree;
    REDKNOT_TRY(tree.body, block({}));
    tree.names = std::move(tokens_).take_names();
    return tree;
  }

 private:
  // Statements up to one of the tags `ends`, of which "{%" is taken and the name is left; without
  // `ends` up to the end of the template.
  Result<Block> block(EndTags ends) {
    const NestingLevel level(tokens_);
    if (!level.fits()) return level.error();
    Block statements;
    while (true) {
      const int line = tokens_.line();
      if (tokens_.at(TokenKind::kEnd)) {
        if (ends.size() == 0) return statements;
        return tokens_.fail("the template ends before '", *(ends.end() - 1), "'");
      }
      if (tokens_.at(TokenKind::kPlain)) {
        statements.push_back({.what = Plain{tokens_.here().text}, .line = line});
        tokens_.advance();
      } else if (tokens_.at(TokenKind::kOutputBegin)) {
        tokens_.advance();
        REDKNOT_TRY(ExpressionPtr value, expressions_.tuple(true));
        REDKNOT_RETURN_IF_ERROR(tokens_.expect(TokenKind::kOutputEnd, "'}}'"));
        statements.push_back({.what = Output{std::move(value)}, .line = line});
      } else {
        REDKNOT_RETURN_IF_ERROR(tokens_.expect(TokenKind::kTagBegin, "a tag"));
        for (const std::string_view end : ends) {
          if (tokens_.at_name(end)) return statements;
        }
        REDKNOT_TRY(Statement one, statement());
        statements.push_back(std::move(one));
      }
    }
  }

  Status tag_end() { return tokens_.expect(TokenKind::kTagEnd, "'%}'"); }

  // The rest of a tag, the block behind it and the whole tag that ends it.
  Result<Block> body_until(std::string_view end) {
    REDKNOT_RETURN_IF_ERROR(tag_end());
    REDKNOT_TRY(Block body, block({end}));
    REDKNOT_RETURN_IF_ERROR(tokens_.expect_name(end));
    REDKNOT_RETURN_IF_ERROR(tag_end());
    return body;
  }

  Result<Statement> statement() {
    const int line = tokens_.line();
    REDKNOT_TRY(const std::string tag, tokens_.take_name());
    REDKNOT_TRY(Statement result, statement_of(tag));
    result.line = line;
    return result;
  }

  Result<Statement> statement_of(const std::string& tag) {
    if (tag == "if") return if_statement();
    if (tag == "for") return for_statement();
    if (tag == "set") return set_statement();
    if (tag == "macro") return macro_statement();
    if (tag == "call") return call_block();
    if (tag == "filter") return filter_block();
    if (tag == "with") return with_statement();
    if (tag == "generation") {
      Scoped scoped;
      REDKNOT_TRY(scoped.body, body_until("endgeneration"));
      return Statement{.what = std::move(scoped)};
    }
    if (tag == "break" || tag == "continue") {
      if (loops_ == 0) return tokens_.fail("'", tag, "' outside of a loop");
      REDKNOT_RETURN_IF_ERROR(tag_end());
      if (tag == "break") return Statement{.what = Break{}};
      return Statement{.what = Continue{}};
    }
    for (const std::string_view known :
         {"block", "extends", "include", "import", "from", "do", "trans", "autoescape", "debug"}) {
      if (tag == known) return unsupported("line ", tokens_.line(), ": the tag '", tag, "'");
    }
    return tokens_.fail("unknown tag '", tag, "'");
  }

  Result<Statement> if_statement() {
    If result;
    while (true) {
      REDKNOT_TRY(ExpressionPtr condition, expressions_.tuple(false));
      REDKNOT_RETURN_IF_ERROR(tag_end());
      REDKNOT_TRY(Block body, block({"elif", "else", "endif"}));
      result.branches.emplace_back(std::move(condition), std::move(body));
      if (!tokens_.skip_name("elif")) break;
    }
    if (tokens_.skip_name("else")) {
      REDKNOT_TRY(result.otherwise, body_until("endif"));
    } else {
      REDKNOT_RETURN_IF_ERROR(tokens_.expect_name("endif"));
      REDKNOT_RETURN_IF_ERROR(tag_end());
    }
    return Statement{.what = std::move(result)};
  }

  Result<Statement> for_statement() {
    For loop;
    REDKNOT_TRY(loop.target, target(false));
    REDKNOT_RETURN_IF_ERROR(tokens_.expect_name("in"));
    REDKNOT_TRY(loop.items, expressions_.tuple(false));
    if (tokens_.skip_name("if")) {
      REDKNOT_TRY(loop.condition, expressions_.expression());
    }
    if (tokens_.at_name("recursive")) {
      return unsupported("line ", tokens_.line(), ": recursive loops");
    }
    REDKNOT_RETURN_IF_ERROR(tag_end());
    ++loops_;
    REDKNOT_TRY(loop.body, block({"else", "endfor"}));
    --loops_;
    if (tokens_.skip_name("else")) {
      REDKNOT_TRY(loop.otherwise, body_until("endfor"));
    } else {
      REDKNOT_RETURN_IF_ERROR(tokens_.expect_name("endfor"));
      REDKNOT_RETURN_IF_ERROR(tag_end());
    }
    return Statement{.what = std::move(loop)};
  }

  Result<Statement> set_statement() {
    REDKNOT_TRY(Target to, target(true));
    if (tokens_.skip_operator("=")) {
      REDKNOT_TRY(ExpressionPtr value, expressions_.tuple(true));
      REDKNOT_RETURN_IF_ERROR(tag_end());
      return Statement{.what = Set{std::move(to), std::move(value)}};
    }
    SetBlock set{.target = std::move(to), .filters = {}, .body = {}};
    if (tokens_.skip_operator("|")) {
      REDKNOT_TRY(set.filters, expressions_.filters());
    }
    REDKNOT_TRY(set.body, body_until("endset"));
    return Statement{.what = std::move(set)};
  }

  // a, or a.b where `attributes`, or several with commas, in parentheses or not.
  Result<Target> target(bool attributes) {
    REDKNOT_TRY(Target first, one_target(attributes));
    if (!tokens_.at_operator(",")) return first;
    Target several;
    several.parts.push_back(std::move(first));
    while (tokens_.skip_operator(",")) {
      if (!tokens_.at_operator("(") && (!tokens_.at(TokenKind::kName) || tokens_.at_name("in"))) {
        break;
      }
      REDKNOT_TRY(Target part, one_target(attributes));
      several.parts.push_back(std::move(part));
    }
    return several;
  }

  Result<Target> one_target(bool attributes) {
    if (tokens_.skip_operator("(")) {
      const NestingLevel level(tokens_);
      if (!level.fits()) return level.error();
      REDKNOT_TRY(Target inner, target(attributes));
      REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(")"));
      return inner;
    }
    REDKNOT_TRY(const std::string name, tokens_.take_name());
    for (const std::string_view constant : {"true", "false", "none", "True", "False", "None"}) {
      if (name == constant) return tokens_.fail("cannot assign to '", name, "'");
    }
    Target one{.name = tokens_.intern(name)};
    if (attributes && tokens_.skip_operator(".")) {
      REDKNOT_TRY(one.attribute, tokens_.take_name());
    }
    return one;
  }

  // Parameters in parentheses, and the block up to `end`.
  Result<std::unique_ptr<const MacroDeclaration>> macro_body(MacroDeclaration macro,
                                                             std::string_view end) {
    const auto outer_seen = std::exchange(expressions_.seen, {});
    const int outer_loops = std::exchange(loops_, 0);
    REDKNOT_TRY(macro.body, body_until(end));
    loops_ = outer_loops;
    const auto seen = std::exchange(expressions_.seen, outer_seen);
    macro.takes_varargs = seen.varargs;
    macro.takes_kwargs = seen.kwargs;
    macro.takes_caller = seen.caller;
    return std::unique_ptr<const MacroDeclaration>(
        std::make_unique<MacroDeclaration>(std::move(macro)));
  }

  Result<std::vector<Parameter>> parameters() {
    std::vector<Parameter> result;
    REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator("("));
    while (!tokens_.skip_operator(")")) {
      if (!result.empty()) REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(","));
      if (tokens_.skip_operator(")")) break;
      REDKNOT_TRY(const std::string name, tokens_.take_name());
      Parameter parameter{.name = tokens_.intern(name), .otherwise = nullptr};
      if (tokens_.skip_operator("=")) {
        REDKNOT_TRY(parameter.otherwise, expressions_.expression());
      } else if (!result.empty() && result.back().otherwise) {
        return tokens_.fail("a parameter without a default behind one with a default");
      }
      result.push_back(std::move(parameter));
    }
    return result;
  }

  Result<Statement> macro_statement() {
    REDKNOT_TRY(const std::string name, tokens_.take_name());
    MacroDeclaration macro{.name = tokens_.intern(name), .body = {}};
    REDKNOT_TRY(macro.parameters, parameters());
    REDKNOT_TRY(auto complete, macro_body(std::move(macro), "endmacro"));
    return Statement{.what = MacroStatement{std::move(complete)}};
  }

  Result<Statement> call_block() {
    MacroDeclaration caller{.name = tokens_.intern("caller"), .body = {}};
    if (tokens_.at_operator("(")) {
      REDKNOT_TRY(caller.parameters, parameters());
    }
    REDKNOT_TRY(ExpressionPtr call, expressions_.expression());
    const auto* suffixed = std::get_if<Suffixed>(&call->what);
    if (suffixed == nullptr || !std::holds_alternative<Call>(suffixed->suffixes.back().what)) {
      return tokens_.fail("a call block needs a call");
    }
    REDKNOT_TRY(auto complete, macro_body(std::move(caller), "endcall"));
    return Statement{.what = CallBlock{std::move(call), std::move(complete)}};
  }

  Result<Statement> filter_block() {
    FilterBlock result;
    REDKNOT_TRY(result.filters, expressions_.filters());
    REDKNOT_TRY(result.body, body_until("endfilter"));
    return Statement{.what = std::move(result)};
  }

  Result<Statement> with_statement() {
    Scoped scoped;
    while (!tokens_.at(TokenKind::kTagEnd)) {
      if (!scoped.assignments.empty()) REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator(","));
      REDKNOT_TRY(Target to, one_target(false));
      REDKNOT_RETURN_IF_ERROR(tokens_.expect_operator("="));
      REDKNOT_TRY(ExpressionPtr value, expressions_.expression());
      scoped.assignments.emplace_back(std::move(to), std::move(value));
    }
    REDKNOT_TRY(scoped.body, body_until("endwith"));
    return Statement{.what = std::move(scoped)};
  }

  TokenStream tokens_;
  ExpressionParser expressions_{tokens_};
  int loops_ = 0;  // around the statement, inside of the macro
};

}  // namespace

Result<Tree> parse(std::string_view source, int depth) {
  REDKNOT_TRY(std::vector<Token> tokens, tokenize(source));
  return Parser(std::move(tokens), depth).run();
}

}  // namespace redknot::jinja
