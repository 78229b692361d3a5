// SPDX-License-Identifier: Apache-2.0
#include "jinja/interpreter.h"

#include <optional>
#include <utility>
#include <variant>

#include "base/error.h"
#include "jinja/display.h"
#include "jinja/filters.h"
#include "jinja/json_read.h"

namespace redknot::jinja {

Status Interpreter::Buffer::append(std::string_view text) {
  REDKNOT_RETURN_IF_ERROR(heap_.text_fits(text_.size() + text.size()));
  REDKNOT_RETURN_IF_ERROR(heap_.hold(text.size()));
  held_ += text.size();
  text_ += text;
  return heap_.spend(text.size() / 256);
}

Interpreter::Interpreter(const Tree& tree, const ChatTemplateLimits& limits,
                         std::int64_t now_seconds)
    : heap_(limits),
      tree_(tree),
      limits_(limits),
      now_seconds_(now_seconds),
      scope_(std::make_shared<Scope>()) {}

Interpreter::~Interpreter() {
  for (const auto& space : namespaces_) space->attributes.clear();
  for (const auto& scope : kept_) {
    scope->names.clear();
    scope->parent.reset();
  }
}

Result<std::string> Interpreter::run(std::string_view variables) {
  REDKNOT_RETURN_IF_ERROR(declare(variables));
  Buffer buffer(heap_);
  output_ = &buffer;
  const auto flow = execute(tree_.body);
  output_ = nullptr;
  if (!flow.ok()) return flow.error().within(concat("line ", line_));
  return buffer.take();
}

Status Interpreter::declare(std::string_view variables) {
  auto read = read_json(heap_, variables);
  if (!read.ok()) return read.error().within("template variables");
  if (!read->is(Kind::kDict)) return invalid("template variables: not a JSON object");
  static constexpr std::pair<std::string_view, Function> kFunctions[] = {
      {"raise_exception", Function::kRaiseException},
      {"strftime_now", Function::kStrftimeNow},
      {"namespace", Function::kNamespace},
      {"range", Function::kRange},
      {"dict", Function::kDict},
  };
  for (std::size_t i = 0; i < tree_.names.size(); ++i) {
    const Symbol name = static_cast<Symbol>(i);
    const Value* value = read->dict().find(tree_.names[i]);
    if (value != nullptr) scope_->names.insert_or_assign(name, *value);
    for (const auto& [function_name, function] : kFunctions) {
      if (function == Function::kStrftimeNow && now_seconds_ < 0) continue;
      if (tree_.names[i] == function_name) scope_->names.try_emplace(name, Value(function));
    }
  }
  return Done{};
}

Status Interpreter::step() {
  if (depth_ > limits_.depth) {
    return exhausted("statements, expressions and calls are nested deeper than ", limits_.depth,
                     " levels");
  }
  return heap_.spend(1);
}

std::shared_ptr<Scope> Interpreter::inner_scope() const {
  return std::make_shared<Scope>(Scope{.parent = scope_});
}

Status Interpreter::assign(Symbol name, Value value) {
  if (scope_->is_kept && scope_->names.count(name) == 0) {
    REDKNOT_RETURN_IF_ERROR(heap_.hold(Scope::kNameBytes));  // until the end
  }
  scope_->names.insert_or_assign(name, std::move(value));
  return Done{};
}

Status Interpreter::assign(const Target& target, const Value& value) {
  if (target.parts.empty()) {
    return target.attribute.empty() ? assign(target.name, value) : assign_attribute(target, value);
  }
  REDKNOT_TRY(const std::vector<Value> items, iterate(heap_, value));
  if (items.size() != target.parts.size()) {
    return invalid("expected ", target.parts.size(), " values to unpack, got ", items.size());
  }
  for (std::size_t i = 0; i < items.size(); ++i) {
    REDKNOT_RETURN_IF_ERROR(assign(target.parts[i], items[i]));
  }
  return Done{};
}

Status Interpreter::assign_attribute(const Target& target, const Value& value) {
  const Value* found = scope_->find(target.name);
  if (found == nullptr || !found->is(Kind::kNamespace)) {
    return invalid("cannot assign attribute on non-namespace object");
  }
  auto& attributes = found->space().attributes;
  const auto place = attributes.find(target.attribute);
  if (place != attributes.end()) {
    place->second = value;
    return Done{};
  }
  REDKNOT_RETURN_IF_ERROR(heap_.hold(Scope::kNameBytes + target.attribute.size()));
  attributes.emplace(target.attribute, value);
  return Done{};
}

Status Interpreter::keep(const std::shared_ptr<Scope>& scope) {
  for (std::shared_ptr<Scope> at = scope; at != nullptr && !at->is_kept; at = at->parent) {
    REDKNOT_RETURN_IF_ERROR(heap_.hold(Scope::kNameBytes * (1 + at->names.size())));
    at->is_kept = true;
    kept_.push_back(at);
  }
  return Done{};
}

Result<Interpreter::Flow> Interpreter::execute(const Block& block) {
  const Level level(*this);
  for (const Statement& statement : block) {
    line_ = statement.line;
    REDKNOT_RETURN_IF_ERROR(step());
    const auto run = [this](const auto& what) { return execute(what); };
    REDKNOT_TRY(const Flow flow, std::visit(run, statement.what));
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const Plain& statement) {
  REDKNOT_RETURN_IF_ERROR(output_->append(statement.text));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const Output& statement) {
  REDKNOT_TRY(const Value value, evaluate(*statement.value));
  if (value.is_text()) {
    REDKNOT_RETURN_IF_ERROR(output_->append(value.text()));
  } else {
    REDKNOT_TRY(const std::string text, display(heap_, value));
    REDKNOT_RETURN_IF_ERROR(output_->append(text));
  }
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const If& statement) {
  for (const auto& [condition, body] : statement.branches) {
    REDKNOT_TRY(const Value value, evaluate(*condition));
    if (truth(value)) return execute(body);
  }
  return execute(statement.otherwise);
}

// What a loop will walk through: the items that its condition takes.
Result<std::vector<Value>> Interpreter::loop_items(const For& statement) {
  REDKNOT_TRY(const Value value, evaluate(*statement.items));
  REDKNOT_TRY(std::vector<Value> all, iterate(heap_, value));
  if (!statement.condition) return all;
  std::vector<Value> taken;
  for (Value& item : all) {
    REDKNOT_TRY(const bool is_taken, loop_takes(statement, item));
    if (is_taken) taken.push_back(std::move(item));
  }
  return taken;
}

Result<bool> Interpreter::loop_takes(const For& statement, const Value& item) {
  const InScope inner(*this, inner_scope());
  REDKNOT_RETURN_IF_ERROR(assign(statement.target, item));
  REDKNOT_TRY(const Value condition, evaluate(*statement.condition));
  return truth(condition);
}

Result<Interpreter::Flow> Interpreter::execute(const For& statement) {
  REDKNOT_TRY(std::vector<Value> items, loop_items(statement));
  if (items.empty()) {
    const InScope inner(*this, inner_scope());
    return execute(statement.otherwise);
  }
  const std::size_t count = items.size();
  REDKNOT_TRY(const Value list, make_list(heap_, std::move(items)));
  const auto loop = std::make_shared<const Loop>(
      Loop{.items = list.shared_sequence(), .index = 0, .nesting = loops_ + 1});
  ++loops_;
  for (std::size_t i = 0; i < count; ++i) {
    loop->index = i;
    REDKNOT_TRY(const Flow flow, iteration(statement, loop));
    if (flow == Flow::kBreak) break;
  }
  --loops_;
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::iteration(const For& statement,
                                                 const std::shared_ptr<const Loop>& loop) {
  const InScope inner(*this, inner_scope());
  REDKNOT_RETURN_IF_ERROR(assign(kLoopName, Value(loop)));
  REDKNOT_RETURN_IF_ERROR(assign(statement.target, loop->items->items[loop->index]));
  return execute(statement.body);
}

Result<Interpreter::Flow> Interpreter::execute(const Set& statement) {
  REDKNOT_TRY(const Value value, evaluate(*statement.value));
  REDKNOT_RETURN_IF_ERROR(assign(statement.target, value));
  return Flow::kOn;
}

Result<Interpreter::Captured> Interpreter::capture(const Block& block) {
  Buffer buffer(heap_);
  Buffer* const outer = std::exchange(output_, &buffer);
  const auto flow = execute(block);
  output_ = outer;
  if (!flow.ok()) return flow.error();
  return Captured{.flow = *flow, .text = buffer.take()};
}

Result<Value> Interpreter::filtered(const std::vector<Suffix>& filters, Value value) {
  for (const Suffix& filter : filters) {
    REDKNOT_TRY(value, apply(filter, value));
  }
  return value;
}

Result<Interpreter::Flow> Interpreter::execute(const SetBlock& statement) {
  std::optional<Captured> captured;
  {
    const InScope inner(*this, inner_scope());
    REDKNOT_TRY(captured, capture(statement.body));
  }
  if (captured->flow != Flow::kOn) return captured->flow;
  REDKNOT_TRY(const Value text, make_text(heap_, std::move(captured->text)));
  REDKNOT_TRY(const Value value, filtered(statement.filters, text));
  REDKNOT_RETURN_IF_ERROR(assign(statement.target, value));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const FilterBlock& statement) {
  const InScope inner(*this, inner_scope());
  REDKNOT_TRY(Captured captured, capture(statement.body));
  if (captured.flow != Flow::kOn) return captured.flow;
  REDKNOT_TRY(const Value text, make_text(heap_, std::move(captured.text)));
  REDKNOT_TRY(const Value value, filtered(statement.filters, text));
  REDKNOT_TRY(const std::string shown, display(heap_, value));
  REDKNOT_RETURN_IF_ERROR(output_->append(shown));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const MacroStatement& statement) {
  REDKNOT_TRY(Value macro, make_macro(*statement.macro));
  REDKNOT_RETURN_IF_ERROR(assign(statement.macro->name, std::move(macro)));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const CallBlock& statement) {
  REDKNOT_TRY(const Value caller, make_macro(*statement.caller));
  REDKNOT_TRY(const Value value, evaluate(std::get<Suffixed>(statement.call->what), &caller));
  REDKNOT_TRY(const std::string text, display(heap_, value));
  REDKNOT_RETURN_IF_ERROR(output_->append(text));
  return Flow::kOn;
}

Result<Interpreter::Flow> Interpreter::execute(const Scoped& statement) {
  const auto inner = inner_scope();
  for (const auto& [target, expression] : statement.assignments) {
    REDKNOT_TRY(const Value value, evaluate(*expression));
    inner->names.insert_or_assign(target.name, value);
  }
  const InScope entered(*this, inner);
  return execute(statement.body);
}

}  // namespace redknot::jinja
