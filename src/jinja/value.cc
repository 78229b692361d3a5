// SPDX-License-Identifier: Apache-2.0
#include "jinja/value.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"
#include "jinja/characters.h"

namespace redknot::jinja {
namespace {

constexpr std::size_t kIndexedEntries = 8;  // dicts with more have an index
constexpr std::size_t kObjectBytes = 96;
constexpr std::size_t kEntryBytes = 160;

bool is_whole(double number) { return std::floor(number) == number && std::abs(number) < 9.0e18; }

// Equal for keys that are equal in Python, whatever their types.
Result<std::string> dict_key(Heap& heap, const Value& key) {
  REDKNOT_RETURN_IF_ERROR(heap.spend(1));
  switch (key.kind()) {
    case Kind::kText:
      REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(key.text().size()));
      return "s" + key.text();
    case Kind::kBool:
    case Kind::kInteger:
      return "i" + std::to_string(key.integral());
    case Kind::kFloat: {
      const double number = key.number();
      if (is_whole(number)) return "i" + std::to_string(static_cast<std::int64_t>(number));
      std::string bytes(sizeof(number), '\0');
      std::memcpy(bytes.data(), &number, sizeof(number));
      return "f" + bytes;
    }
    case Kind::kNone:
      return std::string("n");
    case Kind::kUndefined:
      return std::string("u");
    case Kind::kSequence: {
      if (key.sequence().flavour != Flavour::kTuple) break;
      std::string text = "(";
      for (const Value& item : key.sequence().items) {
        REDKNOT_TRY(const std::string part, dict_key(heap, item));
        REDKNOT_RETURN_IF_ERROR(heap.text_fits(text.size() + part.size()));
        text += concat(part.size(), ":", part);
      }
      return text;
    }
    default:
      break;
  }
  return invalid("unhashable type: '", type_name(key), "'");
}

bool is_text_key(const Value& key, std::string_view text) {
  return key.is_text() && key.text() == text;
}

std::size_t find_entry(Heap& heap, const Dict& dict, const Value& key, const std::string& name) {
  if (!dict.index.empty()) {
    const auto found = dict.index.find(name);
    return found == dict.index.end() ? dict.entries.size() : found->second;
  }
  for (std::size_t i = 0; i < dict.entries.size(); ++i) {
    const Value& other = dict.entries[i].first;
    if (key.is_text() || other.is_text()) {
      if (key.is_text() && is_text_key(other, key.text())) return i;
      continue;
    }
    const auto other_name = dict_key(heap, other);
    if (other_name.ok() && *other_name == name) return i;
  }
  return dict.entries.size();
}

Value text_value(Heap& heap, std::string_view character) {
  return Value(std::make_shared<const Text>(
      Text{.text = std::string(character), .charge = Charge(heap, kObjectBytes)}));
}

}  // namespace

const std::string& Value::text() const {
  return std::get<std::shared_ptr<const Text>>(state_)->text;
}

bool Value::is_markup() const {
  return is_text() && std::get<std::shared_ptr<const Text>>(state_)->markup;
}

int Value::depth() const {
  switch (kind()) {
    case Kind::kSequence:
      return sequence().depth;
    case Kind::kDict:
      return dict().depth;
    case Kind::kMethod:
      return 1 + method().receiver.depth();
    case Kind::kLoop:
      return 1 + loop().items->depth;
    default:
      return 0;
  }
}

bool Value::is_same_object(const Value& other) const {
  if (kind() != other.kind()) return false;
  return std::visit(
      [&other](const auto& mine) {
        using T = std::decay_t<decltype(mine)>;
        const T& theirs = std::get<T>(other.state_);
        if constexpr (std::is_same_v<T, Undefined> || std::is_same_v<T, None>) {
          return true;
        } else {
          return mine == theirs;
        }
      },
      state_);
}

const Value* Dict::find(Heap& heap, const Value& key) const {
  if (key.is_text()) return find(key.text());
  const auto name = dict_key(heap, key);
  if (!name.ok()) return nullptr;
  const std::size_t at = find_entry(heap, *this, key, *name);
  return at < entries.size() ? &entries[at].second : nullptr;
}

