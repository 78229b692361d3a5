// SPDX-License-Identifier: Apache-2.0
// Jinja's filters (`value|name(arguments)`) and tests (`value is name(arguments)`).
#pragma once

#include <string_view>

#include "jinja/arguments.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

// kUnsupported if there is no filter or test of that name; kInvalidArgument for what it cannot do.
Result<Value> apply_filter(Heap& heap, std::string_view name, const Value& input,
                           const CallArguments& arguments);
Result<bool> apply_test(Heap& heap, std::string_view name, const Value& input,
                        const CallArguments& arguments);

}  // namespace redknot::jinja
