// SPDX-License-Identifier: Apache-2.0
// A SchemaCompiler turns each schema within a schema into a rule, once; references become calls.
//
// It owns the rules that it has built so far, and lives for one call of grammar_of_schema(), on the
// thread of whoever makes a Constraint: a worker of the server, or the caller of the library.
// Places are paths with dots, empty for the whole. Include in .cc files only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grammar/determinise.h"
#include "grammar/grammar.h"
#include "grammar/json_rules.h"
#include "grammar/rule_nodes.h"
#include "redknot/result.h"

namespace redknot::grammar {

using Schema = nlohmann::ordered_json;

struct SchemaAt {
  const Schema* schema = nullptr;
  std::string place{};

  const Schema* find(const char* key) const;
  SchemaAt at(std::string_view key) const;  // requires that it is there, or an index of an array
  std::string name() const { return place.empty() ? "the schema" : place; }
};

// kUnsupported naming a keyword that is none of ours, kInvalidArgument if the schema is none.
Status check_keywords(const SchemaAt& schema);
// kUnsupported naming a keyword that says more than these and annotations.
Status check_only(const SchemaAt& schema, std::initializer_list<std::string_view> keywords);
// Nothing but annotations.
bool says_nothing(const Schema& schema);
// From 0 to kMaxCount.
Result<std::optional<int>> count_of(const SchemaAt& schema, const char* key);
// The types that are given, or that the keywords are about; all if they are about none.
Result<std::set<std::string>> types_of(const SchemaAt& schema);

class SchemaCompiler {
 public:
  // The root must outlive the object.
  explicit SchemaCompiler(const Schema& root);
  Result<Grammar> compile(std::string_view prefix, std::string_view suffix);

 private:
  // What an object may have, from one schema or from all that allOf joins.
  struct Members {
    std::vector<std::pair<std::string, SchemaAt>> properties;
    std::vector<std::pair<std::string, std::string>> required;  // name, place
    std::optional<SchemaAt> additional;
    bool names_any = false;
    int schemas = 0;
  };

  Result<int> rule_of(const SchemaAt& schema);
  // Where the rule of a schema begins; kNothing if no value can meet it.
  Result<int> value(const SchemaAt& schema);
  Result<int> reference(const SchemaAt& schema);
  Result<SchemaAt> resolve(const SchemaAt& schema) const;
  Result<int> alternatives(const SchemaAt& schema, const char* key);
  Result<int> constants(const SchemaAt& schema);
  Result<int> typed(const SchemaAt& schema);
  Result<int> of_type(const SchemaAt& schema, const std::string& type);
  Result<int> string(const SchemaAt& schema);
  Result<int> number(const SchemaAt& schema, bool integers);
  Result<int> array_of(const SchemaAt& schema);
  Result<int> object_of(const SchemaAt& schema);
  Result<int> all_of(const SchemaAt& schema);
  Status collect(const SchemaAt& schema, int depth, Members& members) const;
  Status collect_own(const SchemaAt& schema, Members& members) const;
  Result<int> object_with(const Members& members);

  const Schema& root_;
  RuleNodes nodes_;
  std::vector<Rule> rules_;
  std::unordered_map<const Schema*, int> rule_index_;
  std::vector<std::pair<SchemaAt, int>> pending_;  // schemas whose rules are to be built
};

}  // namespace redknot::grammar
