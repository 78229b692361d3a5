// SPDX-License-Identifier: Apache-2.0
#include "jinja/access.h"

#include <algorithm>

#include "base/error.h"
#include "jinja/characters.h"
#include "jinja/container_methods.h"
#include "jinja/text_methods.h"

namespace redknot::jinja {
namespace {

Value count_value(std::size_t count) { return Value(static_cast<std::int64_t>(count)); }

// Nothing if there is no such attribute.
std::optional<Value> loop_attribute(const Loop& loop, std::string_view name) {
  const std::vector<Value>& items = loop.items->items;
  const std::size_t index = loop.index;
  if (name == "index") return count_value(index + 1);
  if (name == "index0") return count_value(index);
  if (name == "revindex") return count_value(items.size() - index);
  if (name == "revindex0") return count_value(items.size() - index - 1);
  if (name == "first") return Value(index == 0);
  if (name == "last") return Value(index + 1 == items.size());
  if (name == "length") return count_value(items.size());
  if (name == "depth") return Value(std::int64_t{loop.nesting});
  if (name == "depth0") return Value(std::int64_t{loop.nesting} - 1);
  if (name == "previtem") return index == 0 ? Value() : items[index - 1];
  if (name == "nextitem") return index + 1 < items.size() ? items[index + 1] : Value();
  return std::nullopt;
}

// Attributes that are no items, for a.b and, after the items, for a['b'].
Result<std::optional<Value>> own_attribute(Heap& heap, const Value& value, std::string_view name) {
  if (value.is(Kind::kNamespace)) {
    const auto found = value.space().attributes.find(name);
    if (found != value.space().attributes.end()) return std::optional(found->second);
  } else if (value.is(Kind::kLoop)) {
    if (auto attribute = loop_attribute(value.loop(), name)) return attribute;
  }
  if (!has_method(value, name)) return std::optional<Value>();
  REDKNOT_TRY(Value method, make_method(heap, value, name));
  return std::optional(std::move(method));
}

// From an index that may be negative; false if it is outside.
bool resolve_index(std::int64_t& index, std::size_t size) {
  const auto count = static_cast<std::int64_t>(size);
  if (index < 0) index += count;
  return index >= 0 && index < count;
}

Result<Value> character_of(Heap& heap, const std::string& text, std::int64_t index) {
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(text.size()));
  if (!resolve_index(index, character_count(text))) return Value();
  const std::size_t start = character_start(text, static_cast<std::size_t>(index));
  const std::string_view rest = std::string_view(text).substr(start);
  return make_text(heap, std::string(rest.substr(0, character_bytes(rest))));
}

// The indices that a slice takes, as Python's slice.indices().
struct Indices {
  std::int64_t start = 0;
  std::int64_t count = 0;
};
Indices indices_of(const SliceBounds& bounds, std::size_t size) {
  const auto length = static_cast<std::int64_t>(size);
  const bool backward = bounds.step < 0;
  const std::int64_t lowest = backward ? -1 : 0;
  const std::int64_t highest = backward ? length - 1 : length;
  const auto resolve = [&](std::int64_t at) {
    return std::clamp(at < 0 ? std::max(at, -length - 1) + length : at, lowest, highest);
  };
  const std::int64_t start = bounds.start ? resolve(*bounds.start) : (backward ? highest : lowest);
  const std::int64_t stop = bounds.stop ? resolve(*bounds.stop) : (backward ? lowest : highest);
  const std::int64_t distance = backward ? start - stop : stop - start;
  if (distance <= 0) return {.start = start, .count = 0};
  if (bounds.step == -1 || bounds.step == 1) return {.start = start, .count = distance};
  const std::int64_t stride = std::abs(std::clamp(bounds.step, -length - 1, length + 1));
  return {.start = start, .count = (distance - 1) / stride + 1};
}

Result<Value> slice_text(Heap& heap, const Value& value, const SliceBounds& bounds) {
  const std::string& text = value.text();
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(text.size()));
  const Indices indices = indices_of(bounds, character_count(text));
  const std::size_t start =
      character_start(text, static_cast<std::size_t>(std::max<std::int64_t>(indices.start, 0)));
  if (indices.count == 0) return make_text(heap, "", value.is_markup());
  if (bounds.step == 1) {
    const std::string_view rest = std::string_view(text).substr(start);
    const std::size_t end = character_start(rest, static_cast<std::size_t>(indices.count));
    return make_text(heap, std::string(rest.substr(0, end)), value.is_markup());
  }
  REDKNOT_TRY(const std::vector<Value> characters, iterate(heap, value));
  std::string out;
  for (std::int64_t i = 0; i < indices.count; ++i) {
    out += characters[static_cast<std::size_t>(indices.start + i * bounds.step)].text();
  }
  return make_text(heap, std::move(out), value.is_markup());
}

}  // namespace

