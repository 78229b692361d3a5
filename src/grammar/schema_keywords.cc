// SPDX-License-Identifier: Apache-2.0
// Which keywords there are, and what the simple ones among them say.
#include <algorithm>
#include <array>
#include <cmath>

#include "base/error.h"
#include "grammar/schema.h"
#include "grammar/schema_compiler.h"

namespace redknot::grammar {
namespace {

// They constrain nothing.
constexpr std::string_view kAnnotations[] = {
    "$anchor",          "$comment", "$defs",       "$id",        "$schema",     "contentEncoding",
    "contentMediaType", "default",  "definitions", "deprecated", "description", "discriminator",
    "example",          "examples", "format",      "readOnly",   "title",       "writeOnly"};

struct Keyword {
  std::string_view name;
  std::string_view type;  // that it is about
};

constexpr Keyword kKeywords[] = {{"$ref", ""},
                                 {"additionalProperties", "object"},
                                 {"allOf", ""},
                                 {"anyOf", ""},
                                 {"const", ""},
                                 {"enum", ""},
                                 {"exclusiveMaximum", "number"},
                                 {"exclusiveMinimum", "number"},
                                 {"items", "array"},
                                 {"maxItems", "array"},
                                 {"maxLength", "string"},
                                 {"maximum", "number"},
                                 {"minItems", "array"},
                                 {"minLength", "string"},
                                 {"minimum", "number"},
                                 {"oneOf", ""},
                                 {"pattern", "string"},
                                 {"prefixItems", "array"},
                                 {"properties", "object"},
                                 {"required", "object"},
                                 {"type", ""}};

constexpr std::array<std::string_view, 7> kTypes = {"string", "number", "integer", "boolean",
                                                    "null",   "object", "array"};

bool is_annotation(std::string_view key) {
  return key.substr(0, 2) == "x-" ||
         std::find(std::begin(kAnnotations), std::end(kAnnotations), key) != std::end(kAnnotations);
}

// Said often, and true of all answers or of all values.
bool says_nothing(std::string_view key, const Schema& value) {
  return is_annotation(key) ||
         ((key == "uniqueItems" || key == "unevaluatedProperties") && value == false);
}

const Keyword* keyword(std::string_view key) {
  const auto found = std::find_if(std::begin(kKeywords), std::end(kKeywords),
                                  [key](const Keyword& one) { return one.name == key; });
  return found == std::end(kKeywords) ? nullptr : found;
}

Status add_type(const SchemaAt& type, std::set<std::string>& types) {
  if (!type.schema->is_string()) return invalid(type.name(), ": must name types");
  const std::string name = type.schema->get<std::string>();
  if (std::find(kTypes.begin(), kTypes.end(), name) == kTypes.end()) {
    return invalid(type.name(), ": \"", name, "\" is not a type");
  }
  types.insert(name);
  return Done{};
}

}  // namespace

const Schema* SchemaAt::find(const char* key) const {
  if (!schema->is_object()) return nullptr;
  const auto found = schema->find(key);
  return found == schema->end() ? nullptr : &*found;
}

SchemaAt SchemaAt::at(std::string_view key) const {
  std::string inner = place.empty() ? std::string(key) : concat(place, ".", key);
  if (schema->is_array()) {
    return {&(*schema)[static_cast<std::size_t>(std::stoul(std::string(key)))], std::move(inner)};
  }
  return {&*schema->find(std::string(key)), std::move(inner)};
}

Status check_keywords(const SchemaAt& schema) {
  if (!schema.schema->is_object()) {
    return invalid(schema.name(), ": must be an object, true or false");
  }
  for (const auto& [key, value] : schema.schema->items()) {
    if (says_nothing(key, value) || keyword(key) != nullptr) continue;
    return unsupported(schema.at(key).place, ": this keyword is not supported");
  }
  return Done{};
}

Status check_only(const SchemaAt& schema, std::initializer_list<std::string_view> keywords) {
  for (const auto& [key, value] : schema.schema->items()) {
    if (says_nothing(key, value)) continue;
    if (std::find(keywords.begin(), keywords.end(), key) != keywords.end()) continue;
    return unsupported(schema.at(key).place, ": not supported beside ", *keywords.begin());
  }
  return Done{};
}

bool says_nothing(const Schema& schema) {
  if (!schema.is_object()) return schema == true;
  const auto items = schema.items();
  return std::all_of(items.begin(), items.end(),
                     [](const auto& item) { return says_nothing(item.key(), item.value()); });
}

Result<std::optional<int>> count_of(const SchemaAt& schema, const char* key) {
  const Schema* value = schema.find(key);
  if (value == nullptr) return std::optional<int>();
  const std::string place = schema.at(key).place;
  const double number = value->is_number() ? value->get<double>() : -1;
  if (!(number >= 0) || number != std::floor(number)) {
    return invalid(place, ": must be an integer, 0 or more");
  }
  if (number > kMaxCount) return exhausted(place, ": ", number, " is more than ", kMaxCount);
  return std::optional(static_cast<int>(number));
}

Result<std::set<std::string>> types_of(const SchemaAt& schema) {
  std::set<std::string> types;
  if (schema.find("type") != nullptr) {
    const SchemaAt type = schema.at("type");
    if (!type.schema->is_array()) {
      REDKNOT_RETURN_IF_ERROR(add_type(type, types));
      return types;
    }
    for (std::size_t i = 0; i < type.schema->size(); ++i) {
      REDKNOT_RETURN_IF_ERROR(add_type(type.at(std::to_string(i)), types));
    }
    if (types.empty()) return invalid(type.name(), ": names no types");
    return types;
  }
  for (const auto& [key, value] : schema.schema->items()) {
    const Keyword* found = keyword(key);
    if (found != nullptr && !found->type.empty()) types.insert(std::string(found->type));
  }
  return types;
}

}  // namespace redknot::grammar
