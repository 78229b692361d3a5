// SPDX-License-Identifier: Apache-2.0
#include "chat/fields.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace redknot::chat {
namespace {

// Builds the document as the parser goes. Keys are appended without looking for them among those
// before, which would be quadratic; each open object has the set of its keys for that.
class Builder {
 public:
  using number_integer_t = Json::number_integer_t;
  using number_unsigned_t = Json::number_unsigned_t;
  using number_float_t = Json::number_float_t;
  using string_t = Json::string_t;
  using binary_t = Json::binary_t;

  bool null() { return add(Json()) != nullptr; }
  bool boolean(bool value) { return add(Json(value)) != nullptr; }
  bool number_integer(number_integer_t value) { return add(Json(value)) != nullptr; }
  bool number_unsigned(number_unsigned_t value) { return add(Json(value)) != nullptr; }
  bool number_float(number_float_t value, const string_t&) { return add(Json(value)) != nullptr; }
  bool string(string_t& value) { return add(Json(std::move(value))) != nullptr; }
  bool binary(binary_t&) { return false; }

  bool start_object(std::size_t) { return open(Json::object()); }
  bool start_array(std::size_t) { return open(Json::array()); }
  bool end_object() { return close(); }
  bool end_array() { return close(); }

  bool key(string_t& name) {
    if (!open_.back().keys.insert(name).second) {
      error_ = concat("the key \"", name, "\" comes twice in an object");
      return false;
    }
    key_ = std::move(name);
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) {
    const std::string_view what = error.what();
    // "[json.exception.parse_error.101] parse error at line 1, column 2: what is wrong"
    const std::size_t colon = what.find(": ");
    const std::size_t bracket = what.find("] ");
    const std::size_t begin = colon != what.npos     ? colon + 2
                              : bracket != what.npos ? bracket + 2
                                                     : 0;
    error_ = concat(what.substr(begin), " at byte ", position);
    return false;
  }

  const std::string& error() const { return error_; }
  Json take() { return std::move(root_); }

 private:
  struct Open {
    Json* json = nullptr;
    std::unordered_set<std::string> keys{};
  };

  Json* add(Json value) {
    if (++values_ > kMaxJsonValues) {
      error_ = concat("it has more than ", kMaxJsonValues, " values");
      return nullptr;
    }
    if (open_.empty()) {
      root_ = std::move(value);
      return &root_;
    }
    Json& parent = *open_.back().json;
    if (parent.is_array()) {
      auto& items = parent.get_ref<Json::array_t&>();
      return &items.emplace_back(std::move(value));
    }
    using Members = Json::object_t::Container;
    Members& members = parent.get_ref<Json::object_t&>();
    return &members.emplace_back(std::move(key_), std::move(value)).second;
  }

  bool open(Json value) {
    if (open_.size() >= kMaxJsonDepth) {
      error_ = concat("objects and lists more than ", kMaxJsonDepth, " deep");
      return false;
    }
    Json* const json = add(std::move(value));
    if (json == nullptr) return false;
    open_.push_back({.json = json});
    return true;
  }

  bool close() {
    open_.pop_back();
    return true;
  }

