// SPDX-License-Identifier: Apache-2.0
// What a public Constraint holds.
#pragma once

#include <memory>

#include "grammar/acceptor.h"
#include "grammar/grammar.h"
#include "redknot/constraint.h"

namespace redknot {

struct Constraint::State {
  grammar::Grammar grammar;
};

namespace grammar {

// At the begin of an answer.
inline Acceptor acceptor_of(const Constraint& constraint) {
  return Acceptor(std::shared_ptr<const Grammar>(constraint.state(), &constraint.state()->grammar));
}

}  // namespace grammar
}  // namespace redknot
