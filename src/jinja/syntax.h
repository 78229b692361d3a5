// SPDX-License-Identifier: Apache-2.0
// Template programs as trees: what the parser makes and the interpreter walks.
//
// Chains of operators, of `.a[b](c)|d` and of elif are flat, so that a tree is only as deep as its
// source nests. Never changed once parsed; shared by renderings in any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/value.h"

namespace redknot::jinja {

// A name, as its place in Tree::names.
enum class Symbol : std::uint32_t {};
// Those that statements set by themselves are the first of every tree.
inline constexpr Symbol kLoopName{0};
inline constexpr Symbol kCallerName{1};
inline constexpr Symbol kVarargsName{2};
inline constexpr Symbol kKwargsName{3};

struct Expression;
using ExpressionPtr = std::unique_ptr<const Expression>;

enum class BinaryOperator { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kModulo, kPower };
enum class UnaryOperator { kNot, kMinus, kPlus };
enum class Comparison {
  kEqual,
  kNotEqual,
  kLess,
  kLessEqual,
  kGreater,
  kGreaterEqual,
  kIn,
  kNotIn
};

struct Arguments {
  std::vector<ExpressionPtr> positional;
  std::vector<std::pair<std::string, ExpressionPtr>> named;
  ExpressionPtr more_positional;  // *this
  ExpressionPtr more_named;       // **this
};

struct Literal {
  Value value;
};
struct Variable {
  Symbol name{};
};
struct ListDisplay {
  std::vector<ExpressionPtr> items;
  bool is_tuple = false;
};
struct DictDisplay {
  std::vector<std::pair<ExpressionPtr, ExpressionPtr>> entries;
};
struct Unary {
  UnaryOperator op{};
  ExpressionPtr operand;
};
struct Arithmetic {  // from left to right
  ExpressionPtr first;
  std::vector<std::pair<BinaryOperator, ExpressionPtr>> rest;
};
struct Concatenation {  // a ~ b ~ c
  std::vector<ExpressionPtr> parts;
};
struct Comparisons {  // a < b < c
  ExpressionPtr first;
  std::vector<std::pair<Comparison, ExpressionPtr>> rest;
};
struct Logic {
  bool is_or = false;
  std::vector<ExpressionPtr> operands;
};
struct Conditional {
  ExpressionPtr condition;
  ExpressionPtr yes;
  ExpressionPtr no;  // may be null: undefined
};

struct Attribute {
  Symbol name{};
};
struct Subscript {
  ExpressionPtr key;
};
struct Slice {  // each may be null
  ExpressionPtr start;
  ExpressionPtr stop;
  ExpressionPtr step;
};
struct Call {
  Arguments arguments;
};
struct Filter {
  std::string name;
  Arguments arguments;
};
struct Test {
  std::string name;
  bool is_negated = false;
  Arguments arguments;
};
struct Suffix {
  std::variant<Attribute, Subscript, Slice, Call, Filter, Test> what;
  int line = 0;
};
struct Suffixed {
  ExpressionPtr base;
  std::vector<Suffix> suffixes;
};

struct Expression {
  std::variant<Literal, Variable, ListDisplay, DictDisplay, Unary, Arithmetic, Concatenation,
               Comparisons, Logic, Conditional, Suffixed>
      what;
  int line = 0;
};

struct Statement;
using Block = std::vector<Statement>;

// What is assigned to: a name, an attribute of a namespace, or several (`a, b`).
struct Target {
  Symbol name{};
  std::string attribute{};      // empty: the name itself
  std::vector<Target> parts{};  // if not empty, nothing else is set
};

struct Parameter {
  Symbol name{};
  ExpressionPtr otherwise;  // may be null: undefined
};
// Of a macro or of a call block, whose name is "caller".
struct MacroDeclaration {
  Symbol name{};
  std::vector<Parameter> parameters{};
  Block body;
  bool takes_varargs = false;  // the body says `varargs`
  bool takes_kwargs = false;
  bool takes_caller = false;
};

struct Plain {
  std::string text;
};
struct Output {
  ExpressionPtr value;
};
struct If {
  std::vector<std::pair<ExpressionPtr, Block>> branches;
  Block otherwise;
};
struct For {
  Target target;
  ExpressionPtr items;
  ExpressionPtr condition;  // may be null
  Block body;
  Block otherwise;
};
struct Set {
  Target target;
  ExpressionPtr value;
};
struct SetBlock {
  Target target;
  std::vector<Suffix> filters;
  Block body;
};
struct MacroStatement {
  std::unique_ptr<const MacroDeclaration> macro;
};
struct CallBlock {
  ExpressionPtr call;
  std::unique_ptr<const MacroDeclaration> caller;
};
struct FilterBlock {
  std::vector<Suffix> filters;
  Block body;
};
struct Scoped {  // with, generation
  std::vector<std::pair<Target, ExpressionPtr>> assignments;
  Block body;
};
struct Break {};
struct Continue {};

struct Statement {
  std::variant<Plain, Output, If, For, Set, SetBlock, MacroStatement, CallBlock, FilterBlock,
               Scoped, Break, Continue>
      what;
  int line = 0;
};

struct Tree {
  Block body;
  std::vector<std::string> names;  // by Symbol
};

}  // namespace redknot::jinja
