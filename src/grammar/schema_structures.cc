// SPDX-License-Identifier: Apache-2.0
// Objects, arrays, and objects that allOf joins.
#include <algorithm>
#include <utility>

#include "base/error.h"
#include "grammar/schema.h"
#include "grammar/schema_compiler.h"

namespace redknot::grammar {
namespace {

constexpr int kMaxJoined = 16;  // allOf within allOf

}  // namespace

Result<int> SchemaCompiler::array_of(const SchemaAt& schema) {
  ArrayShape shape;
  REDKNOT_TRY(const std::optional<int> least, count_of(schema, "minItems"));
  REDKNOT_TRY(shape.most, count_of(schema, "maxItems"));
  shape.least = least.value_or(0);
  if (schema.find("prefixItems") != nullptr) {
    const SchemaAt list = schema.at("prefixItems");
    if (!list.schema->is_array()) return invalid(list.name(), ": must be a list of schemas");
    for (std::size_t i = 0; i < list.schema->size(); ++i) {
      REDKNOT_TRY(const int rule, rule_of(list.at(std::to_string(i))));
      shape.first_rules.push_back(rule);
    }
  } else {
    shape.item_rule = kAnyValue;
  }
  if (const Schema* items = schema.find("items")) {
    const SchemaAt given = schema.at("items");
    if (items->is_array()) return unsupported(given.name(), ": a list; use prefixItems");
    shape.item_rule.reset();
    if (*items != false) {
      REDKNOT_TRY(shape.item_rule, rule_of(given));
    }
  }
  const int out = array(nodes_, shape, nodes_.done());
  if (out == kNothing) return invalid(schema.at("minItems").name(), ": no array can have as many");
  return out;
}

Result<int> SchemaCompiler::object_of(const SchemaAt& schema) {
  Members members;
  REDKNOT_RETURN_IF_ERROR(collect_own(schema, members));
  return object_with(members);
}

Result<int> SchemaCompiler::all_of(const SchemaAt& schema) {
  const SchemaAt list = schema.at("allOf");
  if (!list.schema->is_array() || list.schema->empty()) {
    return invalid(list.name(), ": must be a list of schemas");
  }
  if (list.schema->size() == 1 && check_only(schema, {"allOf"}).ok()) {
    REDKNOT_TRY(const int rule, rule_of(list.at("0")));
    return nodes_.call(rule, nodes_.done());
  }
  Members members;
  REDKNOT_RETURN_IF_ERROR(collect(schema, 0, members));
  return object_with(members);
}

Status SchemaCompiler::collect(const SchemaAt& schema, int depth, Members& members) const {
  if (depth == kMaxJoined) return exhausted(schema.name(), ": allOf is nested too deeply");
  REDKNOT_RETURN_IF_ERROR(check_keywords(schema));
  if (schema.find("$ref") != nullptr) {
    REDKNOT_TRY(const SchemaAt target, resolve(schema));
    return collect(target, depth + 1, members);
  }
  if (++members.schemas > kMaxCount) return exhausted(schema.name(), ": allOf joins too many");
  REDKNOT_RETURN_IF_ERROR(
      check_only(schema, {"allOf", "type", "properties", "required", "additionalProperties"}));
  if (const Schema* type = schema.find("type"); type != nullptr && *type != "object") {
    return unsupported(schema.at("type").name(), ": allOf joins objects only");
  }
  if (const Schema* additional = schema.find("additionalProperties");
      additional != nullptr && *additional != true) {
    return unsupported(schema.at("additionalProperties").name(), ": only true within allOf");
  }
  if (schema.find("allOf") != nullptr) {
    const SchemaAt list = schema.at("allOf");
    if (!list.schema->is_array()) return invalid(list.name(), ": must be a list of schemas");
    for (std::size_t i = 0; i < list.schema->size(); ++i) {
      REDKNOT_RETURN_IF_ERROR(collect(list.at(std::to_string(i)), depth + 1, members));
    }
  }
  return collect_own(schema, members);
}

Status SchemaCompiler::collect_own(const SchemaAt& schema, Members& members) const {
  if (schema.find("properties") != nullptr) {
    const SchemaAt properties = schema.at("properties");
    if (!properties.schema->is_object()) return invalid(properties.name(), ": must be an object");
    members.names_any = true;
    for (const auto& [name, value] : properties.schema->items()) {
      SchemaAt property = properties.at(name);
      if (name.size() > kMaxNameBytes) {
        return exhausted(properties.name(), ": a name of ", name.size(), " bytes");
      }
      const auto same = std::find_if(members.properties.begin(), members.properties.end(),
                                     [&name = name](const auto& one) { return one.first == name; });
      if (same == members.properties.end()) {
        members.properties.emplace_back(name, std::move(property));
      } else if (*same->second.schema != value) {
        return unsupported(property.name(), ": not the same as in ", same->second.name());
      }
      if (members.properties.size() > kMaxProperties) {
        return exhausted(properties.name(), ": more than ", kMaxProperties);
      }
    }
  }
  if (schema.find("required") != nullptr) {
    const SchemaAt required = schema.at("required");
    if (!required.schema->is_array()) return invalid(required.name(), ": must be a list of names");
    for (const Schema& name : *required.schema) {
      if (!name.is_string()) return invalid(required.name(), ": must be a list of names");
      members.required.emplace_back(name.get<std::string>(), required.name());
    }
  }
  if (schema.find("additionalProperties") != nullptr) {
    members.additional = schema.at("additionalProperties");
  }
  return Done{};
}

Result<int> SchemaCompiler::object_with(const Members& members) {
  ObjectShape shape;
  for (const auto& [name, schema] : members.properties) {
    REDKNOT_TRY(const int rule, rule_of(schema));
    shape.properties.push_back({name, rule, false});
  }
  for (const auto& [name, place] : members.required) {
    const auto found = std::find_if(shape.properties.begin(), shape.properties.end(),
                                    [&name = name](const auto& one) { return one.name == name; });
    if (found == shape.properties.end()) {
      return unsupported(place, ": \"", name, "\" is not among the properties");
    }
    found->required = true;
  }
  if (members.additional) {
    if (*members.additional->schema != false) {
      REDKNOT_TRY(shape.additional_rule, rule_of(*members.additional));
    }
  } else if (!members.names_any) {
    shape.additional_rule = kAnyValue;
  }
  return object(nodes_, shape, nodes_.done());
}

}  // namespace redknot::grammar