const Value* Dict::find(std::string_view key) const {
  if (!index.empty()) {
    const auto found = index.find(concat("s", key));
    return found == index.end() ? nullptr : &entries[found->second].second;
  }
  const auto found = std::find_if(entries.begin(), entries.end(),
                                  [&](const Entry& e) { return is_text_key(e.first, key); });
  return found == entries.end() ? nullptr : &found->second;
}

Status DictBuilder::set(Heap& heap, Value key, Value value) {
  REDKNOT_TRY(std::string name, dict_key(heap, key));
  dict_.depth = std::max({dict_.depth, 1 + value.depth(), 1 + key.depth()});
  REDKNOT_RETURN_IF_ERROR(heap.depth_fits(dict_.depth));
  const std::size_t at = find_entry(heap, dict_, key, name);
  if (at < dict_.entries.size()) {
    dict_.entries[at].second = std::move(value);
    return Done{};
  }
  REDKNOT_RETURN_IF_ERROR(heap.items_fit(dict_.entries.size() + 1));
  dict_.entries.emplace_back(std::move(key), std::move(value));
  if (!dict_.index.empty()) {
    dict_.index.emplace(std::move(name), at);
  } else if (dict_.entries.size() > kIndexedEntries) {
    for (std::size_t i = 0; i < dict_.entries.size(); ++i) {
      REDKNOT_TRY(std::string entry_name, dict_key(heap, dict_.entries[i].first));
      dict_.index.emplace(std::move(entry_name), i);
    }
  }
  return Done{};
}

Result<Value> DictBuilder::finish(Heap& heap) && {
  std::size_t bytes = kObjectBytes;
  for (const auto& [name, at] : dict_.index) bytes += name.size();
  bytes += dict_.entries.size() * kEntryBytes;
  REDKNOT_RETURN_IF_ERROR(heap.hold(bytes));
  return Value(std::make_shared<const Dict>(Dict{.entries = std::move(dict_.entries),
                                                 .index = std::move(dict_.index),
                                                 .depth = dict_.depth,
                                                 .charge = Charge(heap, bytes)}));
}

Result<Value> make_text(Heap& heap, std::string text, bool markup) {
  REDKNOT_RETURN_IF_ERROR(heap.text_fits(text.size()));
  REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(text.size()));
  const std::size_t bytes = kObjectBytes + text.size();
  REDKNOT_RETURN_IF_ERROR(heap.hold(bytes));
  return Value(std::make_shared<const Text>(
      Text{.text = std::move(text), .markup = markup, .charge = Charge(heap, bytes)}));
}

Result<Value> make_sequence(Heap& heap, std::vector<Value> items, Flavour flavour) {
  int depth = 0;
  for (const Value& item : items) depth = std::max(depth, item.depth());
  REDKNOT_RETURN_IF_ERROR(heap.depth_fits(depth + 1));
  REDKNOT_RETURN_IF_ERROR(heap.items_fit(items.size()));
  REDKNOT_RETURN_IF_ERROR(heap.spend(1 + items.size() / 4));
  const std::size_t bytes = kObjectBytes + items.size() * Heap::kItemBytes;
  REDKNOT_RETURN_IF_ERROR(heap.hold(bytes));
  return Value(std::make_shared<const Sequence>(Sequence{.items = std::move(items),
                                                         .flavour = flavour,
                                                         .depth = depth + 1,
                                                         .charge = Charge(heap, bytes)}));
}

Result<Value> make_list(Heap& heap, std::vector<Value> items) {
  return make_sequence(heap, std::move(items), Flavour::kList);
}

Result<Value> make_method(Heap& heap, const Value& receiver, std::string_view name) {
  REDKNOT_RETURN_IF_ERROR(heap.depth_fits(receiver.depth() + 1));
  REDKNOT_RETURN_IF_ERROR(heap.hold(kObjectBytes));
  return Value(std::make_shared<const Method>(Method{
      .receiver = receiver, .name = std::string(name), .charge = Charge(heap, kObjectBytes)}));
}

