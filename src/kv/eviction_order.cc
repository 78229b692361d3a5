// SPDX-License-Identifier: Apache-2.0
#include "kv/eviction_order.h"

#include <algorithm>

#include "base/check.h"

namespace redknot {
namespace {

// Tokens of context at which attention costs as much as the rest of a layer, about.
constexpr double kAttentionTokens = 4096;

}  // namespace

// To compute a token costs the same everywhere but for attention, and so do its bytes.
double EvictionOrder::worth(int context_tokens, int uses) const {
  const double cost = 1 + context_tokens / kAttentionTokens;
  return uses > 1 ? age_ + uses * cost : cost;
}

void EvictionOrder::charge(std::string_view tenant, std::size_t bytes) {
  if (bytes == 0) return;
  kept_bytes_ += bytes;
  tenants_[std::string(tenant)].bytes += bytes;
}

void EvictionOrder::discharge(std::string_view tenant, std::size_t bytes) {
  if (bytes == 0) return;
  const auto at = tenants_.find(tenant);
  REDKNOT_CHECK(at != tenants_.end() && at->second.bytes >= bytes);
  kept_bytes_ -= bytes;
  at->second.bytes -= bytes;
  if (at->second.bytes > 0) return;
  REDKNOT_CHECK(at->second.order.empty());
  tenants_.erase(at);
}

std::size_t EvictionOrder::kept_bytes(std::string_view tenant) const {
  const auto at = tenants_.find(tenant);
  return at == tenants_.end() ? 0 : at->second.bytes;
}

void EvictionOrder::enter(std::string_view tenant, const Rank& rank) {
  const auto at = tenants_.find(tenant);
  REDKNOT_CHECK(at != tenants_.end());
  REDKNOT_CHECK(at->second.order.insert(rank).second);
}

void EvictionOrder::leave(std::string_view tenant, const Rank& rank) {
  const auto at = tenants_.find(tenant);
  REDKNOT_CHECK(at != tenants_.end() && at->second.order.erase(rank) == 1);
}

const EvictionOrder::Rank* EvictionOrder::least(double bytes) const {
  const Rank* least = nullptr;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant.order.empty() || static_cast<double>(tenant.bytes) < bytes) continue;
    if (least == nullptr || *tenant.order.begin() < *least) least = &*tenant.order.begin();
  }
  return least;
}

std::optional<EvictionOrder::Rank> EvictionOrder::next() const {
  if (tenants_.empty()) return std::nullopt;
  const auto share = static_cast<double>(kept_bytes_) / static_cast<double>(tenants_.size());
  if (const Rank* rank = least(share)) return *rank;
  std::size_t bytes = 0, count = 0;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant.order.empty()) continue;
    bytes += tenant.bytes;
    ++count;
  }
  if (count == 0) return std::nullopt;
  return *least(static_cast<double>(bytes) / static_cast<double>(count));
}

void EvictionOrder::evicted(const Rank& rank) { age_ = std::max(age_, rank.worth); }

bool EvictionOrder::check() const {
  std::size_t bytes = 0;
  for (const auto& [name, tenant] : tenants_) {
    if (tenant.bytes == 0) return false;
    bytes += tenant.bytes;
  }
  return bytes == kept_bytes_;
}

}  // namespace redknot