  Json root_{};
  std::vector<Open> open_{};
  std::string key_{};
  std::size_t values_ = 0;
  std::string error_{};
};

std::string_view type_of(const Json& json) {
  switch (json.type()) {
    case Json::value_t::null:
      return "null";
    case Json::value_t::object:
      return "an object";
    case Json::value_t::array:
      return "a list";
    case Json::value_t::string:
      return "a string";
    case Json::value_t::boolean:
      return "true or false";
    default:
      return "a number";
  }
}

// The integer that a number is, or nothing; those beyond 64 bits are clamped.
std::optional<std::int64_t> integer_of(const Json& json) {
  constexpr auto kMost = std::numeric_limits<std::int64_t>::max();
  if (json.is_number_unsigned()) {
    const auto value = json.get<std::uint64_t>();
    if (value > static_cast<std::uint64_t>(kMost)) return {};
    return static_cast<std::int64_t>(value);
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  const double value = json.get<double>();
  if (value != std::trunc(value) || value >= 0x1p63 || value < -0x1p63) return {};
  return static_cast<std::int64_t>(value);
}

}  // namespace

Read<Json> parse_json(std::string_view body) {
  Builder builder;
  if (Json::sax_parse(body.begin(), body.end(), &builder)) return builder.take();
  return RequestError{.message = "body is not valid JSON: " + builder.error()};
}

std::string dump_json(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void Refusal::refuse(const std::string& path, std::string_view why) {
  if (first_) return;
  first_ = RequestError{.message = path.empty() ? std::string(why) : concat(path, ": ", why),
                        .param = path};
}

Value::Value(const Json* json, std::string path, Refusal& refusal)
    : json_(json != nullptr && json->is_null() ? nullptr : json),
      path_(std::move(path)),
      refusal_(&refusal) {}

Value Value::operator[](std::string_view name) const {
  std::string path = path_.empty() ? std::string(name) : concat(path_, '.', name);
  if (!is_object()) return {nullptr, std::move(path), *refusal_};
  const auto& members = json_->get_ref<const Json::object_t&>();
  const auto at = std::find_if(members.begin(), members.end(),
                               [&](const auto& member) { return member.first == name; });
  return {at == members.end() ? nullptr : &at->second, std::move(path), *refusal_};
}

Value Value::at(std::size_t index) const {
  // An element that is null is there, as what it is: no reader takes it.
  Value out(nullptr, concat(path_, '[', index, ']'), *refusal_);
  out.json_ = &(*json_)[index];
  return out;
}

std::string Value::text(std::string_view fallback) const {
  if (json_ == nullptr) return std::string(fallback);
  if (json_->is_string()) return json_->get<std::string>();
  refuse_type("a string");
  return std::string(fallback);
}

bool Value::flag(bool fallback) const {
  if (json_ == nullptr) return fallback;
  if (json_->is_boolean()) return json_->get<bool>();
  refuse_type("true or false");
  return fallback;
}

std::int64_t Value::integer(std::int64_t least, std::int64_t most, std::int64_t fallback) const {
  if (json_ == nullptr) return fallback;
  const auto value = json_->is_number() ? integer_of(*json_) : std::nullopt;
  if (!value) {
    const double number = json_->is_number() ? json_->get<double>() : 0;
    if (json_->is_number() && number == std::trunc(number)) {
      refuse(concat(dump_json(*json_), " is not in ", least, "..", most));
    } else if (json_->is_number()) {
      refuse(concat("expected an integer, got ", number));
    } else {
      refuse_type("an integer");
    }
    return fallback;
  }
  if (*value >= least && *value <= most) return *value;
  refuse(concat(dump_json(*json_), " is not in ", least, "..", most));
  return fallback;
}

int Value::count(int least, int most, int fallback) const {
  return static_cast<int>(integer(least, most, fallback));
}

double Value::number(double least, double most, double fallback) const {
  if (json_ == nullptr) return fallback;
  if (!json_->is_number()) {
    refuse_type("a number");
    return fallback;
  }
  const double value = json_->get<double>();
  if (value >= least && value <= most) return value;
  refuse(concat(value, " is not from ", least, " to ", most));
  return fallback;
}

std::size_t Value::choice(std::span<const std::string_view> names, std::size_t fallback) const {
  if (json_ == nullptr) return fallback;
  const auto at = is_string()
                      ? std::find(names.begin(), names.end(), json_->get_ref<const std::string&>())
                      : names.end();
  if (at != names.end()) return static_cast<std::size_t>(at - names.begin());
  std::string expected = "one of";
  for (const std::string_view name : names) expected += concat(" \"", name, '"');
  if (is_string()) {
    refuse(concat("expected ", expected, ", got ", dump_json(*json_).substr(0, 64)));
  } else {
    refuse_type(expected);
  }
  return fallback;
}

bool Value::expect_array(std::size_t most) const {
  if (json_ == nullptr) return false;
  if (!json_->is_array()) {
    refuse_type("a list");
    return false;
  }
  if (json_->size() > most) {
    refuse(concat(json_->size(), " elements, more than ", most));
    return false;
  }
  return true;
}

bool Value::expect_object(std::size_t most) const {
  if (json_ == nullptr) return false;
  if (!json_->is_object()) {
    refuse_type("an object");
    return false;
  }
  if (json_->size() > most) {
    refuse(concat(json_->size(), " fields, more than ", most));
    return false;
  }
  return true;
}

Value Value::required() const {
  if (json_ == nullptr) refuse("is required");
  return *this;
}

void Value::refuse(std::string_view why) const { refusal_->refuse(path_, why); }

void Value::refuse_type(std::string_view expected) const {
  refuse(concat("expected ", expected, ", got ", json_ == nullptr ? "nothing" : type_of(*json_)));
}

}  // namespace redknot::chat
