// SPDX-License-Identifier: Apache-2.0
#include "jinja/operators.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/text_format.h"

namespace redknot::jinja {
namespace {

std::string_view sign(BinaryOperator op) {
  static constexpr std::string_view kSigns[] = {"+", "-", "*", "/", "//", "%", "**"};
  return kSigns[static_cast<std::size_t>(op)];
}

Error no_operation(std::string_view op, const Value& a, const Value& b) {
  if (a.is_undefined()) return invalid(describe(a.undefined()));
  if (b.is_undefined()) return invalid(describe(b.undefined()));
  if (a.is_text() && op == "+") {
    return invalid("can only concatenate str (not \"", type_name(b), "\") to str");
  }
  return invalid("unsupported operand type(s) for ", op, ": '", type_name(a), "' and '",
                 type_name(b), "'");
}

Error too_large() { return invalid("an integer is too large"); }

Result<Value> integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) {
    if (base == 0) return invalid("0 cannot be raised to a negative power");
    return Value(std::pow(static_cast<double>(base), static_cast<double>(exponent)));
  }
  std::int64_t result = 1;
  while (exponent > 0) {
    if (exponent % 2 == 1 && __builtin_mul_overflow(result, base, &result)) return too_large();
    exponent /= 2;
    if (exponent > 0 && __builtin_mul_overflow(base, base, &base)) return too_large();
  }
  return Value(result);
}

Result<Value> integer_division(BinaryOperator op, std::int64_t a, std::int64_t b) {
  if (b == 0) return invalid("division by zero");
  if (op == BinaryOperator::kDivide) {
    return Value(static_cast<double>(a) / static_cast<double>(b));
  }
  if (b == -1) {
    if (op == BinaryOperator::kModulo) return Value(std::int64_t{0});
    if (a == std::numeric_limits<std::int64_t>::min()) return too_large();
    return Value(-a);
  }
  const bool rounds_down = a % b != 0 && (a < 0) != (b < 0);
  if (op == BinaryOperator::kModulo) return Value(a % b + (rounds_down ? b : 0));
  return Value(a / b - (rounds_down ? 1 : 0));
}

Result<Value> integer_arithmetic(BinaryOperator op, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  switch (op) {
    case BinaryOperator::kAdd:
      if (__builtin_add_overflow(a, b, &result)) return too_large();
      return Value(result);
    case BinaryOperator::kSubtract:
      if (__builtin_sub_overflow(a, b, &result)) return too_large();
      return Value(result);
    case BinaryOperator::kMultiply:
      if (__builtin_mul_overflow(a, b, &result)) return too_large();
      return Value(result);
    case BinaryOperator::kPower:
      return integer_power(a, b);
    default:
      return integer_division(op, a, b);
  }
}

Result<Value> float_arithmetic(BinaryOperator op, double a, double b) {
  switch (op) {
    case BinaryOperator::kAdd:
      return Value(a + b);
    case BinaryOperator::kSubtract:
      return Value(a - b);
    case BinaryOperator::kMultiply:
      return Value(a * b);
    case BinaryOperator::kPower: {
      const double power = std::pow(a, b);
      if (std::isnan(power) && !std::isnan(a) && !std::isnan(b)) {
        return invalid("a power of a negative number is not real");
      }
      return Value(power);
    }
    default:
      break;
  }
  if (b == 0) return invalid("division by zero");
  if (op == BinaryOperator::kDivide) return Value(a / b);
  double rest = std::fmod(a, b);
  if (rest != 0 && (rest < 0) != (b < 0)) rest += b;
  if (op == BinaryOperator::kModulo) return Value(rest);
  return Value(std::floor((a - rest) / b + 0.5));
}

// Where one of both is markup, the other is escaped.
Result<Value> add_texts(Heap& heap, const Value& a, const Value& b) {
  const bool markup = a.is_markup() || b.is_markup();
  const auto part = [markup](const Value& text) {
    return markup && !text.is_markup() ? escape_html(text.text()) : text.text();
  };
  const std::size_t growth = markup ? 5 : 1;
  REDKNOT_RETURN_IF_ERROR(heap.text_fits((a.text().size() + b.text().size()) * growth));
  return make_text(heap, part(a) + part(b), markup);
}

