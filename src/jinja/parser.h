// SPDX-License-Identifier: Apache-2.0
// Source of a template to tree.
#pragma once

#include <string_view>

#include "jinja/syntax.h"
#include "redknot/result.h"

namespace redknot::jinja {

// kInvalidArgument naming line and cause; kUnsupported for tags of Jinja that are not part of the
// subset (include, import, extends, block, recursive loops); kResourceExhausted for statements or
// expressions nested deeper than `depth`.
Result<Tree> parse(std::string_view source, int depth);

}  // namespace redknot::jinja
