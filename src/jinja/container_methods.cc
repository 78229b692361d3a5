// SPDX-License-Identifier: Apache-2.0
#include "jinja/container_methods.h"

#include <algorithm>
#include <array>

#include "base/error.h"
#include "jinja/operators.h"

namespace redknot::jinja {
namespace {

constexpr std::array<std::string_view, 5> kDictMethods = {"copy", "get", "items", "keys", "values"};
constexpr std::array<std::string_view, 3> kListMethods = {"copy", "count", "index"};
constexpr std::array<std::string_view, 13> kChanging = {
    "append",  "clear",      "extend", "insert", "pop", "popitem", "remove",
    "reverse", "setdefault", "sort",   "update", "add", "discard"};

template <std::size_t n>
bool has(const std::array<std::string_view, n>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Result<Value> view(Heap& heap, const Dict& dict, std::string_view name) {
  std::vector<Value> items;
  items.reserve(dict.entries.size());
  for (const auto& [key, value] : dict.entries) {
    if (name == "keys") {
      items.push_back(key);
    } else if (name == "values") {
      items.push_back(value);
    } else {
      REDKNOT_TRY(Value pair, make_sequence(heap, {key, value}, Flavour::kTuple));
      items.push_back(std::move(pair));
    }
  }
  return make_sequence(heap, std::move(items), Flavour::kView);
}

}  // namespace

bool is_dict_method(std::string_view name) { return has(kDictMethods, name); }
bool is_list_method(std::string_view name) { return has(kListMethods, name); }
bool would_change(const Value& receiver, std::string_view name) {
  return (receiver.is(Kind::kDict) || receiver.is(Kind::kSequence)) && has(kChanging, name);
}

Result<Value> call_dict_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments) {
  const Dict& dict = receiver.dict();
  if (name == "get") {
    if (!arguments.named.empty()) return invalid("dict.get() takes no keyword arguments");
    REDKNOT_TRY(const auto bound, bind("get", arguments, {"key", "default"}, 1));
    const Value* found = dict.find(heap, bound[0]);
    if (found != nullptr) return *found;
    return arguments.positional.size() > 1 ? bound[1] : Value(None{});
  }
  REDKNOT_TRY(const auto none, bind(name, arguments, {}));
  if (name == "copy") return receiver;
  return view(heap, dict, name);
}

Result<Value> call_list_method(Heap& heap, const Value& receiver, std::string_view name,
                               const CallArguments& arguments) {
  if (name == "copy") {
    REDKNOT_TRY(const auto none, bind(name, arguments, {}));
    return receiver;
  }
  REDKNOT_TRY(const auto bound, bind(name, arguments, {"value"}, 1));
  const std::vector<Value>& items = receiver.sequence().items;
  std::int64_t count = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    REDKNOT_TRY(const bool same, equal(heap, items[i], bound[0]));
    if (same && name == "index") return Value(static_cast<std::int64_t>(i));
    count += same ? 1 : 0;
  }
  if (name == "index") return invalid("the value is not in the list");
  return Value(count);
}

}  // namespace redknot::jinja
