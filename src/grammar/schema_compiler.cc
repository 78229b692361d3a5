// SPDX-License-Identifier: Apache-2.0
#include "grammar/schema_compiler.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/error.h"
#include "grammar/pattern.h"
#include "grammar/schema.h"

namespace redknot::grammar {
namespace {

constexpr std::array<std::pair<std::string_view, JsonRule>, 7> kRuleOfType = {
    {{"string", kString},
     {"number", kNumber},
     {"integer", kInteger},
     {"boolean", kBoolean},
     {"null", kNull},
     {"object", kAnyObject},
     {"array", kAnyArray}}};

int rule_of_type(std::string_view type) {
  const auto found = std::find_if(kRuleOfType.begin(), kRuleOfType.end(),
                                  [type](const auto& one) { return one.first == type; });
  return found->second;
}

bool has_type(const Schema& value, const std::set<std::string>& types) {
  const auto has = [&types](const char* type) { return types.count(type) > 0; };
  if (value.is_number()) {
    const bool whole = value.is_number_integer() || value == std::floor(value.get<double>());
    return has("number") || (whole && has("integer"));
  }
  return has(value.type_name());
}

// The part of a JSON pointer up to the next "/", unescaped; what is left of the pointer.
std::string next_part(std::string_view& pointer) {
  const std::size_t end = std::min(pointer.find('/'), pointer.size());
  std::string out;
  for (std::size_t i = 0; i < end; ++i) {
    const bool escaped = pointer[i] == '~' && i + 1 < end;
    if (escaped) ++i;
    out += !escaped ? pointer[i] : pointer[i] == '1' ? '/' : '~';
  }
  pointer.remove_prefix(std::min(end + 1, pointer.size()));
  return out;
}

struct Bounds {
  std::int64_t least = -kMaxInteger, most = kMaxInteger;
};

// A bound of integers, rounded inwards, or of numbers, which must be whole.
Result<std::int64_t> bound_of(const SchemaAt& bound, bool integers, bool exclusive, bool lower) {
  const Schema& value = *bound.schema;
  if (!value.is_number()) return invalid(bound.name(), ": must be a number");
  const double number = value.get<double>();
  const bool whole = value.is_number_integer() || number == std::floor(number);
  if (!integers && (!whole || exclusive)) {
    return unsupported(bound.name(),
                       ": numbers that are not integers have whole, inclusive bounds only");
  }
  constexpr std::int64_t kBeyond = kMaxInteger + 1;
  if (number >= static_cast<double>(kBeyond)) return kBeyond;
  if (number <= -static_cast<double>(kBeyond)) return -kBeyond;
  std::int64_t out = value.is_number_integer() ? value.get<std::int64_t>()
                                               : static_cast<std::int64_t>(std::floor(number));
  if (lower) return out + ((exclusive || !whole) ? 1 : 0);
  return out - (exclusive && whole ? 1 : 0);
}

Result<Bounds> bounds_of(const SchemaAt& schema, bool integers) {
  Bounds out;
  for (const char* key : {"minimum", "exclusiveMinimum"}) {
    if (schema.find(key) == nullptr) continue;
    REDKNOT_TRY(const std::int64_t bound, bound_of(schema.at(key), integers, key[0] == 'e', true));
    out.least = std::max(out.least, bound);
  }
  for (const char* key : {"maximum", "exclusiveMaximum"}) {
    if (schema.find(key) == nullptr) continue;
    REDKNOT_TRY(const std::int64_t bound, bound_of(schema.at(key), integers, key[0] == 'e', false));
    out.most = std::min(out.most, bound);
  }
  if (out.least > kMaxInteger || out.most < -kMaxInteger) {
    return unsupported(schema.name(), ": numbers of more than 18 digits");
  }
  if (out.least > out.most) return invalid(schema.name(), ": no number is within its bounds");
  return out;
}

}  // namespace

SchemaCompiler::SchemaCompiler(const Schema& root) : root_(root) {
  add_json_rules(nodes_, rules_, "JSON");
}

Result<Grammar> SchemaCompiler::compile(std::string_view prefix, std::string_view suffix) {
  REDKNOT_TRY(int root, rule_of({&root_, ""}));
  for (std::size_t i = 0; i < pending_.size(); ++i) {
    const auto [schema, rule] = pending_[i];
    REDKNOT_TRY(const int start, value(schema));
    if (nodes_.full()) return exhausted(schema.name(), ": too large");
    rules_[static_cast<std::size_t>(rule)].start = start;
  }
  if (!prefix.empty() || !suffix.empty()) {
    const int framed = nodes_.call(root, nodes_.literal(suffix, nodes_.done()));
    root = static_cast<int>(rules_.size());
    rules_.push_back({nodes_.literal(prefix, framed), "the schema"});
  }
  return determinise(nodes_, rules_, root);
}

Result<int> SchemaCompiler::rule_of(const SchemaAt& schema) {
  if (says_nothing(*schema.schema)) return static_cast<int>(kAnyValue);
  const auto [found, is_first] =
      rule_index_.try_emplace(schema.schema, static_cast<int>(rules_.size()));
  if (!is_first) return found->second;
  if (rules_.size() >= kMaxSchemaRules) return exhausted(schema.name(), ": too many schemas");
  rules_.push_back({kNothing, schema.name()});
  pending_.emplace_back(schema, found->second);
  return found->second;
}

Result<int> SchemaCompiler::value(const SchemaAt& schema) {
  if (schema.schema->is_boolean()) return kNothing;  // false: see rule_of
  REDKNOT_RETURN_IF_ERROR(check_keywords(schema));
  if (schema.find("$ref") != nullptr) return reference(schema);
  if (schema.find("allOf") != nullptr) return all_of(schema);
  for (const char* key : {"anyOf", "oneOf"}) {
    if (schema.find(key) != nullptr) return alternatives(schema, key);
  }
  if (schema.find("enum") != nullptr || schema.find("const") != nullptr) return constants(schema);
  return typed(schema);
}

Result<SchemaAt> SchemaCompiler::resolve(const SchemaAt& schema) const {
  REDKNOT_RETURN_IF_ERROR(check_only(schema, {"$ref"}));
  const SchemaAt ref = schema.at("$ref");
  const std::string text = ref.schema->is_string() ? ref.schema->get<std::string>() : "";
  if (text != "#" && text.substr(0, 2) != "#/") {
    return unsupported(ref.name(), ": must be \"#\" or begin with \"#/\"");
  }
  SchemaAt target{&root_, ""};
  std::string_view pointer = std::string_view(text).substr(std::min<std::size_t>(2, text.size()));
  while (!pointer.empty()) {
    const std::string part = next_part(pointer);
    const bool index = target.schema->is_array() && !part.empty() && part.size() < 6 &&
                       part.find_first_not_of("0123456789") == std::string::npos &&
                       std::stoul(part) < target.schema->size();
    if (!index && (!target.schema->is_object() || !target.schema->contains(part))) {
      return invalid(ref.name(), ": there is no ", text);
    }
    target = target.at(part);
  }
  return target;
}

Result<int> SchemaCompiler::reference(const SchemaAt& schema) {
  REDKNOT_TRY(const SchemaAt target, resolve(schema));
  REDKNOT_TRY(const int rule, rule_of(target));
  return nodes_.call(rule, nodes_.done());
}

Result<int> SchemaCompiler::alternatives(const SchemaAt& schema, const char* key) {
  REDKNOT_RETURN_IF_ERROR(check_only(schema, {key}));
  const SchemaAt list = schema.at(key);
  if (!list.schema->is_array() || list.schema->empty()) {
    return invalid(list.name(), ": must be a list of schemas");
  }
  int out = kNothing;
  for (std::size_t i = 0; i < list.schema->size(); ++i) {
    REDKNOT_TRY(const int rule, rule_of(list.at(std::to_string(i))));
    out = nodes_.either(out, nodes_.call(rule, nodes_.done()));
  }
  return out;
}

Result<int> SchemaCompiler::constants(const SchemaAt& schema) {
  const char* key = schema.find("enum") != nullptr ? "enum" : "const";
  REDKNOT_RETURN_IF_ERROR(check_only(schema, {key, "type"}));
  REDKNOT_TRY(const std::set<std::string> types, types_of(schema));
  const SchemaAt given = schema.at(key);
  Schema values = Schema::array({*given.schema});
  if (key == std::string_view("enum")) {
    values = *given.schema;
    if (!values.is_array()) return invalid(given.name(), ": must be a list of values");
    if (values.size() > kMaxCount) {
      return exhausted(given.name(), ": ", values.size(), " values, more than ", kMaxCount);
    }
  }
  int out = kNothing;
  for (const Schema& value : values) {
    if (!types.empty() && !has_type(value, types)) continue;
    out = nodes_.either(out, constant(nodes_, value, nodes_.done()));
  }
  if (out == kNothing) return invalid(given.name(), ": no value is of the type");
  return out;
}

Result<int> SchemaCompiler::typed(const SchemaAt& schema) {
  REDKNOT_TRY(const std::set<std::string> types, types_of(schema));
  int out = kNothing;
  for (const std::string& type : types) {
    REDKNOT_TRY(const int one, of_type(schema, type));
    out = nodes_.either(out, one);
  }
  return out;
}

Result<int> SchemaCompiler::of_type(const SchemaAt& schema, const std::string& type) {
  const auto says = [&schema](std::initializer_list<const char*> keys) {
    return std::any_of(keys.begin(), keys.end(),
                       [&schema](const char* key) { return schema.find(key) != nullptr; });
  };
  if (type == "string" && says({"pattern", "minLength", "maxLength"})) return string(schema);
  if ((type == "number" || type == "integer") &&
      says({"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"})) {
    return number(schema, type == "integer");
  }
  if (type == "array" && says({"items", "prefixItems", "minItems", "maxItems"})) {
    return array_of(schema);
  }
  if (type == "object" && says({"properties", "required", "additionalProperties"})) {
    return object_of(schema);
  }
  return nodes_.call(rule_of_type(type), nodes_.done());
}

Result<int> SchemaCompiler::string(const SchemaAt& schema) {
  REDKNOT_TRY(const std::optional<int> least, count_of(schema, "minLength"));
  REDKNOT_TRY(const std::optional<int> most, count_of(schema, "maxLength"));
  if (schema.find("pattern") == nullptr) {
    if (most && least.value_or(0) > *most) {
      return invalid(schema.at("minLength").name(), ": more than maxLength");
    }
    return string_of_length(nodes_, least.value_or(0), most, nodes_.done());
  }
  const SchemaAt pattern = schema.at("pattern");
  if (least.value_or(0) > 0 || most) {
    return unsupported(pattern.name(), ": not supported beside minLength and maxLength");
  }
  if (!pattern.schema->is_string()) return invalid(pattern.name(), ": must be a string");
  auto out = string_with_pattern(nodes_, pattern.schema->get<std::string>(), nodes_.done());
  if (!out.ok()) return out.error().within(pattern.name());
  return out;
}

Result<int> SchemaCompiler::number(const SchemaAt& schema, bool integers) {
  REDKNOT_TRY(const Bounds bounds, bounds_of(schema, integers));
  return integers ? integer_between(nodes_, bounds.least, bounds.most, nodes_.done())
                  : number_between(nodes_, bounds.least, bounds.most, nodes_.done());
}

}  // namespace redknot::grammar