Result<Value> attribute_of(Heap& heap, const Value& value, const std::string& name) {
  if (value.is_undefined()) return invalid(describe(value.undefined()));
  REDKNOT_TRY(const std::optional<Value> own, own_attribute(heap, value, name));
  if (own) return *own;
  if (value.is(Kind::kDict)) {
    const Value* item = value.dict().find(name);
    if (item != nullptr) return *item;
  }
  return Value(Undefined{&name});
}

Result<Value> item_of(Heap& heap, const Value& value, const Value& key) {
  if (value.is_undefined()) return invalid(describe(value.undefined()));
  if (value.is(Kind::kDict)) {
    const Value* item = value.dict().find(heap, key);
    if (item != nullptr) return *item;
  } else if (key.is_integral()) {
    if (value.is_text()) return character_of(heap, value.text(), key.integral());
    if (value.is(Kind::kSequence) && value.sequence().flavour <= Flavour::kTuple) {
      const std::vector<Value>& items = value.sequence().items;
      std::int64_t index = key.integral();
      return resolve_index(index, items.size()) ? items[static_cast<std::size_t>(index)] : Value();
    }
  }
  if (!key.is_text()) return Value();
  REDKNOT_TRY(const std::optional<Value> own, own_attribute(heap, value, key.text()));
  return own.value_or(Value());
}

Result<Value> slice_of(Heap& heap, const Value& value, const SliceBounds& bounds) {
  if (bounds.step == 0) return invalid("slice step cannot be zero");
  if (value.is_undefined()) return invalid(describe(value.undefined()));
  if (value.is_text()) return slice_text(heap, value, bounds);
  if (!value.is(Kind::kSequence) || value.sequence().flavour > Flavour::kTuple) return Value();
  const Sequence& list = value.sequence();
  const Indices indices = indices_of(bounds, list.items.size());
  REDKNOT_RETURN_IF_ERROR(heap.spend(1 + static_cast<std::uint64_t>(indices.count) / 4));
  std::vector<Value> items;
  items.reserve(static_cast<std::size_t>(indices.count));
  for (std::int64_t i = 0; i < indices.count; ++i) {
    items.push_back(list.items[static_cast<std::size_t>(indices.start + i * bounds.step)]);
  }
  return make_sequence(heap, std::move(items), list.flavour);
}

bool has_method(const Value& value, std::string_view name) {
  switch (value.kind()) {
    case Kind::kText:
      return is_text_method(name);
    case Kind::kDict:
      return is_dict_method(name);
    case Kind::kSequence:
      return value.sequence().flavour <= Flavour::kTuple && is_list_method(name);
    case Kind::kLoop:
      return name == "cycle";
    default:
      return false;
  }
}

Result<Value> call_method(Heap& heap, const Value& receiver, std::string_view name,
                          const CallArguments& arguments) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  if (receiver.is_undefined()) return invalid(describe(receiver.undefined()));
  if (has_method(receiver, name)) {
    if (receiver.is_text()) return call_text_method(heap, receiver, name, arguments);
    if (receiver.is(Kind::kDict)) return call_dict_method(heap, receiver, name, arguments);
    if (receiver.is(Kind::kSequence)) return call_list_method(heap, receiver, name, arguments);
    if (arguments.positional.empty()) return invalid("cycle() lacks its values");
    return arguments.positional[receiver.loop().index % arguments.positional.size()];
  }
  if (would_change(receiver, name)) {
    return invalid("access to attribute '", name, "' of '", type_name(receiver),
                   "' object is unsafe");
  }
  return invalid("'", type_name(receiver), " object' has no attribute '", name, "'");
}

}  // namespace redknot::jinja
