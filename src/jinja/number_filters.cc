// SPDX-License-Identifier: Apache-2.0
// Filters that make numbers, and default.
#include <charconv>
#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/filter_call.h"
#include "jinja/operators.h"

namespace redknot::jinja {
namespace {

Result<Value> default_value(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"default_value", "boolean"}));
  if (!call.input.is_undefined() && (!truth(bound[1]) || truth(call.input))) return call.input;
  if (!call.arguments.positional.empty() || !bound[0].is_undefined()) return bound[0];
  return make_text(call.heap, "");
}

Result<Value> length_of(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  REDKNOT_TRY(const std::int64_t count, length(call.heap, call.input));
  return Value(count);
}

template <typename Number, typename... Base>
bool parse_number(std::string_view text, Number& number, Base... base) {
  text = strip_left(strip_right(text));
  const bool has_sign = !text.empty() && (text[0] == '+' || text[0] == '-');
  const bool is_negative = has_sign && text[0] == '-';
  if (has_sign) text.remove_prefix(1);
  if (text.empty() || text[0] == '-' || text[0] == '+') return false;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number, base...);
  if (parsed.ec != std::errc() || parsed.ptr != end) return false;
  if (is_negative) number = -number;
  return true;
}

Result<Value> truncated(double number, const Value& otherwise) {
  if (!(std::abs(number) < 9.2e18)) return otherwise;
  return Value(static_cast<std::int64_t>(number));
}

Result<Value> to_int(const FilterCall& call) {
  REDKNOT_TRY(auto bound, bind(call.name, call.arguments, {"default", "base"}));
  if (call.arguments.positional.empty() && bound[0].is_undefined()) {
    bound[0] = Value(std::int64_t{0});
  }
  REDKNOT_TRY(const std::int64_t base, integer_argument(call.name, bound[1], 10));
  if (base < 2 || base > 36) return invalid("int() takes a base from 2 to 36");
  if (call.input.is_integral()) return Value(call.input.integral());
  if (call.input.is(Kind::kFloat)) return truncated(call.input.number(), bound[0]);
  if (!call.input.is_text()) return bound[0];
  std::string_view text = call.input.text();
  const std::string_view prefix = text.substr(0, 2);
  if ((base == 16 && prefix == "0x") || (base == 8 && prefix == "0o") ||
      (base == 2 && prefix == "0b")) {
    text.remove_prefix(2);
  }
  std::int64_t integer = 0;
  if (parse_number(text, integer, static_cast<int>(base))) return Value(integer);
  double number = 0;
  if (parse_number(text, number)) return truncated(number, bound[0]);
  return bound[0];
}

Result<Value> to_float(const FilterCall& call) {
  REDKNOT_TRY(auto bound, bind(call.name, call.arguments, {"default"}));
  if (call.arguments.positional.empty() && bound[0].is_undefined()) bound[0] = Value(0.0);
  if (call.input.is_number()) return Value(call.input.number());
  double number = 0;
  if (call.input.is_text() && parse_number(call.input.text(), number)) return Value(number);
  return bound[0];
}

Result<Value> absolute(const FilterCall& call) {
  if (!call.input.is_number()) return invalid("abs() takes a number");
  const bool is_negative = call.input.number() < 0;
  if (is_negative) return negative(call.input);
  return call.input.is_integral() ? Value(call.input.integral()) : call.input;
}

double half_to_even(double number) {
  const double floor = std::floor(number);
  const double rest = number - floor;
  if (rest != 0.5) return rest < 0.5 ? floor : floor + 1;
  return std::fmod(floor, 2) == 0 ? floor : floor + 1;
}

Result<Value> round_number(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"precision", "method"}));
  if (!call.input.is_number()) return invalid("round() takes a number");
  REDKNOT_TRY(const std::int64_t precision, integer_argument(call.name, bound[0], 0));
  if (std::abs(static_cast<double>(precision)) > 15) return invalid("round() to that precision");
  const std::string method = bound[1].is_text() ? bound[1].text() : "common";
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = call.input.number() * scale;
  if (method == "ceil") return Value(std::ceil(scaled) / scale);
  if (method == "floor") return Value(std::floor(scaled) / scale);
  if (method != "common") return invalid("round() knows common, ceil and floor");
  if (call.input.is_integral() && precision >= 0) return Value(call.input.integral());
  if (precision <= 0) return Value(half_to_even(scaled) / scale);
  char text[400];
  const int bytes =
      std::snprintf(text, sizeof(text), "%.*f", static_cast<int>(precision), call.input.number());
  double rounded = 0;
  std::from_chars(text, text + bytes, rounded);
  return Value(rounded);
}

Result<Value> sum(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"attribute", "start"}));
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  Value total = bound[1].is_undefined() ? Value(std::int64_t{0}) : bound[1];
  for (const Value& item : items) {
    Value part = item;
    if (!bound[0].is_undefined() && !bound[0].is_none()) {
      REDKNOT_TRY(part, follow_path(call.heap, item, bound[0]));
    }
    REDKNOT_TRY(total, arithmetic(call.heap, BinaryOperator::kAdd, total, part));
  }
  return total;
}

// The least or the greatest.
Result<Value> extreme(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"case_sensitive", "attribute"}));
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  Value best;
  Value best_key;
  for (std::size_t i = 0; i < items.size(); ++i) {
    REDKNOT_TRY(const Value key, sort_key(call.heap, items[i], bound[1], !truth(bound[0])));
    if (i > 0) {
      const bool wants_less = call.name == "min";
      REDKNOT_TRY(const bool is_better,
                  wants_less ? less(call.heap, key, best_key) : less(call.heap, best_key, key));
      if (!is_better) continue;
    }
    best = items[i];
    best_key = key;
  }
  return best;
}

}  // namespace

const std::vector<NamedFilter>& number_filters() {
  static const std::vector<NamedFilter> kFilters = {
      {"default", default_value}, {"d", default_value},    {"length", length_of},
      {"count", length_of},       {"int", to_int},         {"float", to_float},
      {"abs", absolute},          {"round", round_number}, {"sum", sum},
      {"min", extreme},           {"max", extreme},
  };
  return kFilters;
}

}  // namespace redknot::jinja
