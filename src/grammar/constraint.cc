// SPDX-License-Identifier: Apache-2.0
#include <utility>

#include "grammar/constraint_state.h"
#include "grammar/schema.h"
#include "redknot/constraint.h"

namespace redknot {

Result<Constraint> Constraint::framed(std::string_view prefix, std::string_view schema,
                                      std::string_view suffix) {
  REDKNOT_TRY(grammar::Grammar grammar, grammar::grammar_of_schema(schema, prefix, suffix));
  return Constraint(std::make_shared<const State>(State{std::move(grammar)}));
}

Result<Constraint> Constraint::json_schema(std::string_view schema) {
  return framed("", schema, "");
}

Constraint Constraint::json_object() { return json_schema(R"({"type": "object"})").value(); }

}  // namespace redknot
