// SPDX-License-Identifier: Apache-2.0
// Values in syntaxes that are not JSON, as JSON. Pure functions; nothing for what they do not
// understand, or what is nested more deeply than JsonScanner::kMaxDepth.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace redknot::chat {

// Gemma's, with its braces: {location:<|"|>Zürich<|"|>,days:[1,2]}
std::optional<nlohmann::ordered_json> gemma_object(std::string_view text);

struct PythonCall {
  std::string name{};
  nlohmann::ordered_json arguments{};  // by name
};
struct PythonCalls {
  std::vector<PythonCall> calls{};
  std::size_t used = 0;  // bytes of the text that they are
};
// Calls in Python, arguments by name: [weather(city="Zürich", days=[1, 2]), now()]; or one of them
// without brackets. "name.call(..)" is a call of "name".
std::optional<PythonCalls> python_calls(std::string_view text);

}  // namespace redknot::chat
