// SPDX-License-Identifier: Apache-2.0
// Filters that ask for attributes of items or apply filters and tests to them, and those of dicts.
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "jinja/access.h"
#include "jinja/filter_call.h"
#include "jinja/filters.h"
#include "jinja/operators.h"

namespace redknot::jinja {
namespace {

// The arguments behind the first `count`.
CallArguments without_first(const CallArguments& arguments, std::size_t count) {
  CallArguments rest = arguments;
  rest.positional.erase(rest.positional.begin(),
                        rest.positional.begin() + static_cast<std::ptrdiff_t>(count));
  return rest;
}

// As Jinja has it, map and select take none, false and 0 for a list without items.
Result<std::vector<Value>> items_if_any(const FilterCall& call) {
  if (!truth(call.input)) return std::vector<Value>();
  return iterate(call.heap, call.input);
}

Result<Value> map(const FilterCall& call) {
  REDKNOT_TRY(std::vector<Value> items, items_if_any(call));
  if (call.arguments.positional.empty()) {
    REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"attribute", "default"}));
    if (bound[0].is_undefined()) return invalid("map requires a filter argument");
    for (Value& item : items) {
      REDKNOT_TRY(item, follow_path(call.heap, item, bound[0]));
      if (item.is_undefined()) item = bound[1];
    }
  } else {
    const Value& filter = call.arguments.positional[0];
    if (!filter.is_text()) return invalid("map: the filter must be a text");
    const CallArguments rest = without_first(call.arguments, 1);
    for (Value& item : items) {
      REDKNOT_TRY(item, apply_filter(call.heap, filter.text(), item, rest));
    }
  }
  return make_sequence(call.heap, std::move(items), Flavour::kGenerator);
}

// select, reject, selectattr and rejectattr.
Result<Value> select(const FilterCall& call) {
  const bool by_attribute = call.name == "selectattr" || call.name == "rejectattr";
  const bool wanted = call.name == "select" || call.name == "selectattr";
  const std::vector<Value>& given = call.arguments.positional;
  if (by_attribute && given.empty()) return invalid("Missing parameter for attribute name");
  const std::size_t test_at = by_attribute ? 1 : 0;
  const bool has_test = given.size() > test_at;
  if (has_test && !given[test_at].is_text()) return invalid("select: the test must be a text");
  const CallArguments rest =
      has_test ? without_first(call.arguments, test_at + 1) : CallArguments{};
  REDKNOT_TRY(const std::vector<Value> items, items_if_any(call));
  std::vector<Value> selected;
  for (const Value& item : items) {
    REDKNOT_RETURN_IF_ERROR(call.heap.spend(1));
    Value subject = item;
    if (by_attribute) {
      REDKNOT_TRY(subject, follow_path(call.heap, item, given[0]));
    }
    bool fits = truth(subject);
    if (has_test) {
      REDKNOT_TRY(fits, apply_test(call.heap, given[test_at].text(), subject, rest));
    }
    if (fits == wanted) selected.push_back(item);
  }
  return make_sequence(call.heap, std::move(selected), Flavour::kGenerator);
}

Result<Value> pair_of(Heap& heap, const Value& key, const Value& value) {
  return make_sequence(heap, {key, value}, Flavour::kTuple);
}

Result<Value> items(const FilterCall& call) {
  std::vector<Value> pairs;
  if (!call.input.is_undefined()) {
    if (!call.input.is(Kind::kDict)) return invalid("Can only get item pairs from a mapping.");
    pairs.reserve(call.input.dict().entries.size());
    for (const auto& [key, value] : call.input.dict().entries) {
      REDKNOT_TRY(Value pair, pair_of(call.heap, key, value));
      pairs.push_back(std::move(pair));
    }
  }
  return make_sequence(call.heap, std::move(pairs), Flavour::kGenerator);
}