Value constant_text(std::string text) {
  return Value(std::make_shared<const Text>(Text{.text = std::move(text), .charge = Charge()}));
}

bool truth(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
    case Kind::kNone:
      return false;
    case Kind::kBool:
    case Kind::kInteger:
      return value.integral() != 0;
    case Kind::kFloat:
      return value.number() != 0;
    case Kind::kText:
      return !value.text().empty();
    case Kind::kSequence:
      return value.sequence().flavour == Flavour::kGenerator || !value.sequence().items.empty();
    case Kind::kDict:
      return !value.dict().entries.empty();
    default:
      return true;
  }
}

std::string_view type_name(const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return "Undefined";
    case Kind::kNone:
      return "NoneType";
    case Kind::kBool:
      return "bool";
    case Kind::kInteger:
      return "int";
    case Kind::kFloat:
      return "float";
    case Kind::kText:
      return value.is_markup() ? "Markup" : "str";
    case Kind::kSequence:
      switch (value.sequence().flavour) {
        case Flavour::kList:
          return "list";
        case Flavour::kTuple:
          return "tuple";
        case Flavour::kView:
          return "view";
        case Flavour::kGenerator:
          return "generator";
      }
      return "list";
    case Kind::kDict:
      return "dict";
    case Kind::kNamespace:
      return "Namespace";
    case Kind::kMacro:
      return "Macro";
    case Kind::kLoop:
      return "LoopContext";
    case Kind::kMethod:
    case Kind::kFunction:
      return "function";
  }
  return "object";
}

std::string describe(const Undefined& undefined) {
  if (undefined.name == nullptr) return "a value is undefined";
  return concat("'", *undefined.name, "' is undefined");
}

Result<std::vector<Value>> iterate(Heap& heap, const Value& value) {
  std::vector<Value> items;
  switch (value.kind()) {
    case Kind::kUndefined:
      return items;
    case Kind::kSequence: {
      const Sequence& sequence = value.sequence();
      REDKNOT_RETURN_IF_ERROR(heap.spend(1 + sequence.items.size() / 4));
      if (sequence.flavour != Flavour::kGenerator) return sequence.items;
      if (!std::exchange(sequence.spent, true)) return sequence.items;
      return items;
    }
    case Kind::kDict:
      REDKNOT_RETURN_IF_ERROR(heap.spend(1 + value.dict().entries.size() / 4));
      items.reserve(value.dict().entries.size());
      for (const auto& [key, entry] : value.dict().entries) items.push_back(key);
      return items;
    case Kind::kText: {
      const std::size_t count = character_count(value.text());
      REDKNOT_RETURN_IF_ERROR(heap.items_fit(count));
      REDKNOT_RETURN_IF_ERROR(heap.spend(1 + count / 4));
      items.reserve(count);
      for (std::string_view rest = value.text(); !rest.empty();) {
        const std::string_view character = rest.substr(0, character_bytes(rest));
        REDKNOT_RETURN_IF_ERROR(heap.hold(kObjectBytes));
        items.push_back(text_value(heap, character));
        rest.remove_prefix(character.size());
      }
      return items;
    }
    default:
      return invalid("'", type_name(value), "' object is not iterable");
  }
}

Result<std::int64_t> length(Heap& heap, const Value& value) {
  switch (value.kind()) {
    case Kind::kUndefined:
      return std::int64_t{0};
    case Kind::kText:
      REDKNOT_RETURN_IF_ERROR(heap.spend_bytes(value.text().size()));
      return static_cast<std::int64_t>(character_count(value.text()));
    case Kind::kDict:
      return static_cast<std::int64_t>(value.dict().entries.size());
    case Kind::kLoop:
      return static_cast<std::int64_t>(value.loop().items->items.size());
    case Kind::kSequence:
      if (value.sequence().flavour != Flavour::kGenerator) {
        return static_cast<std::int64_t>(value.sequence().items.size());
      }
      break;
    default:
      break;
  }
  return invalid("object of type '", type_name(value), "' has no len()");
}

}  // namespace redknot::jinja
