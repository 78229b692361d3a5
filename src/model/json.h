// SPDX-License-Identifier: Apache-2.0
// JSON of model files, which nobody vouches for: parsed without exceptions and read field by field
// (base/json_fields.h). Include in .cc files only.
#pragma once

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "base/error.h"
#include "base/json_fields.h"

namespace redknot {

using Json = nlohmann::json;

// How deep objects and arrays are nested; brackets in strings do not count.
inline int nesting_depth(std::string_view text) {
  int depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') ++i;  // whatever follows is part of the string
    if (c == '"') in_string = !in_string;
    if (in_string) continue;
    if (c == '[' || c == '{') deepest = std::max(deepest, ++depth);
    if (c == ']' || c == '}') --depth;
  }
  return deepest;
}

// kCorrupt if the text is not JSON, not an object, or so deeply nested that it would take many
// times its size in memory.
inline Result<Json> parse_json_object(std::string_view text, std::string_view file) {
  constexpr int kMaxDepth = 100;
  if (nesting_depth(text) > kMaxDepth) return corrupt(file, " is nested too deeply");
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return corrupt(file, " is not valid JSON");
  if (!json.is_object()) return corrupt(file, " is not a JSON object");
  return json;
}

// The fields of an object in a file, whose errors call them "place: name".
using FileFields = JsonFields<Json>;
inline FileFields file_fields(const Json& object, std::string_view place) {
  return FileFields::of_file(object, place);
}

}  // namespace redknot
