// SPDX-License-Identifier: Apache-2.0
// What the interpreter calls: macros, methods and the functions that every program has.
#include <algorithm>
#include <ctime>
#include <string>
#include <utility>

#include "base/error.h"
#include "jinja/access.h"
#include "jinja/display.h"
#include "jinja/interpreter.h"

namespace redknot::jinja {
namespace {

constexpr std::size_t kMacroBytes = 96;
constexpr std::size_t kNamespaceBytes = 160;
constexpr std::int64_t kRangeItems = 100'000;  // as Jinja's sandbox

}  // namespace

Result<Value> Interpreter::call(const Value& callee, const CallArguments& arguments) {
  switch (callee.kind()) {
    case Kind::kUndefined:
      return invalid(describe(callee.undefined()));
    case Kind::kMacro:
      return call_macro(callee.macro(), arguments);
    case Kind::kMethod:
      return call_method(heap_, callee.method().receiver, callee.method().name, arguments);
    case Kind::kFunction:
      return call_function(callee.function(), arguments);
    case Kind::kLoop:
      return unsupported("recursive loops");
    default:
      return invalid("'", type_name(callee), "' object is not callable");
  }
}

Result<Value> Interpreter::call_attribute(const Value& value, const std::string& name,
                                          const CallArguments& arguments) {
  const bool has_items = value.is(Kind::kDict) || value.is(Kind::kNamespace);
  if (!has_items || has_method(value, name)) return call_method(heap_, value, name, arguments);
  REDKNOT_TRY(const Value callee, attribute_of(heap_, value, name));
  if (callee.is_undefined()) return call_method(heap_, value, name, arguments);
  return call(callee, arguments);
}

Result<Value> Interpreter::make_macro(const MacroDeclaration& declaration) {
  REDKNOT_RETURN_IF_ERROR(keep(scope_));
  REDKNOT_RETURN_IF_ERROR(heap_.hold(kMacroBytes));
  return Value(std::make_shared<const Macro>(
      Macro{.declaration = &declaration, .scope = scope_, .charge = Charge(heap_, kMacroBytes)}));
}

Result<Value> Interpreter::call_macro(const Macro& macro, const CallArguments& arguments) {
  const Level level(*this);
  REDKNOT_RETURN_IF_ERROR(step());
  const int line = line_;
  const int loops = std::exchange(loops_, 0);
  const std::shared_ptr<Scope> outer = macro.scope;
  const InScope inner(*this, std::make_shared<Scope>(Scope{.parent = outer}));
  REDKNOT_RETURN_IF_ERROR(bind_parameters(*macro.declaration, arguments));
  REDKNOT_RETURN_IF_ERROR(bind_rest(*macro.declaration, arguments));
  REDKNOT_TRY(Captured captured, capture(macro.declaration->body));
  loops_ = loops;
  line_ = line;
  return make_text(heap_, std::move(captured.text));
}

// In the macro's own scope, so that a default may name a parameter before it.
Status Interpreter::bind_parameters(const MacroDeclaration& macro, const CallArguments& arguments) {
  for (std::size_t i = 0; i < macro.parameters.size(); ++i) {
    const Parameter& parameter = macro.parameters[i];
    const std::string& name = tree_.names[static_cast<std::size_t>(parameter.name)];
    const auto named = std::find_if(arguments.named.begin(), arguments.named.end(),
                                    [&name](const auto& one) { return one.first == name; });
    Value value(Undefined{&name});
    if (i < arguments.positional.size()) {
      value = arguments.positional[i];
    } else if (named != arguments.named.end()) {
      value = named->second;
    } else if (parameter.otherwise) {
      REDKNOT_TRY(value, evaluate(*parameter.otherwise));
    }
    REDKNOT_RETURN_IF_ERROR(assign(parameter.name, std::move(value)));
  }
  return Done{};
}

// Arguments that no parameter takes: varargs, kwargs and caller.
Status Interpreter::bind_rest(const MacroDeclaration& macro, const CallArguments& arguments) {
  const std::string& name = tree_.names[static_cast<std::size_t>(macro.name)];
  const std::size_t taken = std::min(macro.parameters.size(), arguments.positional.size());
  std::vector<Value> rest(arguments.positional.begin() + static_cast<std::ptrdiff_t>(taken),
                          arguments.positional.end());
  if (macro.takes_varargs) {
    REDKNOT_TRY(Value tuple, make_sequence(heap_, std::move(rest), Flavour::kTuple));
    REDKNOT_RETURN_IF_ERROR(assign(kVarargsName, std::move(tuple)));
  } else if (!rest.empty()) {
    return invalid("macro '", name, "' takes not more than ", macro.parameters.size(),
                   " argument(s)");
  }
  DictBuilder more;
  for (const auto& [key, value] : arguments.named) {
    const auto is_parameter = [&, &wanted = key](const Parameter& parameter) {
      return tree_.names[static_cast<std::size_t>(parameter.name)] == wanted;
    };
    const auto place = std::find_if(macro.parameters.begin(), macro.parameters.end(), is_parameter);
    if (place != macro.parameters.end()) {
      if (place - macro.parameters.begin() < static_cast<std::ptrdiff_t>(taken)) {
        return invalid("macro '", name, "' got multiple values for '", key, "'");
      }
      continue;
    }
    if (key == "caller" && macro.takes_caller) {
      REDKNOT_RETURN_IF_ERROR(assign(kCallerName, value));
      continue;
    }
    if (!macro.takes_kwargs) {
      return invalid("macro '", name, "' takes no keyword argument '", key, "'");
    }
    REDKNOT_TRY(Value key_text, make_text(heap_, key));
    REDKNOT_RETURN_IF_ERROR(more.set(heap_, std::move(key_text), value));
  }
  if (!macro.takes_kwargs) return Done{};
  REDKNOT_TRY(Value dict, std::move(more).finish(heap_));
  return assign(kKwargsName, std::move(dict));
}

Result<Value> Interpreter::call_function(Function function, const CallArguments& arguments) {
  switch (function) {
    case Function::kRaiseException: {
      REDKNOT_TRY(const auto bound, bind("raise_exception", arguments, {"message"}, 1));
      REDKNOT_TRY(const std::string message, display(heap_, bound[0]));
      return invalid(message);
    }
    case Function::kStrftimeNow:
      return strftime_now(arguments);
    case Function::kNamespace:
      return make_namespace(arguments);
    case Function::kRange:
      return make_range(arguments);
    case Function::kDict:
      return make_dict(arguments);
  }
  return invalid("unknown function");
}

Result<Value> Interpreter::make_dict(const CallArguments& arguments) {
  if (arguments.positional.size() > 1) return invalid("dict expected at most 1 argument");
  DictBuilder dict;
  if (!arguments.positional.empty()) {
    const Value& from = arguments.positional[0];
    if (from.is(Kind::kDict)) {
      for (const auto& [key, value] : from.dict().entries) {
        REDKNOT_RETURN_IF_ERROR(dict.set(heap_, key, value));
      }
    } else {
      REDKNOT_TRY(const std::vector<Value> pairs, iterate(heap_, from));
      for (const Value& pair : pairs) {
        REDKNOT_TRY(const std::vector<Value> both, iterate(heap_, pair));
        if (both.size() != 2) return invalid("dict() takes pairs of key and value");
        REDKNOT_RETURN_IF_ERROR(dict.set(heap_, both[0], both[1]));
      }
    }
  }
  for (const auto& [name, value] : arguments.named) {
    REDKNOT_TRY(Value key, make_text(heap_, name));
    REDKNOT_RETURN_IF_ERROR(dict.set(heap_, std::move(key), value));
  }
  return std::move(dict).finish(heap_);
}

Result<Value> Interpreter::make_namespace(const CallArguments& arguments) {
  REDKNOT_TRY(const Value dict, make_dict(arguments));
  std::size_t bytes = kNamespaceBytes;
  for (const auto& [key, value] : dict.dict().entries) {
    if (!key.is_text()) return invalid("namespace() takes names");
    bytes += Scope::kNameBytes + key.text().size();
  }
  REDKNOT_RETURN_IF_ERROR(heap_.hold(bytes));
  auto space =
      std::make_shared<Namespace>(Namespace{.attributes = {}, .charge = Charge(heap_, bytes)});
  for (const auto& [key, value] : dict.dict().entries) {
    space->attributes.insert_or_assign(key.text(), value);
  }
  namespaces_.push_back(space);
  return Value(std::move(space));
}

Result<Value> Interpreter::make_range(const CallArguments& arguments) {
  const auto& given = arguments.positional;
  if (!arguments.named.empty() || given.empty() || given.size() > 3) {
    return invalid("range() takes 1 to 3 integers");
  }
  for (const Value& value : given) {
    if (!value.is_integral()) return invalid("range() takes integers, not ", type_name(value));
  }
  std::int64_t at = given.size() > 1 ? given[0].integral() : 0;
  const std::int64_t stop = given.size() > 1 ? given[1].integral() : given[0].integral();
  const std::int64_t step = given.size() > 2 ? given[2].integral() : 1;
  if (step == 0) return invalid("range() arg 3 must not be zero");
  std::vector<Value> items;
  while (step > 0 ? at < stop : at > stop) {
    if (static_cast<std::int64_t>(items.size()) == kRangeItems) {
      return exhausted("Range too big. The sandbox blocks ranges larger than ", kRangeItems);
    }
    items.push_back(Value(at));
    if (__builtin_add_overflow(at, step, &at)) break;
  }
  return make_list(heap_, std::move(items));
}

Result<Value> Interpreter::strftime_now(const CallArguments& arguments) {
  REDKNOT_TRY(const auto bound, bind("strftime_now", arguments, {"format"}, 1));
  if (!bound[0].is_text()) return invalid("strftime_now() takes a str");
  const std::string& format = bound[0].text();
  const std::time_t seconds = now_seconds_;
  std::tm now{};
  if (localtime_r(&seconds, &now) == nullptr) return invalid("strftime_now(): no such time");
  // Something behind it tells an empty result from one that does not fit.
  char text[4096];
  const std::size_t bytes = std::strftime(text, sizeof(text), (format + "|").c_str(), &now);
  if (bytes == 0) return invalid("strftime_now(): the format is too long");
  return make_text(heap_, std::string(text, bytes - 1));
}

}  // namespace redknot::jinja
