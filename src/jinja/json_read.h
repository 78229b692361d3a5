// SPDX-License-Identifier: Apache-2.0
// JSON as values: objects as dicts in their order, whole numbers as integers where they fit.
#pragma once

#include <string_view>

#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

// kInvalidArgument if `text` is not JSON; kResourceExhausted for a limit of the heap, depth too.
Result<Value> read_json(Heap& heap, std::string_view text);

}  // namespace redknot::jinja
