// SPDX-License-Identifier: Apache-2.0
// Texts with places for values: 'a %s' % value and 'a {}'.format(value).
#pragma once

#include "jinja/arguments.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

// %s %r %d %i %x %o %e %f %g %c and %%, with flags, width and precision, and %(name)s of a dict.
// kInvalidArgument for others, and for too few or too many values.
Result<Value> percent_format(Heap& heap, const Value& format, const Value& values);

// {} {0} {name}, {{ and }}. kUnsupported for conversions, formats and attributes in the braces.
Result<Value> brace_format(Heap& heap, const Value& format, const CallArguments& arguments);

}  // namespace redknot::jinja
