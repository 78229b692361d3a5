// SPDX-License-Identifier: Apache-2.0
// The arguments of one call, and their order by the names of parameters.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

struct CallArguments {
  std::vector<Value> positional{};
  std::vector<std::pair<std::string, Value>> named{};
};

// One value for each of `names`, undefined for what was not given. kInvalidArgument: more than
// that, a name that is none of them or given twice, or fewer than `required`. `callee` is for the
// message.
inline Result<std::vector<Value>> bind(std::string_view callee, const CallArguments& arguments,
                                       std::initializer_list<std::string_view> names,
                                       std::size_t required = 0) {
  if (arguments.positional.size() > names.size()) {
    return invalid(callee, "() takes at most ", names.size(), " arguments");
  }
  std::vector<Value> values = arguments.positional;
  values.resize(names.size());
  std::vector<bool> is_given(names.size(), false);
  for (std::size_t i = 0; i < arguments.positional.size(); ++i) is_given[i] = true;
  for (const auto& [name, value] : arguments.named) {
    std::size_t at = 0;
    while (at < names.size() && names.begin()[at] != name) ++at;
    if (at == names.size()) return invalid(callee, "() has no argument '", name, "'");
    if (is_given[at]) return invalid(callee, "() has the argument '", name, "' twice");
    is_given[at] = true;
    values[at] = value;
  }
  for (std::size_t i = 0; i < required; ++i) {
    if (!is_given[i]) return invalid(callee, "() lacks the argument '", names.begin()[i], "'");
  }
  return values;
}

}  // namespace redknot::jinja
