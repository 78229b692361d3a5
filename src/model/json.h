// SPDX-License-Identifier: Apache-2.0
// Typed access to JSON nobody vouches for, without exceptions. Include in .cc files only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

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

// The fields of one object. Absent and null are the same. Errors name the place and the field.
// A view; the Json and the place must outlive it.
class JsonFields {
 public:
  // A value that is not an object has no fields.
  JsonFields(const Json& object, std::string_view place) : object_(object), place_(place) {}

  // nullptr if absent.
  const Json* find(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  Result<std::optional<std::int64_t>> integer(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<std::int64_t>();
    if (!value->is_number_integer() ||
        (value->is_number_unsigned() && value->get<std::uint64_t>() > INT64_MAX)) {
      return wrong_type(key, "an integer");
    }
    return std::optional(value->get<std::int64_t>());
  }

  Result<std::optional<double>> number(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<double>();
    if (!value->is_number()) return wrong_type(key, "a number");
    return std::optional(value->get<double>());
  }

  Result<std::optional<bool>> boolean(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<bool>();
    if (!value->is_boolean()) return wrong_type(key, "true or false");
    return std::optional(value->get<bool>());
  }

  Result<std::optional<std::string>> text(const char* key) const {
    const Json* value = find(key);
    if (value == nullptr) return std::optional<std::string>();
    if (!value->is_string()) return wrong_type(key, "a string");
    return std::optional(value->get_ref<const std::string&>());
  }

  Error wrong_type(std::string_view key, std::string_view expected) const {
    return corrupt(place_, ": ", key, " is not ", expected);
  }

 private:
  const Json& object_;
  std::string_view place_;
};

}  // namespace redknot
