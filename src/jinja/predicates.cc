// SPDX-License-Identifier: Apache-2.0
// Jinja's tests: `value is name`.
#include <array>
#include <string>
#include <unordered_map>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/filters.h"
#include "jinja/operators.h"

namespace redknot::jinja {
namespace {

bool is_sequence(const Value& value) {
  if (value.is(Kind::kSequence)) return value.sequence().flavour <= Flavour::kTuple;
  return value.is_text() || value.is(Kind::kDict) || value.is_undefined();
}

bool is_iterable(const Value& value) {
  return is_sequence(value) || value.is(Kind::kSequence) || value.is(Kind::kLoop);
}

bool is_callable(const Value& value) {
  return value.is(Kind::kMacro) || value.is(Kind::kMethod) || value.is(Kind::kFunction);
}

using Plain = bool (*)(const Value& value);

const std::unordered_map<std::string_view, Plain>& plain_tests() {
  static const std::unordered_map<std::string_view, Plain> kTests = {
      {"defined", [](const Value& v) { return !v.is_undefined(); }},
      {"undefined", [](const Value& v) { return v.is_undefined(); }},
      {"none", [](const Value& v) { return v.is_none(); }},
      {"boolean", [](const Value& v) { return v.is(Kind::kBool); }},
      {"true", [](const Value& v) { return v.is(Kind::kBool) && v.boolean(); }},
      {"false", [](const Value& v) { return v.is(Kind::kBool) && !v.boolean(); }},
      {"integer", [](const Value& v) { return v.is(Kind::kInteger); }},
      {"float", [](const Value& v) { return v.is(Kind::kFloat); }},
      {"number", [](const Value& v) { return v.is_number(); }},
      {"string", [](const Value& v) { return v.is_text(); }},
      {"mapping", [](const Value& v) { return v.is(Kind::kDict); }},
      {"sequence", is_sequence},
      {"iterable", is_iterable},
      {"callable", is_callable},
      {"escaped", [](const Value& v) { return v.is_markup(); }},
  };
  return kTests;
}

const std::unordered_map<std::string_view, Comparison>& comparing_tests() {
  static const std::unordered_map<std::string_view, Comparison> kTests = {
      {"==", Comparison::kEqual},
      {"eq", Comparison::kEqual},
      {"equalto", Comparison::kEqual},
      {"!=", Comparison::kNotEqual},
      {"ne", Comparison::kNotEqual},
      {"<", Comparison::kLess},
      {"lt", Comparison::kLess},
      {"lessthan", Comparison::kLess},
      {"<=", Comparison::kLessEqual},
      {"le", Comparison::kLessEqual},
      {">", Comparison::kGreater},
      {"gt", Comparison::kGreater},
      {"greaterthan", Comparison::kGreater},
      {">=", Comparison::kGreaterEqual},
      {"ge", Comparison::kGreaterEqual},
      {"in", Comparison::kIn},
  };
  return kTests;
}

Result<bool> divides(Heap& heap, const Value& value, const Value& by, std::int64_t rest) {
  REDKNOT_TRY(const Value remainder, arithmetic(heap, BinaryOperator::kModulo, value, by));
  return equal(heap, remainder, Value(rest));
}

}  // namespace

Result<bool> apply_test(Heap& heap, std::string_view name, const Value& input,
                        const CallArguments& arguments) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  const auto plain = plain_tests().find(name);
  if (plain != plain_tests().end()) {
    REDKNOT_TRY(const auto none, bind(name, arguments, {}));
    return plain->second(input);
  }
  const auto comparing = comparing_tests().find(name);
  if (comparing != comparing_tests().end()) {
    REDKNOT_TRY(const auto bound, bind(name, arguments, {"other"}, 1));
    return compare(heap, comparing->second, input, bound[0]);
  }
  if (name == "odd") return divides(heap, input, Value(std::int64_t{2}), 1);
  if (name == "even") return divides(heap, input, Value(std::int64_t{2}), 0);
  if (name == "divisibleby" || name == "sameas") {
    REDKNOT_TRY(const auto bound, bind(name, arguments, {"other"}, 1));
    if (name == "sameas") return input.is_same_object(bound[0]);
    return divides(heap, input, bound[0], 0);
  }
  if (name == "upper" || name == "lower") {
    REDKNOT_TRY(const Value text, apply_filter(heap, "string", input, {}));
    REDKNOT_TRY(const Value changed, apply_filter(heap, name, input, {}));
    // As Python has it, a text without letters is neither.
    return text.text() == changed.text() && upper(text.text()) != lower(text.text());
  }
  return unsupported("there is no test '", name, "'");
}

}  // namespace redknot::jinja
