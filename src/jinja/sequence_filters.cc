// SPDX-License-Identifier: Apache-2.0
// Filters that walk through lists without asking what is in their items.
#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "base/error.h"
#include "jinja/access.h"
#include "jinja/characters.h"
#include "jinja/filter_call.h"
#include "jinja/operators.h"
#include "jinja/text_methods.h"

namespace redknot::jinja {
namespace {

Result<Value> list(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  REDKNOT_TRY(std::vector<Value> items, iterate(call.heap, call.input));
  return make_list(call.heap, std::move(items));
}

Result<Value> join(const FilterCall& call) {
  REDKNOT_TRY(auto bound, bind(call.name, call.arguments, {"d", "attribute"}));
  REDKNOT_TRY(std::vector<Value> items, iterate(call.heap, call.input));
  if (!bound[1].is_undefined() && !bound[1].is_none()) {
    for (Value& item : items) {
      REDKNOT_TRY(item, follow_path(call.heap, item, bound[1]));
    }
  }
  REDKNOT_TRY(std::string separator, display(call.heap, bound[0]));
  REDKNOT_TRY(const Value between, make_text(call.heap, std::move(separator)));
  return join_texts(call.heap, items, between);
}

Result<Value> first(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  return items.empty() ? Value() : items.front();
}

Result<Value> last(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  if (call.input.is(Kind::kSequence) && call.input.sequence().flavour == Flavour::kGenerator) {
    return invalid("'generator' object is not reversible");
  }
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  return items.empty() ? Value() : items.back();
}

Result<Value> reverse(const FilterCall& call) {
  REDKNOT_TRY(const auto none, bind(call.name, call.arguments, {}));
  if (call.input.is_text()) return slice_of(call.heap, call.input, {.step = -1});
  REDKNOT_TRY(std::vector<Value> items, iterate(call.heap, call.input));
  std::reverse(items.begin(), items.end());
  return make_sequence(call.heap, std::move(items), Flavour::kGenerator);
}

Result<std::vector<std::pair<Value, Value>>> keyed(const FilterCall& call, const Value& path,
                                                   bool ignores_case) {
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  std::vector<std::pair<Value, Value>> result;
  result.reserve(items.size());
  for (const Value& item : items) {
    REDKNOT_TRY(Value key, sort_key(call.heap, item, path, ignores_case));
    result.emplace_back(std::move(key), item);
  }
  return result;
}

Result<Value> sort(const FilterCall& call) {
  REDKNOT_TRY(const auto bound,
              bind(call.name, call.arguments, {"reverse", "case_sensitive", "attribute"}));
  REDKNOT_TRY(auto items, keyed(call, bound[2], !truth(bound[1])));
  REDKNOT_RETURN_IF_ERROR(sort_by_keys(call.heap, items, truth(bound[0])));
  std::vector<Value> sorted;
  sorted.reserve(items.size());
  for (auto& [key, item] : items) sorted.push_back(std::move(item));
  return make_list(call.heap, std::move(sorted));
}

Result<Value> unique(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"case_sensitive", "attribute"}));
  REDKNOT_TRY(auto items, keyed(call, bound[1], !truth(bound[0])));
  DictBuilder first_places;  // from the back, so that the first of equal keys stays
  for (std::size_t i = items.size(); i-- > 0;) {
    REDKNOT_RETURN_IF_ERROR(
        first_places.set(call.heap, items[i].first, Value(static_cast<std::int64_t>(i))));
  }
  REDKNOT_TRY(const Value places, std::move(first_places).finish(call.heap));
  std::vector<std::size_t> order;
  order.reserve(places.dict().entries.size());
  for (const auto& [key, place] : places.dict().entries) {
    order.push_back(static_cast<std::size_t>(place.integral()));
  }
  std::sort(order.begin(), order.end());
  std::vector<Value> result;
  result.reserve(order.size());
  for (const std::size_t place : order) result.push_back(items[place].second);
  return make_sequence(call.heap, std::move(result), Flavour::kGenerator);
}

Result<Value> batch(const FilterCall& call) {
  REDKNOT_TRY(const auto bound, bind(call.name, call.arguments, {"linecount", "fill_with"}, 1));
  REDKNOT_TRY(const std::int64_t size, integer_argument(call.name, bound[0], 0));
  if (size < 1) return invalid("batch() takes a positive count");
  REDKNOT_TRY(const std::vector<Value> items, iterate(call.heap, call.input));
  const auto step = static_cast<std::size_t>(size);
  std::vector<Value> rows;
  for (std::size_t start = 0; start < items.size(); start += std::min(step, items.size() - start)) {
    const std::size_t count = std::min(step, items.size() - start);
    const auto begin = items.begin() + static_cast<std::ptrdiff_t>(start);
    std::vector<Value> row(begin, begin + static_cast<std::ptrdiff_t>(count));
    if (!bound[1].is_undefined() && !bound[1].is_none()) {
      REDKNOT_RETURN_IF_ERROR(call.heap.items_fit(step));
      row.resize(step, bound[1]);
    }
    REDKNOT_TRY(Value made, make_list(call.heap, std::move(row)));
    rows.push_back(std::move(made));
  }
  return make_sequence(call.heap, std::move(rows), Flavour::kGenerator);
}

}  // namespace

Status sort_by_keys(Heap& heap, std::vector<std::pair<Value, Value>>& keyed, bool reverse) {
  std::optional<Error> error;
  const auto before = [&](const auto& a, const auto& b) {
    if (error) return false;
    const auto is_less = reverse ? less(heap, b.first, a.first) : less(heap, a.first, b.first);
    if (is_less.ok()) return *is_less;
    error = is_less.error();
    return false;
  };
  std::stable_sort(keyed.begin(), keyed.end(), before);
  if (error) return *std::move(error);
  return Done{};
}

Result<Value> sort_key(Heap& heap, const Value& value, const Value& path, bool ignores_case) {
  Value key = value;
  if (!path.is_undefined() && !path.is_none()) {
    REDKNOT_TRY(key, follow_path(heap, value, path));
  }
  if (!ignores_case || !key.is_text()) return key;
  return make_text(heap, lower(key.text()));
}

const std::vector<NamedFilter>& sequence_filters() {
  static const std::vector<NamedFilter> kFilters = {
      {"list", list},       {"join", join}, {"first", first},   {"last", last},
      {"reverse", reverse}, {"sort", sort}, {"unique", unique}, {"batch", batch},
  };
  return kFilters;
}

}  // namespace redknot::jinja
