// SPDX-License-Identifier: Apache-2.0
// What is inside a value: attributes, items, slices and methods, as Jinja2 finds them.
//
// `a.b` is the method of that name, else the item; `a['b']` the item, else the method. What is not
// there is undefined. Everything of what is undefined is an error (kInvalidArgument).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

// `name` must outlive the result: it may say what is undefined.
Result<Value> attribute_of(Heap& heap, const Value& value, const std::string& name);
Result<Value> item_of(Heap& heap, const Value& value, const Value& key);

struct SliceBounds {
  std::optional<std::int64_t> start{};
  std::optional<std::int64_t> stop{};
  std::int64_t step = 1;
};
Result<Value> slice_of(Heap& heap, const Value& value, const SliceBounds& bounds);

bool has_method(const Value& value, std::string_view name);
// kInvalidArgument if there is none; so it is for methods that would change the receiver.
Result<Value> call_method(Heap& heap, const Value& receiver, std::string_view name,
                          const CallArguments& arguments);

}  // namespace redknot::jinja