Result<Value> dictsort(const FilterCall& call) {
  REDKNOT_TRY(const auto bound,
              bind(call.name, call.arguments, {"case_sensitive", "by", "reverse"}));
  if (call.input.is_undefined()) return invalid(describe(call.input.undefined()));
  if (!call.input.is(Kind::kDict)) return invalid("dictsort takes a mapping");
  const bool by_value = bound[1].is_text() && bound[1].text() == "value";
  std::vector<std::pair<Value, Value>> keyed;
  keyed.reserve(call.input.dict().entries.size());
  for (const auto& [key, value] : call.input.dict().entries) {
    REDKNOT_TRY(Value sort_value,
                sort_key(call.heap, by_value ? value : key, Value(), !truth(bound[0])));
    REDKNOT_TRY(Value pair, pair_of(call.heap, key, value));
    keyed.emplace_back(std::move(sort_value), std::move(pair));
  }
  REDKNOT_RETURN_IF_ERROR(sort_by_keys(call.heap, keyed, truth(bound[2])));
  std::vector<Value> sorted;
  sorted.reserve(keyed.size());
  for (auto& [key, pair] : keyed) sorted.push_back(std::move(pair));
  return make_list(call.heap, std::move(sorted));
}

Result<Value> groupby(const FilterCall& call) {
  REDKNOT_TRY(const auto bound,
              bind(call.name, call.arguments, {"attribute", "default", "case_sensitive"}, 1));
  REDKNOT_TRY(const std::vector<Value> all, iterate(call.heap, call.input));
  std::vector<std::pair<Value, Value>> keyed;
  keyed.reserve(all.size());
  for (const Value& item : all) {
    REDKNOT_TRY(Value key, follow_path(call.heap, item, bound[0]));
    if (key.is_undefined()) key = bound[1];
    REDKNOT_TRY(key, sort_key(call.heap, key, Value(), !truth(bound[2])));
    keyed.emplace_back(std::move(key), item);
  }
  REDKNOT_RETURN_IF_ERROR(sort_by_keys(call.heap, keyed, false));
  std::vector<Value> groups;
  for (std::size_t start = 0; start < keyed.size();) {
    std::vector<Value> group;
    std::size_t end = start;
    for (; end < keyed.size(); ++end) {
      REDKNOT_TRY(const bool same, equal(call.heap, keyed[start].first, keyed[end].first));
      if (!same) break;
      group.push_back(keyed[end].second);
    }
    if (end == start) return invalid("groupby: a key that does not equal itself");
    Value key;
    REDKNOT_TRY(key, follow_path(call.heap, group[0], bound[0]));
    if (key.is_undefined()) key = bound[1];
    REDKNOT_TRY(const Value members, make_list(call.heap, std::move(group)));
    REDKNOT_TRY(Value pair, pair_of(call.heap, key, members));
    groups.push_back(std::move(pair));
    start = end;
  }
  return make_list(call.heap, std::move(groups));
}

Result<Value> attr(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"name"}, 1));
  if (call.input.is_undefined()) return invalid(describe(call.input.undefined()));
  if (!bound[0].is_text()) return invalid("attr() takes a text");
  if (call.input.is(Kind::kDict) && !has_method(call.input, bound[0].text())) return Value();
  return item_of(call.heap, call.input, bound[0]);
}

}  // namespace

Result<Value> follow_path(Heap& heap, const Value& value, const Value& path) {
  if (!path.is_text()) return item_of(heap, value, path);
  Value at = value;
  std::string_view rest = path.text();
  while (true) {
    const std::size_t dot = std::min(rest.find('.'), rest.size());
    const std::string_view part = rest.substr(0, dot);
    std::int64_t index = 0;
    const auto parsed = std::from_chars(part.data(), part.data() + part.size(), index);
    const bool is_index = !part.empty() && part[0] != '-' && parsed.ec == std::errc() &&
                          parsed.ptr == part.data() + part.size();
    Value key(index);
    if (!is_index) {
      REDKNOT_TRY(key, make_text(heap, std::string(part)));
    }
    REDKNOT_TRY(at, item_of(heap, at, key));
    if (dot == rest.size()) return at;
    rest.remove_prefix(dot + 1);
  }
}

const std::vector<NamedFilter>& mapping_filters() {
  static const std::vector<NamedFilter> kFilters = {
      {"map", map},           {"select", select},     {"reject", select},
      {"selectattr", select}, {"rejectattr", select}, {"items", items},
      {"dictsort", dictsort}, {"groupby", groupby},   {"attr", attr},
  };
  return kFilters;
}

}  // namespace redknot::jinja
