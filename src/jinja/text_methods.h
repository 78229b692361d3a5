// SPDX-License-Identifier: Apache-2.0
// The methods of Python's str.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/arguments.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

bool is_text_method(std::string_view name);

// Requires a text and is_text_method(name). kInvalidArgument for wrong arguments.
Result<Value> call_text_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments);

// Shared with filters. `count`: of replacements at most, all if negative.
Result<Value> replace_text(Heap& heap, const Value& text, const std::string& old_part,
                           const std::string& new_part, std::int64_t count);
Result<Value> join_texts(Heap& heap, const std::vector<Value>& items, const Value& separator);

}  // namespace redknot::jinja
