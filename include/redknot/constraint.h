// SPDX-License-Identifier: Apache-2.0
// What an answer has to be: tokens that would leave the language are never sampled.
//
// Of JSON Schema: type (also lists of types), properties, required, additionalProperties, items,
// prefixItems, minItems, maxItems, enum, const, anyOf, oneOf (as anyOf), allOf of objects, $ref
// within the schema, minLength, maxLength, minimum, maximum and exclusive ones (of integers; of
// other numbers whole and inclusive ones only), and pattern, alone among what is said of a string,
// as far as it is regular: no looking around, no \b, no back references. format and other
// annotations are ignored, all else is refused by name. $ref, anyOf, oneOf, enum and const stand
// without other constraints (type may stand beside the last two).
//
// All that is produced meets the schema; not all that meets it can be produced. Keys come in the
// order of the schema, additional ones last (their names may repeat). Objects have the declared
// properties alone unless additionalProperties allows more, but any without `properties`; arrays
// the prefixItems alone unless `items` allows more. White space is one space, or a line break and
// up to 20 spaces or tabs, behind brackets, commas and colons and before closing brackets; none
// around the value. Integers have up to 18 digits, numbers up to 16 before and behind the point.
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
