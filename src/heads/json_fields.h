// SPDX-License-Identifier: Apache-2.0
// Reading JSON that others wrote: fields of an object by name, each checked, and errors
// (kInvalidArgument) that say where in the file it went wrong.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "base/error.h"
#include "redknot/result.h"

namespace redknot {

// Borrows the object, which must outlive it. `place`: how the object is named in errors; "" for the
// whole file.
class Fields {
 public:
  Fields(const nlohmann::ordered_json& object, std::string place)
      : object_(object), place_(std::move(place)) {}

  Result<const nlohmann::ordered_json*> find(const char* name) const {
    if (!object_.is_object()) return invalid(place_, " is not an object");
    const auto found = object_.find(name);
    if (found == object_.end()) return invalid("there is no ", at(name));
    return &*found;
  }
  Result<std::string> text(const char* name) const {
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    if (!field->is_string()) return invalid(at(name), " is not a string");
    return field->get<std::string>();
  }
  Result<std::int64_t> integer(const char* name, std::int64_t least, std::int64_t most) const {
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    const bool fits = field->is_number_unsigned()
                          ? field->get<std::uint64_t>() <= static_cast<std::uint64_t>(most)
                          : field->is_number_integer();
    if (!fits || field->get<std::int64_t>() < least || field->get<std::int64_t>() > most) {
      return invalid(at(name), " is not an integer in ", least, "..", most);
    }
    return field->get<std::int64_t>();
  }
  Result<double> number(const char* name) const {
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    return to_number(*field, at(name));
  }
  // `fallback` if there is no such field.
  Result<bool> boolean(const char* name, bool fallback) const {
    if (!has(name)) return fallback;
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    if (!field->is_boolean()) return invalid(at(name), " is not true or false");
    return field->get<bool>();
  }
  Result<const nlohmann::ordered_json*> list(const char* name, std::size_t most) const {
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    if (!field->is_array()) return invalid(at(name), " is not a list");
    if (field->size() > most) return invalid(at(name), " has more than ", most, " entries");
    return field;
  }
  Result<Fields> object(const char* name) const {
    REDKNOT_TRY(const nlohmann::ordered_json* field, find(name));
    return Fields(*field, at(name));
  }
  bool has(const char* name) const { return object_.is_object() && object_.contains(name); }
  bool is_null(const char* name) const {
    const auto found = find(name);
    return found.ok() && (*found)->is_null();
  }
  std::string at(const char* name) const {
    return place_.empty() ? concat("\"", name, "\"") : concat(place_, ".", name);
  }
  static Result<double> to_number(const nlohmann::ordered_json& field, const std::string& place) {
    if (!field.is_number()) return invalid(place, " is not a number");
    const auto number = field.get<double>();
    if (!std::isfinite(number) || number < 0) return invalid(place, " is ", number, ", not >= 0");
    return number;
  }

 private:
  const nlohmann::ordered_json& object_;
  std::string place_;
};

}  // namespace redknot
