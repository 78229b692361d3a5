// SPDX-License-Identifier: Apache-2.0
// Reading a request's JSON field by field, with names for what is refused.
//
// A Value is a place in the document and its path ("messages[2].content[0].text"). Absent fields,
// null and unknown fields are nothing; a wrong type or a number out of range is refused. The first
// refusal is kept in the Refusal that all values of a document share, and reading goes on with
// fallbacks, so that readers are straight lines that ask once, at the end. Values borrow the
// document; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <nlohmann/json.hpp>

namespace redknot::chat {

using Json = nlohmann::ordered_json;

// Why a request is refused, and which of its fields is to blame.
struct RequestError {
  std::string message{};
  std::string param{};  // the field, "messages[2].content"; or empty
};

// What a reader makes of a body, or why it does not.
template <typename T, typename E = RequestError>
class [[nodiscard]] Read {
 public:
  Read(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit
  Read(E error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  // Require ok().
  T& operator*() { return std::get<0>(state_); }
  const T& operator*() const { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  // Requires !ok().
  const E& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, E> state_;
};

inline constexpr int kMaxJsonDepth = 64;
inline constexpr std::size_t kMaxJsonValues = std::size_t{1} << 20;
inline constexpr std::size_t kMaxFields = 4096;  // of an object that is read field by field

// A JSON text of objects and arrays at most kMaxJsonDepth deep. Refused, with the byte, if it is
// not JSON or not UTF-8, if an object has a key twice, or if a number is beyond a double.
Read<Json> parse_json(std::string_view body);
// One line of UTF-8, whatever bytes the strings have.
std::string dump_json(const Json& json);

class Refusal {
 public:
  // Keeps the first.
  void refuse(const std::string& path, std::string_view why);
  const std::optional<RequestError>& first() const { return first_; }

 private:
  std::optional<RequestError> first_{};
};

class Value {
 public:
  // `json` may be null: absent.
  Value(const Json* json, std::string path, Refusal& refusal);

  explicit operator bool() const { return json_ != nullptr; }
  const Json* json() const { return json_; }
  const std::string& path() const { return path_; }
  bool is_string() const { return json_ != nullptr && json_->is_string(); }
  bool is_array() const { return json_ != nullptr && json_->is_array(); }
  bool is_object() const { return json_ != nullptr && json_->is_object(); }
  bool is_integer() const { return json_ != nullptr && json_->is_number_integer(); }

  // A field of an object, or nothing.
  Value operator[](std::string_view name) const;
  // An element of an array; requires index < size().
  Value at(std::size_t index) const;
  std::size_t size() const { return is_array() || is_object() ? json_->size() : 0; }

  // The value, or the fallback if there is none or it had to be refused.
  std::string text(std::string_view fallback = {}) const;
  bool flag(bool fallback) const;
  std::int64_t integer(std::int64_t least, std::int64_t most, std::int64_t fallback) const;
  int count(int least, int most, int fallback) const;
  double number(double least, double most, double fallback) const;
  // Which of the names.
  std::size_t choice(std::initializer_list<std::string_view> names, std::size_t fallback) const {
    return choice(std::span(names.begin(), names.size()), fallback);
  }
  std::size_t choice(std::span<const std::string_view> names, std::size_t fallback) const;

  // Refuse what is there and of another type; false also if nothing is there.
  bool expect_array(std::size_t most) const;
  bool expect_object(std::size_t most = kMaxFields) const;
  // Refuses what is absent, or null.
  Value required() const;
  void refuse(std::string_view why) const;
  void refuse_type(std::string_view expected) const;

 private:
  const Json* json_ = nullptr;
  std::string path_{};
  Refusal* refusal_ = nullptr;
};

}  // namespace redknot::chat
