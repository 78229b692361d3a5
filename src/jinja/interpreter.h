// SPDX-License-Identifier: Apache-2.0
// An Interpreter runs a template's tree: statements write to the output, expressions give values.
//
// ChatTemplate::render() makes one per rendering, on its caller's thread, which is a worker of the
// server there. It owns the variables and the heap, and borrows the tree. Recursion is counted in
// levels: statements in statements, operands in expressions, macros in macros.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/arguments.h"
#include "jinja/scope.h"
#include "jinja/syntax.h"
#include "jinja/value.h"
#include "redknot/chat_template.h"
#include "redknot/result.h"

namespace redknot::jinja {

class Interpreter {
 public:
  // The tree must outlive it. now_seconds: Unix time, negative if the program has no clock.
  Interpreter(const Tree& tree, const ChatTemplateLimits& limits, std::int64_t now_seconds);
  ~Interpreter();
  Interpreter(const Interpreter&) = delete;
  Interpreter& operator=(const Interpreter&) = delete;

  // Once. `variables`: the text of a JSON object. Errors of the program begin with its line.
  Result<std::string> run(std::string_view variables);

 private:
  enum class Flow { kOn, kBreak, kContinue };

  // A text that grows on the heap: the output, or what a block captures.
  class Buffer {
   public:
    explicit Buffer(Heap& heap) : heap_(heap) {}
    Buffer(const Buffer&) = delete;
    Buffer& operator=(const Buffer&) = delete;
    ~Buffer() { heap_.release(held_); }
    Status append(std::string_view text);
    std::string take() { return std::move(text_); }

   private:
    Heap& heap_;
    std::string text_;
    std::size_t held_ = 0;
  };

  // One more level of recursion while it lives.
  class Level {
   public:
    explicit Level(Interpreter& of) : depth_(of.depth_) { ++depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    ~Level() { --depth_; }

   private:
    int& depth_;
  };

  // Another scope while it lives.
  class InScope {
   public:
    InScope(Interpreter& of, std::shared_ptr<Scope> scope)
        : current_(of.scope_), outer_(std::exchange(of.scope_, std::move(scope))) {}
    InScope(const InScope&) = delete;
    InScope& operator=(const InScope&) = delete;
    ~InScope() { current_ = std::move(outer_); }

   private:
    std::shared_ptr<Scope>& current_;
    std::shared_ptr<Scope> outer_;
  };

  Status declare(std::string_view variables);
  Status step();  // one step, at a depth that is allowed
  std::shared_ptr<Scope> inner_scope() const;
  Status assign(Symbol name, Value value);
  Status assign(const Target& target, const Value& value);
  Status assign_attribute(const Target& target, const Value& value);
  Status keep(const std::shared_ptr<Scope>& scope);

  // interpreter.cc
  Result<Flow> execute(const Block& block);
  Result<Flow> execute(const Plain& statement);
  Result<Flow> execute(const Output& statement);
  Result<Flow> execute(const If& statement);
  Result<Flow> execute(const For& statement);
  Result<Flow> execute(const Set& statement);
  Result<Flow> execute(const SetBlock& statement);
  Result<Flow> execute(const MacroStatement& statement);
  Result<Flow> execute(const CallBlock& statement);
  Result<Flow> execute(const FilterBlock& statement);
  Result<Flow> execute(const Scoped& statement);
  Result<Flow> execute(const Break&) { return Flow::kBreak; }
  Result<Flow> execute(const Continue&) { return Flow::kContinue; }
  Result<std::vector<Value>> loop_items(const For& statement);
  Result<bool> loop_takes(const For& statement, const Value& item);
  Result<Flow> iteration(const For& statement, const std::shared_ptr<const Loop>& loop);
  // Runs a block into a text of its own, in the scope that is current.
  struct Captured {
    Flow flow = Flow::kOn;
    std::string text{};
  };
  Result<Captured> capture(const Block& block);
  Result<Value> filtered(const std::vector<Suffix>& filters, Value value);

  // evaluation.cc
  Result<Value> evaluate(const Expression& expression);
  Result<Value> evaluate(const Literal& node);
  Result<Value> evaluate(const Variable& node);
  Result<Value> evaluate(const ListDisplay& node);
  Result<Value> evaluate(const DictDisplay& node);
  Result<Value> evaluate(const Unary& node);
  Result<Value> evaluate(const Arithmetic& node);
  Result<Value> evaluate(const Concatenation& node);
  Result<Value> evaluate(const Comparisons& node);
  Result<Value> evaluate(const Logic& node);
  Result<Value> evaluate(const Conditional& node);
  Result<Value> evaluate(const Suffixed& node);
  // With `caller` as an argument of the last call, if not null.
  Result<Value> evaluate(const Suffixed& node, const Value* caller);
  Result<Value> apply(const Suffix& suffix, const Value& value);
  Result<Value> slice(const Slice& slice, const Value& value);
  Result<Value> subscript(const Subscript& subscript, const Value& value);
  Result<CallArguments> evaluate(const Arguments& arguments);
  Status add_unpacked(const Arguments& arguments, CallArguments& result);

  // calls.cc
  Result<Value> call(const Value& callee, const CallArguments& arguments);
  Result<Value> call_attribute(const Value& value, const std::string& name,
                               const CallArguments& arguments);
  Result<Value> call_macro(const Macro& macro, const CallArguments& arguments);
  Status bind_parameters(const MacroDeclaration& macro, const CallArguments& arguments);
  Status bind_rest(const MacroDeclaration& macro, const CallArguments& arguments);
  Result<Value> make_macro(const MacroDeclaration& declaration);
  Result<Value> call_function(Function function, const CallArguments& arguments);
  Result<Value> make_namespace(const CallArguments& arguments);
  Result<Value> make_dict(const CallArguments& arguments);
  Result<Value> make_range(const CallArguments& arguments);
  Result<Value> strftime_now(const CallArguments& arguments);

  Heap heap_;  // first: everything else is charged to it
  const Tree& tree_;
  const ChatTemplateLimits limits_;
  const std::int64_t now_seconds_;
  int depth_ = 0;
  int line_ = 0;  // of what runs
  int loops_ = 0;
  Buffer* output_ = nullptr;
  std::shared_ptr<Scope> scope_;
  std::vector<std::shared_ptr<Scope>> kept_;
  std::vector<std::shared_ptr<Namespace>> namespaces_;
};

}  // namespace redknot::jinja
