// SPDX-License-Identifier: Apache-2.0
// Reading JSON that others wrote: the fields of one object by name, each of a type, without
// exceptions, and with errors that say where it went wrong.
//
// Head profiles, files of models, questions and traces are read with it. A reader is a view: it
// borrows the object, which must outlive it, and may be used from any thread. Include in .cc files
// only, for what nlohmann's header costs.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

namespace redknot {

// A field of an object; null where there is none, so that look-ups can be chained.
template <typename Json>
const Json& member_of(const Json& object, const char* name) {
  static const Json kNothing;
  if (!object.is_object()) return kNothing;
  const auto found = object.find(name);
  return found == object.end() ? kNothing : *found;
}

// `Json` is nlohmann::json, or ordered_json where the order of fields matters.
template <typename Json>
class JsonFields {
 public:
  // Errors are kInvalidArgument. They call a field of a whole document "name", with the quotes, and
  // one of an object in it place.name.
  explicit JsonFields(const Json& object, std::string place = {})
      : object_(object), place_(std::move(place)) {
    if (!place_.empty()) before_ = place_ + ".", behind_.clear();
  }
  // Errors are kCorrupt and call a field as "place: name", where the place begins with a file.
  static JsonFields of_file(const Json& object, std::string_view place) {
    JsonFields out(object, std::string(place));
    out.before_ = concat(place, ": ");
    out.code_ = ErrorCode::kCorrupt;
    return out;
  }

  // ---- Fields that may be missing. Null is the same, and what is no object has none. ----

  const Json* find(const char* name) const {
    const Json& field = member_of(object_, name);
    return field.is_null() ? nullptr : &field;
  }
  Result<std::optional<std::string>> optional_text(const char* name) const {
    const Json* field = find(name);
    if (field == nullptr) return std::optional<std::string>();
    if (!field->is_string()) return wrong_type(name, "a string");
    return std::optional(field->template get<std::string>());
  }
  Result<std::optional<std::int64_t>> optional_integer(const char* name) const {
    const Json* field = find(name);
    if (field == nullptr) return std::optional<std::int64_t>();
    if (!is_integer_upto(*field, INT64_MAX)) return wrong_type(name, "an integer");
    return std::optional(field->template get<std::int64_t>());
  }
  Result<std::optional<double>> optional_number(const char* name) const {
    const Json* field = find(name);
    if (field == nullptr) return std::optional<double>();
    if (!field->is_number()) return wrong_type(name, "a number");
    return std::optional(field->template get<double>());
  }
  Result<std::optional<bool>> optional_boolean(const char* name) const {
    const Json* field = find(name);
    if (field == nullptr) return std::optional<bool>();
    if (!field->is_boolean()) return wrong_type(name, "true or false");
    return std::optional(field->template get<bool>());
  }

  // ---- Fields that must be there. Null is a value of another type. ----

  Result<const Json*> required(const char* name) const {
    if (!object_.is_object()) return error(place_, " is not an object");
    const auto found = object_.find(name);
    if (found == object_.end()) return error("there is no ", at(name));
    return &*found;
  }
  Result<std::string> text(const char* name) const {
    REDKNOT_TRY(const Json* field, required(name));
    if (!field->is_string()) return wrong_type(name, "a string");
    return field->template get<std::string>();
  }
  Result<std::int64_t> integer(const char* name, std::int64_t least, std::int64_t most) const {
    REDKNOT_TRY(const Json* field, required(name));
    if (!is_integer_upto(*field, most) || field->template get<std::int64_t>() < least) {
      return wrong_type(name, concat("an integer in ", least, "..", most));
    }
    return field->template get<std::int64_t>();
  }
  // Finite and not negative.
  Result<double> number(const char* name) const {
    REDKNOT_TRY(const Json* field, required(name));
    return to_number(*field, at(name));
  }
  Result<const Json*> list(const char* name, std::size_t most) const {
    REDKNOT_TRY(const Json* field, required(name));
    if (!field->is_array()) return wrong_type(name, "a list");
    if (field->size() > most) return error(at(name), " has more than ", most, " entries");
    return field;
  }
  Result<JsonFields> object(const char* name) const {
    REDKNOT_TRY(const Json* field, required(name));
    return JsonFields(*field, at(name));
  }

  // `fallback` if there is no such field; null is refused.
  Result<bool> boolean(const char* name, bool fallback) const {
    if (!has(name)) return fallback;
    REDKNOT_TRY(const Json* field, required(name));
    if (!field->is_boolean()) return wrong_type(name, "true or false");
    return field->template get<bool>();
  }
  bool has(const char* name) const { return object_.is_object() && object_.contains(name); }
  bool is_null(const char* name) const { return has(name) && find(name) == nullptr; }

  // How errors call a field.
  std::string at(std::string_view name) const { return concat(before_, name, behind_); }
  Error wrong_type(std::string_view name, std::string_view expected) const {
    return error(at(name), " is not ", expected);
  }
  static Result<double> to_number(const Json& field, const std::string& place) {
    if (!field.is_number()) return invalid(place, " is not a number");
    const auto number = field.template get<double>();
    if (!std::isfinite(number) || number < 0) return invalid(place, " is ", number, ", not >= 0");
    return number;
  }

 private:
  static bool is_integer_upto(const Json& field, std::int64_t most) {
    if (field.is_number_unsigned()) {
      return field.template get<std::uint64_t>() <= static_cast<std::uint64_t>(most);
    }
    return field.is_number_integer() && field.template get<std::int64_t>() <= most;
  }
  template <typename... Parts>
  Error error(const Parts&... parts) const {
    return {code_, concat(parts...)};
  }

  const Json& object_;
  std::string place_;
  std::string before_ = "\"", behind_ = "\"";  // of a field's name, in errors
  ErrorCode code_ = ErrorCode::kInvalidArgument;
};

}  // namespace redknot
