// SPDX-License-Identifier: Apache-2.0
// The tools that a request offers, as the readers of answers ask for them: is this a name, what
// type has this parameter.
//
// A ToolTable is a value that owns names and schemas. The reader of an answer makes it of the tools
// in ParserOptions, and its CallReaders refer to it. Any thread may call its const functions.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace redknot::chat {

struct AnswerTool {
  std::string name{};
  std::string parameters{};  // JSON schema of the arguments; empty: anything
};

class ToolTable {
 public:
  // Schemas that are not JSON objects are taken as empty ones.
  explicit ToolTable(const std::vector<AnswerTool>& tools);

  bool empty() const { return tools_.empty(); }
  bool contains(std::string_view name) const { return find(name) != nullptr; }
  // Bytes of the longest name that the text begins with; 0: none.
  std::size_t longest_name(std::string_view text) const;
  // All of the text is the beginning of a longer name.
  bool begins_name(std::string_view text) const;
  // The value of a parameter that was written without JSON's quotes: what the schema asks for if
  // the text can be that, and a string else.
  nlohmann::ordered_json value(std::string_view tool, const std::string& parameter,
                               std::string_view text) const;

 private:
  struct Tool {
    std::string name;
    nlohmann::ordered_json schema;
  };
  const Tool* find(std::string_view name) const;

  std::vector<Tool> tools_;
};

// Nothing for text that is too deep (JsonScanner::kMaxDepth) or none at all.
std::optional<nlohmann::ordered_json> json_of(std::string_view text);
// Without JSON's white space on both sides.
std::string_view trimmed(std::string_view text);

}  // namespace redknot::chat
