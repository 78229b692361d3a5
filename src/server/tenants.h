// SPDX-License-Identifier: Apache-2.0
// Who may ask, and whose cache a request sees.
//
// Each API key is a tenant. What a tenant's requests leave behind is kept under a salt that is
// derived from its key, so that no other tenant can reuse it, or find out by its time to first
// token what others asked. Immutable; any thread.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "redknot/result.h"

namespace redknot::server {

struct TenantOptions {
  std::vector<std::string> api_keys{};  // none: everybody may ask, and all are one tenant
  bool share_cache = false;             // one salt for all
};

struct Tenant {
  std::string name{};  // 8 hexadecimal digits of the key's hash, for logs; "-" without keys
  std::string salt{};
};

class Tenants {
 public:
  // kInvalidArgument for a key that is empty, has white space or control characters, or stands
  // there twice.
  static Result<Tenants> create(const TenantOptions& options);

  // Of a request with these headers: "Authorization: Bearer KEY", "X-Api-Key: KEY", or HTTP basic
  // authentication with the key as password. Null if the key is missing or wrong. Keys are looked
  // up by their hash, so that the time taken says nothing about them.
  const Tenant* find(std::string_view authorization, std::string_view x_api_key) const;

  // Those that share nothing; at least one.
  std::size_t count() const;
  bool asks_for_keys() const { return !by_hash_.empty(); }

 private:
  Tenants() = default;
  std::unordered_map<std::string, Tenant> by_hash_;
  Tenant everybody_{.name = "-"};
};

// One key a line; empty lines and those that begin with '#' are left out. kIo, kInvalidArgument.
Result<std::vector<std::string>> read_api_keys(const std::filesystem::path& path);

}  // namespace redknot::server
