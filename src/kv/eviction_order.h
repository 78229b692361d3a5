// SPDX-License-Identifier: Apache-2.0
// In which order entries of the KV cache are evicted, and how much each tenant keeps.
//
// There is one order for prefixes and segments: what is worth least goes first, and of equals what
// was used longest ago. Worth is rebuild cost times uses over bytes, aged as in
// GreedyDual-Size-Frequency (Cherkasova 1998). An entry that was used only once gets no credit for
// its age, so that prompts that come once do not drive out those that come again.
//
// Only tenants that keep at least their share, all that is kept over those that keep something,
// give entries: nobody can push another below its share. Where those have nothing that may go,
// because it is pinned or in use, the same rule holds among the others.
//
// Entries in the order are those that may go: whoever owns them enters them and takes them out.
// Owned by the KV cache; used by the step loop only.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>

#include "base/sha256.h"

namespace redknot {

class EvictionOrder {
 public:
  enum class Kind : std::uint8_t { kPrefix, kSegment };
  // The place of an entry: the least is evicted first.
  struct Rank {
    double worth = 0;
    std::uint64_t used = 0;  // when, by a clock that does not go back
    Kind kind{};
    Sha256Digest key{};
    bool operator==(const Rank&) const = default;
    bool operator<(const Rank& other) const {
      return std::tie(worth, used, kind, key) <
             std::tie(other.worth, other.used, other.kind, other.key);
    }
  };

  // Of tokens that end behind so many, their own segment's or all of their prompt's. The tokens of
  // all entries take as many bytes each, so bytes are not asked for.
  double worth(int context_tokens, int uses) const;

  // Takes note that a tenant keeps so many bytes more, or less.
  void charge(std::string_view tenant, std::size_t bytes);
  void discharge(std::string_view tenant, std::size_t bytes);
  std::size_t kept_bytes() const { return kept_bytes_; }
  std::size_t kept_bytes(std::string_view tenant) const;
  int tenants() const { return static_cast<int>(tenants_.size()); }

  // Requires that the tenant keeps something, and that the rank is not there, or is.
  void enter(std::string_view tenant, const Rank& rank);
  void leave(std::string_view tenant, const Rank& rank);

  // The one that goes next; nothing if none may go.
  std::optional<Rank> next() const;
  // Takes note that it goes because its room is wanted: what is used from now on is worth more.
  void evicted(const Rank& rank);

  // True if counts add up. For tests.
  bool check() const;

 private:
  struct Tenant {
    std::size_t bytes = 0;   // of all its entries
    std::set<Rank> order{};  // of those that may go
  };
  // The least of those whose tenants keep at least so many bytes.
  const Rank* least(double bytes) const;

  std::map<std::string, Tenant, std::less<>> tenants_;  // those that keep something
  std::size_t kept_bytes_ = 0;
  double age_ = 0;  // the largest worth that was evicted
};

}  // namespace redknot