Result<Value> add_lists(Heap& heap, const Sequence& a, const Sequence& b) {
  REDKNOT_RETURN_IF_ERROR(heap.items_fit(a.items.size() + b.items.size()));
  std::vector<Value> items;
  items.reserve(a.items.size() + b.items.size());
  items.insert(items.end(), a.items.begin(), a.items.end());
  items.insert(items.end(), b.items.begin(), b.items.end());
  return make_sequence(heap, std::move(items), a.flavour);
}

bool is_list_or_tuple(const Value& value) {
  return value.is(Kind::kSequence) && value.sequence().flavour <= Flavour::kTuple;
}

// How often `count` makes of `size` elements; kResourceExhausted if the product overflows.
Result<std::size_t> repeated_size(std::size_t size, std::int64_t count) {
  std::size_t total = 0;
  if (count <= 0) return total;
  if (__builtin_mul_overflow(size, static_cast<std::size_t>(count), &total)) {
    return exhausted("a repetition is too large");
  }
  return total;
}

Result<Value> repeat(Heap& heap, const Value& what, std::int64_t count) {
  if (what.is_text()) {
    REDKNOT_TRY(const std::size_t bytes, repeated_size(what.text().size(), count));
    REDKNOT_RETURN_IF_ERROR(heap.text_fits(bytes));
    std::string text;
    text.reserve(bytes);
    while (text.size() < bytes) text += what.text();
    return make_text(heap, std::move(text), what.is_markup());
  }
  const Sequence& list = what.sequence();
  REDKNOT_TRY(const std::size_t size, repeated_size(list.items.size(), count));
  REDKNOT_RETURN_IF_ERROR(heap.items_fit(size));
  std::vector<Value> items;
  items.reserve(size);
  while (items.size() < size) items.insert(items.end(), list.items.begin(), list.items.end());
  return make_sequence(heap, std::move(items), list.flavour);
}

Result<bool> equal_dicts(Heap& heap, const Dict& a, const Dict& b) {
  if (a.entries.size() != b.entries.size()) return false;
  for (const auto& [key, value] : a.entries) {
    const Value* other = b.find(heap, key);
    if (other == nullptr) return false;
    REDKNOT_TRY(const bool same, equal(heap, value, *other));
    if (!same) return false;
  }
  return true;
}

Result<bool> equal_lists(Heap& heap, const Sequence& a, const Sequence& b) {
  if (a.flavour != b.flavour || a.items.size() != b.items.size()) return false;
  for (std::size_t i = 0; i < a.items.size(); ++i) {
    REDKNOT_TRY(const bool same, equal(heap, a.items[i], b.items[i]));
    if (!same) return false;
  }
  return true;
}

Result<bool> less_list(Heap& heap, const Sequence& a, const Sequence& b) {
  for (std::size_t i = 0; i < a.items.size() && i < b.items.size(); ++i) {
    REDKNOT_TRY(const bool same, equal(heap, a.items[i], b.items[i]));
    if (!same) return less(heap, a.items[i], b.items[i]);
  }
  return a.items.size() < b.items.size();
}

}  // namespace

Result<Value> arithmetic(Heap& heap, BinaryOperator op, const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integral() && b.is_integral()) {
      return integer_arithmetic(op, a.integral(), b.integral());
    }
    return float_arithmetic(op, a.number(), b.number());
  }
  if (op == BinaryOperator::kAdd) {
    if (a.is_text() && b.is_text()) return add_texts(heap, a, b);
    if (is_list_or_tuple(a) && is_list_or_tuple(b) &&
        a.sequence().flavour == b.sequence().flavour) {
      return add_lists(heap, a.sequence(), b.sequence());
    }
  } else if (op == BinaryOperator::kMultiply) {
    if ((a.is_text() || is_list_or_tuple(a)) && b.is_integral()) {
      return repeat(heap, a, b.integral());
    }
    if (a.is_integral() && (b.is_text() || is_list_or_tuple(b))) {
      return repeat(heap, b, a.integral());
    }
  } else if (op == BinaryOperator::kModulo && a.is_text() && !b.is_undefined()) {
    return percent_format(heap, a, b);
  }
  return no_operation(sign(op), a, b);
}

