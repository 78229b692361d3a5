// SPDX-License-Identifier: Apache-2.0
// Files of one JSON object a line. Pure functions.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace redknot::load {

// What `parse_object` makes of each line, in their order; it is called with an object. Lines of
// white space are passed over. kInvalidArgument naming the line that is none, or that it refuses.
template <typename T, typename ParseObject>
Result<std::vector<T>> parse_lines(std::string_view text, const ParseObject& parse_object) {
  std::vector<T> out;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const auto object =
        nlohmann::json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return invalid("line ", number, ": not a JSON object");
    Result<T> one = parse_object(object);
    if (!one.ok()) return one.error().within(concat("line ", number));
    out.push_back(*std::move(one));
  }
  return out;
}

}  // namespace redknot::load
