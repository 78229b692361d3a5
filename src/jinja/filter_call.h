// SPDX-License-Identifier: Apache-2.0
// What the filters of one file and their table share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "jinja/arguments.h"
#include "jinja/display.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

struct FilterCall {
  Heap& heap;
  std::string_view name;
  const Value& input;
  const CallArguments& arguments;

  // The input as a text; markup stays markup.
  Result<Value> input_text() const {
    if (input.is_text()) return input;
    REDKNOT_TRY(std::string text, display(heap, input));
    return make_text(heap, std::move(text));
  }
};

using FilterFunction = Result<Value> (*)(const FilterCall& call);

struct NamedFilter {
  std::string_view name;
  FilterFunction function = nullptr;
};

const std::vector<NamedFilter>& text_filters();      // upper, trim, indent, tojson...
const std::vector<NamedFilter>& number_filters();    // int, round, abs...
const std::vector<NamedFilter>& sequence_filters();  // join, first, unique, sort...
const std::vector<NamedFilter>& mapping_filters();   // map, selectattr, items, dictsort...

// The integer that an argument is, or `otherwise` if it was not given.
inline Result<std::int64_t> integer_argument(std::string_view callee, const Value& value,
                                             std::int64_t otherwise) {
  if (value.is_undefined()) return otherwise;
  if (value.is_integral()) return value.integral();
  return invalid(callee, "() takes an integer, not ", type_name(value));
}

// "a.b.0" of a value, or a single item if the path is no text. Nothing there: undefined.
Result<Value> follow_path(Heap& heap, const Value& value, const Value& path);

// What sorting and unique compare: the value at `path` (if any), in lower case if `ignores_case`.
Result<Value> sort_key(Heap& heap, const Value& value, const Value& path, bool ignores_case);

// Stable, by keys; kInvalidArgument for keys without an order.
Status sort_by_keys(Heap& heap, std::vector<std::pair<Value, Value>>& keyed, bool reverse);

}  // namespace redknot::jinja
