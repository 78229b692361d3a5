// SPDX-License-Identifier: Apache-2.0
// A Value is what expressions of template programs give, after Python's values.
//
// Copies share texts, lists and dicts, which never change; only namespaces do. Interpreter,
// filters, tests and methods pass them by value. Values belong to one rendering and its thread,
// except constants of a program, which any thread may copy.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>

#include "jinja/heap.h"
#include "redknot/result.h"

namespace redknot::jinja {

struct Text;
struct Sequence;
struct Dict;
struct Namespace;
struct Macro;
struct Loop;
struct Method;

// Nothing was found. `name`, if known, is what was looked for and belongs to the program.
struct Undefined {
  const std::string* name = nullptr;
};
struct None {};
enum class Function { kRaiseException, kStrftimeNow, kNamespace, kRange, kDict };

enum class Kind {
  kUndefined,
  kNone,
  kBool,
  kInteger,
  kFloat,
  kText,
  kSequence,
  kDict,
  kNamespace,
  kMacro,
  kLoop,
  kMethod,
  kFunction,
};

class Value {
 public:
  Value() = default;
  explicit Value(Undefined undefined) : state_(undefined) {}
  explicit Value(None none) : state_(none) {}
  explicit Value(std::same_as<bool> auto truth) : state_(truth) {}
  explicit Value(std::int64_t integer) : state_(integer) {}
  explicit Value(double number) : state_(number) {}
  explicit Value(Function function) : state_(function) {}
  explicit Value(std::shared_ptr<const Text> text) : state_(std::move(text)) {}
  explicit Value(std::shared_ptr<const Sequence> items) : state_(std::move(items)) {}
  explicit Value(std::shared_ptr<const Dict> dict) : state_(std::move(dict)) {}
  explicit Value(std::shared_ptr<Namespace> space) : state_(std::move(space)) {}
  explicit Value(std::shared_ptr<const Macro> macro) : state_(std::move(macro)) {}
  explicit Value(std::shared_ptr<const Loop> loop) : state_(std::move(loop)) {}
  explicit Value(std::shared_ptr<const Method> method) : state_(std::move(method)) {}

  Kind kind() const { return static_cast<Kind>(state_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  bool is_undefined() const { return is(Kind::kUndefined); }
  bool is_none() const { return is(Kind::kNone); }
  bool is_text() const { return is(Kind::kText); }
  bool is_integral() const { return is(Kind::kInteger) || is(Kind::kBool); }
  bool is_number() const { return is_integral() || is(Kind::kFloat); }

  // Each requires the kind it names.
  const Undefined& undefined() const { return std::get<Undefined>(state_); }
  bool boolean() const { return std::get<bool>(state_); }
  std::int64_t integral() const {  // of a bool, too
    return is(Kind::kBool) ? std::int64_t{boolean()} : std::get<std::int64_t>(state_);
  }
  double number() const {
    return is(Kind::kFloat) ? std::get<double>(state_) : static_cast<double>(integral());
  }
  const std::string& text() const;
  const Sequence& sequence() const { return *std::get<std::shared_ptr<const Sequence>>(state_); }
  std::shared_ptr<const Sequence> shared_sequence() const {
    return std::get<std::shared_ptr<const Sequence>>(state_);
  }
  const Dict& dict() const { return *std::get<std::shared_ptr<const Dict>>(state_); }
  Namespace& space() const { return *std::get<std::shared_ptr<Namespace>>(state_); }
  const Macro& macro() const { return *std::get<std::shared_ptr<const Macro>>(state_); }
  const Loop& loop() const { return *std::get<std::shared_ptr<const Loop>>(state_); }
  const Method& method() const { return *std::get<std::shared_ptr<const Method>>(state_); }
  Function function() const { return std::get<Function>(state_); }

  bool is_markup() const;  // a text that `safe` made, to which others are added escaped
  // Levels of containers, 0 for plain values: what freeing or printing it recurses.
  int depth() const;
  // Do both share the same object?
  bool is_same_object(const Value& other) const;

 private:
  // In the order of Kind.
  std::variant<Undefined, None, bool, std::int64_t, double, std::shared_ptr<const Text>,
               std::shared_ptr<const Sequence>, std::shared_ptr<const Dict>,
               std::shared_ptr<Namespace>, std::shared_ptr<const Macro>,
               std::shared_ptr<const Loop>, std::shared_ptr<const Method>, Function>
      state_;
};

struct Text {
  std::string text;
  bool markup = false;
  Charge charge;
};

// kView: what a dict's items(), keys() and values() are: no index, no sum. kGenerator: what select,
// map and their like give: to be walked through once.
enum class Flavour { kList, kTuple, kView, kGenerator };

struct Sequence {
  std::vector<Value> items;
  Flavour flavour = Flavour::kList;
  int depth = 1;
  Charge charge;
  mutable bool spent = false;  // a generator that was walked through
};

struct Dict {
  using Entry = std::pair<Value, Value>;

  std::vector<Entry> entries;                          // in the order in which the keys first came
  std::unordered_map<std::string, std::size_t> index;  // of dict_key(); empty for small dicts
  int depth = 1;
  Charge charge;

  // nullptr if there is none, or if the key can be none.
  const Value* find(Heap& heap, const Value& key) const;
  const Value* find(std::string_view key) const;
};

// Owned by the rendering, too, which clears it at the end: it may hold itself.
struct Namespace {
  std::map<std::string, Value, std::less<>> attributes;
  Charge charge;
};

struct Method {
  Value receiver;
  std::string name;
  Charge charge;
};

// `loop` in a for statement. The statement moves it on.
struct Loop {
  std::shared_ptr<const Sequence> items;
  mutable std::size_t index = 0;
  int nesting = 1;  // 1 for a loop that is in no other
};

// Entries by key, a later value replacing an earlier one.
class DictBuilder {
 public:
  // kInvalidArgument if the key is a list or another thing that cannot be a key.
  Status set(Heap& heap, Value key, Value value);
  Result<Value> finish(Heap& heap) &&;

 private:
  Dict dict_;
};

// kResourceExhausted where a limit of the heap is met.
Result<Value> make_text(Heap& heap, std::string text, bool markup = false);
Result<Value> make_sequence(Heap& heap, std::vector<Value> items, Flavour flavour);
Result<Value> make_list(Heap& heap, std::vector<Value> items);
Result<Value> make_method(Heap& heap, const Value& receiver, std::string_view name);
Value constant_text(std::string text);  // charged to nobody

bool truth(const Value& value);
// The name of Python's type, for messages.
std::string_view type_name(const Value& value);
// "'x' is undefined"
std::string describe(const Undefined& undefined);

// What walking through it gives: items, keys, characters. A generator is spent by it.
// kInvalidArgument if there is nothing to walk through.
Result<std::vector<Value>> iterate(Heap& heap, const Value& value);
// len(). kInvalidArgument if it has none.
Result<std::int64_t> length(Heap& heap, const Value& value);

}  // namespace redknot::jinja