Result<Value> negative(const Value& value) {
  if (value.is_integral()) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, value.integral(), &result)) return too_large();
    return Value(result);
  }
  if (value.is_number()) return Value(-value.number());
  if (value.is_undefined()) return invalid(describe(value.undefined()));
  return invalid("bad operand type for unary -: '", type_name(value), "'");
}

Result<bool> equal(Heap& heap, const Value& a, const Value& b) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  if (a.is_integral() && b.is_integral()) return a.integral() == b.integral();
  if (a.is_number() && b.is_number()) return a.number() == b.number();
  if (a.kind() != b.kind()) return false;
  if (a.is_text()) {
    REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(std::min(a.text().size(), b.text().size())));
    return a.text() == b.text();
  }
  if (a.is_same_object(b)) return true;
  if (a.is(Kind::kSequence)) return equal_lists(heap, a.sequence(), b.sequence());
  if (a.is(Kind::kDict)) return equal_dicts(heap, a.dict(), b.dict());
  return false;
}

Result<bool> less(Heap& heap, const Value& a, const Value& b) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  if (a.is_integral() && b.is_integral()) return a.integral() < b.integral();
  if (a.is_number() && b.is_number()) return a.number() < b.number();
  if (a.is_text() && b.is_text()) {
    REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(std::min(a.text().size(), b.text().size())));
    return a.text() < b.text();
  }
  if (is_list_or_tuple(a) && is_list_or_tuple(b) && a.sequence().flavour == b.sequence().flavour) {
    return less_list(heap, a.sequence(), b.sequence());
  }
  return no_operation("<", a, b);
}

Result<bool> contains(Heap& heap, const Value& container, const Value& item) {
  switch (container.kind()) {
    case Kind::kText:
      if (!item.is_text()) {
        return invalid("'in <string>' requires string as left operand, not ", type_name(item));
      }
      REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(container.text().size()));
      return container.text().find(item.text()) != std::string::npos;
    case Kind::kDict: {
      if (item.is(Kind::kDict) || (item.is(Kind::kSequence) && !is_list_or_tuple(item))) {
        return invalid("unhashable type: '", type_name(item), "'");
      }
      return container.dict().find(heap, item) != nullptr;
    }
    case Kind::kUndefined:
      return false;
    case Kind::kSequence:
      for (const Value& other : container.sequence().items) {
        REDKNOT_TRY(const bool same, equal(heap, other, item));
        if (same) return true;
      }
      return false;
    default:
      return invalid("argument of type '", type_name(container), "' is not iterable");
  }
}

Result<bool> compare(Heap& heap, Comparison comparison, const Value& a, const Value& b) {
  switch (comparison) {
    case Comparison::kEqual:
      return equal(heap, a, b);
    case Comparison::kNotEqual: {
      REDKNOT_TRY(const bool same, equal(heap, a, b));
      return !same;
    }
    case Comparison::kLess:
      return less(heap, a, b);
    case Comparison::kGreater:
      return less(heap, b, a);
    case Comparison::kLessEqual:
    case Comparison::kGreaterEqual: {
      const bool is_less = comparison == Comparison::kLessEqual;
      REDKNOT_TRY(const bool before, is_less ? less(heap, a, b) : less(heap, b, a));
      if (before) return true;
      return equal(heap, a, b);
    }
    case Comparison::kIn:
      return contains(heap, b, a);
    case Comparison::kNotIn: {
      REDKNOT_TRY(const bool is_in, contains(heap, b, a));
      return !is_in;
    }
  }
  return false;
}

}  // namespace redknot::jinja
