// SPDX-License-Identifier: Apache-2.0
// Names and their values in one stretch of a running program, and macros, which remember theirs.
//
// A scope that a macro remembers is kept until the rendering ends, which then takes all of them
// apart: a macro may be a value in its own scope.
#pragma once

#include <map>
#include <memory>
#include <utility>

#include "jinja/syntax.h"
#include "jinja/value.h"

namespace redknot::jinja {

struct Scope {
  static constexpr std::size_t kNameBytes = 96;  // what a name takes, about

  std::shared_ptr<Scope> parent{};  // null for the outermost
  std::map<Symbol, Value> names{};
  bool is_kept = false;

  // Here or further out; nullptr if there is none.
  const Value* find(Symbol name) const {
    for (const Scope* scope = this; scope != nullptr; scope = scope->parent.get()) {
      const auto found = scope->names.find(name);
      if (found != scope->names.end()) return &found->second;
    }
    return nullptr;
  }
};

struct Macro {
  const MacroDeclaration* declaration = nullptr;  // of the tree
  std::shared_ptr<Scope> scope{};                 // where it was declared
  Charge charge{};
};

}  // namespace redknot::jinja
