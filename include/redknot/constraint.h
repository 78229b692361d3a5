// SPDX-License-Identifier: Apache-2.0
// What an answer has to be: tokens that would leave the language are never sampled.
//
// Of JSON Schema: type (also lists of types), properties, required, additionalProperties, items,
// prefixItems, minItems, maxItems, enum, const, anyOf, oneOf (as anyOf), allOf of objects, $ref
// into $defs and definitions, minLength, maxLength, minimum, maximum (integers), pattern as far as
// it is regular, format as an annotation. Annotations are ignored, all else is refused by name.
// Keys come in the order of the schema; white space between tokens is at most one space or line
// break.
#pragma once

#include <memory>
#include <string_view>

#include "redknot/result.h"

namespace redknot {

// A value; copies share what was compiled. Any thread.
class Constraint {
 public:
  struct State;  // the library's own

  // kInvalidArgument or kUnsupported naming the place in the schema ("properties.age.type");
  // kResourceExhausted for one that is too large or too deep.
  static Result<Constraint> json_schema(std::string_view schema);
  static Constraint json_object();  // any object
  // `prefix`, a value of the schema, `suffix`: a call in a model's own notation.
  static Result<Constraint> framed(std::string_view prefix, std::string_view schema,
                                   std::string_view suffix);

  const std::shared_ptr<const State>& state() const { return state_; }

 private:
  explicit Constraint(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace redknot
