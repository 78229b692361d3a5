// SPDX-License-Identifier: Apache-2.0
#include "chat/tool_table.h"

#include <algorithm>
#include <set>

#include "chat/fields.h"
#include "chat/json_scanner.h"

namespace redknot::chat {
namespace {

const Json* field(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() ? nullptr : &*found;
}

// Names of types that a schema allows; empty if it does not say.
void add_types(const Json& schema, int depth, std::set<std::string>& types) {
  constexpr int kMaxDepth = 4;
  if (depth > kMaxDepth) return;
  if (const Json* type = field(schema, "type")) {
    if (type->is_string()) types.insert(type->get<std::string>());
    if (type->is_array()) {
      for (const Json& one : *type) {
        if (one.is_string()) types.insert(one.get<std::string>());
      }
    }
  }
  for (const char* choice : {"anyOf", "oneOf", "allOf"}) {
    const Json* schemas = field(schema, choice);
    if (schemas == nullptr || !schemas->is_array()) continue;
    for (const Json& one : *schemas) add_types(one, depth + 1, types);
  }
  for (const char* values : {"enum", "const"}) {
    const Json* value = field(schema, values);
    if (value == nullptr || types.contains("string")) continue;
    const bool text = value->is_array() ? std::any_of(value->begin(), value->end(),
                                                      [](const Json& v) { return v.is_string(); })
                                        : value->is_string();
    if (text) types.insert("string");
  }
}

bool fits(const Json& value, const std::set<std::string>& types) {
  if (types.empty()) return !value.is_string();
  if (value.is_number()) {
    return types.contains("number") || (value.is_number_integer() && types.contains("integer"));
  }
  return (value.is_object() && types.contains("object")) ||
         (value.is_array() && types.contains("array")) ||
         (value.is_boolean() && types.contains("boolean")) ||
         (value.is_null() && types.contains("null"));
}

// As Python writes them.
std::string_view json_word(std::string_view text) {
  if (text == "True") return "true";
  if (text == "False") return "false";
  return text == "None" ? "null" : text;
}

}  // namespace

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) - begin + 1);
}

std::optional<Json> json_of(std::string_view text) {
  const std::string_view value = trimmed(text);
  if (value.empty()) return std::nullopt;
  if (value.front() == '{' || value.front() == '[') {
    JsonScanner scanner;
    for (const char c : value) scanner.feed(c);
    if (scanner.state() != JsonScanner::State::kDone) return std::nullopt;
  }
  Json json = Json::parse(value, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

ToolTable::ToolTable(const std::vector<AnswerTool>& tools) {
  tools_.reserve(tools.size());
  for (const AnswerTool& tool : tools) {
    if (tool.name.empty()) continue;
    std::optional<Json> schema = json_of(tool.parameters);
    const bool usable = schema && schema->is_object();
    tools_.push_back({.name = tool.name, .schema = usable ? *std::move(schema) : Json::object()});
  }
}

const ToolTable::Tool* ToolTable::find(std::string_view name) const {
  const auto found =
      std::find_if(tools_.begin(), tools_.end(), [name](const Tool& t) { return t.name == name; });
  return found == tools_.end() ? nullptr : &*found;
}

std::size_t ToolTable::longest_name(std::string_view text) const {
  std::size_t longest = 0;
  for (const Tool& tool : tools_) {
    if (text.starts_with(tool.name)) longest = std::max(longest, tool.name.size());
  }
  return longest;
}

bool ToolTable::begins_name(std::string_view text) const {
  return std::any_of(tools_.begin(), tools_.end(), [text](const Tool& tool) {
    return tool.name.size() > text.size() && std::string_view(tool.name).starts_with(text);
  });
}

Json ToolTable::value(std::string_view tool, const std::string& parameter,
                      std::string_view text) const {
  const Tool* found = find(tool);
  std::set<std::string> types;
  if (found != nullptr) {
    const Json* properties = field(found->schema, "properties");
    const Json* property = properties ? field(*properties, parameter.c_str()) : nullptr;
    if (property != nullptr) add_types(*property, 0, types);
  }
  const bool only_text = types.size() == 1 && types.contains("string");
  if (!only_text) {
    std::optional<Json> json = json_of(json_word(trimmed(text)));
    if (json && fits(*json, types)) return *std::move(json);
  }
  return std::string(text);
}

}  // namespace redknot::chat
