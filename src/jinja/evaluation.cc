// SPDX-License-Identifier: Apache-2.0
// The interpreter's expressions.
#include <string>
#include <utility>
#include <variant>

#include "base/error.h"
#include "jinja/access.h"
#include "jinja/display.h"
#include "jinja/filters.h"
#include "jinja/interpreter.h"
#include "jinja/operators.h"

namespace redknot::jinja {

Result<Value> Interpreter::evaluate(const Expression& expression) {
  if (const auto* literal = std::get_if<Literal>(&expression.what)) return literal->value;
  const Level level(*this);
  line_ = expression.line;
  REDKNOT_RETURN_IF_ERROR(step());
  return std::visit([this](const auto& node) { return evaluate(node); }, expression.what);
}

Result<Value> Interpreter::evaluate(const Literal& node) { return node.value; }

Result<Value> Interpreter::evaluate(const Variable& node) {
  const Value* found = scope_->find(node.name);
  if (found != nullptr) return *found;
  return Value(Undefined{&tree_.names[static_cast<std::size_t>(node.name)]});
}

Result<Value> Interpreter::evaluate(const ListDisplay& node) {
  std::vector<Value> items;
  items.reserve(node.items.size());
  for (const ExpressionPtr& item : node.items) {
    REDKNOT_TRY(Value value, evaluate(*item));
    items.push_back(std::move(value));
  }
  return make_sequence(heap_, std::move(items), node.is_tuple ? Flavour::kTuple : Flavour::kList);
}

Result<Value> Interpreter::evaluate(const DictDisplay& node) {
  DictBuilder dict;
  for (const auto& [key_expression, value_expression] : node.entries) {
    REDKNOT_TRY(Value key, evaluate(*key_expression));
    REDKNOT_TRY(Value value, evaluate(*value_expression));
    REDKNOT_RETURN_IF_ERROR(dict.set(heap_, std::move(key), std::move(value)));
  }
  return std::move(dict).finish(heap_);
}

Result<Value> Interpreter::evaluate(const Unary& node) {
  REDKNOT_TRY(const Value operand, evaluate(*node.operand));
  if (node.op == UnaryOperator::kNot) return Value(!truth(operand));
  if (node.op == UnaryOperator::kMinus) return negative(operand);
  if (operand.is(Kind::kBool)) return Value(operand.integral());
  if (operand.is_number()) return operand;
  return invalid("bad operand type for unary +: '", type_name(operand), "'");
}

Result<Value> Interpreter::evaluate(const Arithmetic& node) {
  REDKNOT_TRY(Value left, evaluate(*node.first));
  for (const auto& [op, expression] : node.rest) {
    REDKNOT_TRY(const Value right, evaluate(*expression));
    REDKNOT_TRY(left, arithmetic(heap_, op, left, right));
  }
  return left;
}

Result<Value> Interpreter::evaluate(const Concatenation& node) {
  std::string text;
  for (const ExpressionPtr& part : node.parts) {
    REDKNOT_TRY(const Value value, evaluate(*part));
    REDKNOT_RETURN_IF_ERROR(append_display(heap_, text, value));
  }
  return make_text(heap_, std::move(text));
}

Result<Value> Interpreter::evaluate(const Comparisons& node) {
  REDKNOT_TRY(Value left, evaluate(*node.first));
  for (const auto& [comparison, expression] : node.rest) {
    REDKNOT_TRY(Value right, evaluate(*expression));
    REDKNOT_TRY(const bool holds, compare(heap_, comparison, left, right));
    if (!holds) return Value(false);
    left = std::move(right);
  }
  return Value(true);
}

Result<Value> Interpreter::evaluate(const Logic& node) {
  Value value;
  for (const ExpressionPtr& operand : node.operands) {
    REDKNOT_TRY(value, evaluate(*operand));
    if (truth(value) == node.is_or) break;
  }
  return value;
}

Result<Value> Interpreter::evaluate(const Conditional& node) {
  REDKNOT_TRY(const Value condition, evaluate(*node.condition));
  if (truth(condition)) return evaluate(*node.yes);
  return node.no ? evaluate(*node.no) : Value();
}

Result<Value> Interpreter::evaluate(const Suffixed& node) { return evaluate(node, nullptr); }

Result<Value> Interpreter::evaluate(const Suffixed& node, const Value* caller) {
  REDKNOT_TRY(Value value, evaluate(*node.base));
  const std::vector<Suffix>& suffixes = node.suffixes;
  for (std::size_t i = 0; i < suffixes.size(); ++i) {
    const auto* attribute = std::get_if<Attribute>(&suffixes[i].what);
    const bool calls_attribute = attribute != nullptr && i + 1 < suffixes.size() &&
                                 std::holds_alternative<Call>(suffixes[i + 1].what);
    if (calls_attribute) ++i;
    const auto* call_suffix = std::get_if<Call>(&suffixes[i].what);
    if (call_suffix == nullptr) {
      REDKNOT_TRY(value, apply(suffixes[i], value));
      continue;
    }
    REDKNOT_TRY(CallArguments arguments, evaluate(call_suffix->arguments));
    if (caller != nullptr && i + 1 == suffixes.size()) {
      arguments.named.emplace_back("caller", *caller);
    }
    line_ = suffixes[i].line;
    REDKNOT_RETURN_IF_ERROR(step());
    if (calls_attribute) {
      const std::string& name = tree_.names[static_cast<std::size_t>(attribute->name)];
      REDKNOT_TRY(value, call_attribute(value, name, arguments));
    } else {
      REDKNOT_TRY(value, call(value, arguments));
    }
  }
  return value;
}

Result<Value> Interpreter::apply(const Suffix& suffix, const Value& value) {
  REDKNOT_RETURN_IF_ERROR(step());
  if (const auto* attribute = std::get_if<Attribute>(&suffix.what)) {
    line_ = suffix.line;
    return attribute_of(heap_, value, tree_.names[static_cast<std::size_t>(attribute->name)]);
  }
  if (const auto* key = std::get_if<Subscript>(&suffix.what)) return subscript(*key, value);
  if (const auto* range = std::get_if<Slice>(&suffix.what)) return slice(*range, value);
  if (const auto* filter = std::get_if<Filter>(&suffix.what)) {
    REDKNOT_TRY(const CallArguments arguments, evaluate(filter->arguments));
    line_ = suffix.line;
    return apply_filter(heap_, filter->name, value, arguments);
  }
  if (const auto* test = std::get_if<Test>(&suffix.what)) {
    REDKNOT_TRY(const CallArguments arguments, evaluate(test->arguments));
    line_ = suffix.line;
    REDKNOT_TRY(const bool holds, apply_test(heap_, test->name, value, arguments));
    return Value(holds != test->is_negated);
  }
  REDKNOT_TRY(const CallArguments arguments, evaluate(std::get<Call>(suffix.what).arguments));
  return call(value, arguments);
}

Result<Value> Interpreter::subscript(const Subscript& subscript, const Value& value) {
  REDKNOT_TRY(const Value key, evaluate(*subscript.key));
  REDKNOT_TRY(Value item, item_of(heap_, value, key));
  const auto* literal = std::get_if<Literal>(&subscript.key->what);
  if (item.is_undefined() && literal != nullptr && literal->value.is_text()) {
    return Value(Undefined{&literal->value.text()});
  }
  return item;
}

Result<Value> Interpreter::slice(const Slice& slice, const Value& value) {
  const auto bound = [this](const ExpressionPtr& part) -> Result<std::optional<std::int64_t>> {
    if (!part) return std::optional<std::int64_t>();
    REDKNOT_TRY(const Value at, evaluate(*part));
    if (at.is_none()) return std::optional<std::int64_t>();
    if (!at.is_integral()) return invalid("slice indices must be integers or None");
    return std::optional<std::int64_t>(at.integral());
  };
  SliceBounds bounds;
  REDKNOT_TRY(bounds.start, bound(slice.start));
  REDKNOT_TRY(bounds.stop, bound(slice.stop));
  REDKNOT_TRY(const auto step, bound(slice.step));
  bounds.step = step.value_or(1);
  return slice_of(heap_, value, bounds);
}

Result<CallArguments> Interpreter::evaluate(const Arguments& arguments) {
  CallArguments result;
  result.positional.reserve(arguments.positional.size());
  for (const ExpressionPtr& expression : arguments.positional) {
    REDKNOT_TRY(Value value, evaluate(*expression));
    result.positional.push_back(std::move(value));
  }
  for (const auto& [name, expression] : arguments.named) {
    REDKNOT_TRY(Value value, evaluate(*expression));
    result.named.emplace_back(name, std::move(value));
  }
  REDKNOT_RETURN_IF_ERROR(add_unpacked(arguments, result));
  return result;
}

// *list and **dict.
Status Interpreter::add_unpacked(const Arguments& arguments, CallArguments& result) {
  if (arguments.more_positional) {
    REDKNOT_TRY(const Value value, evaluate(*arguments.more_positional));
    REDKNOT_TRY(const std::vector<Value> items, iterate(heap_, value));
    result.positional.insert(result.positional.end(), items.begin(), items.end());
  }
  if (!arguments.more_named) return Done{};
  REDKNOT_TRY(const Value value, evaluate(*arguments.more_named));
  if (!value.is(Kind::kDict)) return invalid("argument after ** must be a mapping");
  REDKNOT_RETURN_IF_ERROR(heap_.spend(value.dict().entries.size()));
  for (const auto& [key, entry] : value.dict().entries) {
    if (!key.is_text()) return invalid("keywords must be strings");
    result.named.emplace_back(key.text(), entry);
  }
  return Done{};
}

}  // namespace redknot::jinja
