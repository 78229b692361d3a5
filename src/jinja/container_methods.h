// SPDX-License-Identifier: Apache-2.0
// Methods of dicts, lists and tuples. None changes its receiver.
#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

bool is_dict_method(std::string_view name);
bool is_list_method(std::string_view name);
// Is it one of Python's methods that change a dict or list, such as append()?
bool would_change(const Value& receiver, std::string_view name);

// Each requires that there is such a method. kInvalidArgument for wrong arguments.
Result<Value> call_dict_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments);
Result<Value> call_list_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments);

}  // namespace redknot::jinja
