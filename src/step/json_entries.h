// SPDX-License-Identifier: Apache-2.0
// Reading lists of numbers out of JSON that others wrote: each number checked, and errors that say
// which field was wrong (kCorrupt, or kInvalidArgument from base/json_fields.h).
//
// The parts of step_json.h that read use it, each on the caller's thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/json_fields.h"
#include "model/vocabulary.h"
#include "redknot/result.h"

namespace redknot {

using Json = nlohmann::json;  // whose look-ups are no scans
using Fields = JsonFields<Json>;

inline constexpr int kMostInt = std::numeric_limits<int>::max();
inline constexpr int kLeastInt = std::numeric_limits<int>::min();
inline constexpr std::int64_t kMostId = std::numeric_limits<std::uint32_t>::max();
inline constexpr std::size_t kMostEntries = std::size_t{1} << 28;  // lines are bounded already

inline std::optional<std::int64_t> integer_of(const Json& json) {
  if (!json.is_number_integer()) return std::nullopt;
  if (json.is_number_unsigned() &&
      json.get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) {
    return std::nullopt;
  }
  return json.get<std::int64_t>();
}

// Reads a list of so many numbers in order. What is wrong first is kept, and 0 is read from then
// on; whoever reads asks once, at the end.
class Entries {
 public:
  Entries(const Json& list, std::size_t count, const char* place) : list_(list), place_(place) {
    if (!list.is_array() || list.size() != count) fail(concat("is not a list of ", count));
  }

  std::int64_t integer(std::int64_t least, std::int64_t most) {
    const Json* const entry = next();
    if (entry == nullptr) return 0;
    const std::optional<std::int64_t> found = integer_of(*entry);
    if (found && *found >= least && *found <= most) return *found;
    fail(concat("has an entry that is not an integer in ", least, "..", most));
    return 0;
  }
  int count() { return static_cast<int>(integer(0, kMostInt)); }
  int any_int() { return static_cast<int>(integer(kLeastInt, kMostInt)); }
  std::uint32_t id() { return static_cast<std::uint32_t>(integer(0, kMostId)); }
  float real() { return std::bit_cast<float>(id()); }
  bool flag() { return integer(0, 1) == 1; }
  TokenId token() { return TokenId{any_int()}; }
  const Json& list() {
    static const Json kNone = Json::array();
    const Json* const entry = next();
    return entry == nullptr ? kNone : *entry;
  }
  Status status() const { return status_; }

 private:
  const Json* next() { return status_.ok() ? &list_[at_++] : nullptr; }
  void fail(const std::string& cause) {
    if (status_.ok()) status_ = corrupt("an entry of ", place_, " ", cause);
  }

  const Json& list_;
  const char* place_;
  std::size_t at_ = 0;
  Status status_ = Done{};
};

inline Status read_ints(const Fields& fields, const char* name, std::vector<int>& out) {
  REDKNOT_TRY(const Json* list, fields.list(name, kMostEntries));
  out.reserve(list->size());
  for (const Json& entry : *list) {
    const std::optional<std::int64_t> found = integer_of(entry);
    if (!found || *found < kLeastInt || *found > kMostInt) {
      return corrupt(fields.at(name), " has an entry that is no integer");
    }
    out.push_back(static_cast<int>(*found));
  }
  return Done{};
}

inline Status read_tokens(const Fields& fields, const char* name, std::vector<TokenId>& out) {
  std::vector<int> ids;
  REDKNOT_RETURN_IF_ERROR(read_ints(fields, name, ids));
  out.reserve(ids.size());
  for (const int id : ids) out.push_back(TokenId{id});
  return Done{};
}

// Calls `read` with each entry of a list.
inline Status read_each(const Fields& fields, const char* name,
                        const std::function<Status(const Json&)>& read) {
  REDKNOT_TRY(const Json* list, fields.list(name, kMostEntries));
  for (const Json& entry : *list) REDKNOT_RETURN_IF_ERROR(read(entry));
  return Done{};
}

inline Status read_int(const Fields& fields, const char* name, int least, int most, int& out) {
  REDKNOT_TRY(const std::int64_t number, fields.integer(name, least, most));
  out = static_cast<int>(number);
  return Done{};
}

// The fields' own errors speak of a call; here it is bytes that are wrong.
inline Error as_corrupt(const Error& error) {
  return error.code() == ErrorCode::kUnsupported ? error
                                                 : Error(ErrorCode::kCorrupt, error.message());
}

}  // namespace redknot
