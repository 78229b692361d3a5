// SPDX-License-Identifier: Apache-2.0
#include "server/tenants.h"

#include <openssl/evp.h>

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace redknot::server {
namespace {

constexpr std::size_t kMaxKeyBytes = 512;
constexpr std::size_t kMaxKeyFileBytes = std::size_t{1} << 20;

std::string digest(std::string_view purpose, std::string_view key) {
  Sha256 hash;
  hash.add_field(purpose);
  hash.add_field(key);
  return hex(std::move(hash).finish());
}

bool is_printable(std::string_view key) {
  return std::all_of(key.begin(), key.end(), [](char c) { return c > ' ' && c < 127; });
}

// What follows the scheme, if the header begins with it ("bearer ", in lower case).
std::string_view after_scheme(std::string_view authorization, std::string_view scheme) {
  if (authorization.size() <= scheme.size()) return {};
  const bool is_it =
      std::equal(scheme.begin(), scheme.end(), authorization.begin(), [](char wanted, char c) {
        return wanted == (c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
      });
  if (!is_it) return {};
  authorization.remove_prefix(scheme.size());
  while (!authorization.empty() && authorization.front() == ' ') authorization.remove_prefix(1);
  return authorization;
}

// The bytes of a base64 text; empty if it is none.
std::string from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > 2 * kMaxKeyBytes) return {};
  std::string bytes(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                   reinterpret_cast<const unsigned char*>(text.data()),
                                   static_cast<int>(text.size()));
  if (size < 0) return {};
  while (!bytes.empty() && bytes.back() == '\0') bytes.pop_back();
  return bytes;
}

// The key that a client sent: as a bearer's token, as the password of a browser's dialog, or alone.
std::string sent_key(std::string_view authorization, std::string_view x_api_key) {
  const std::string_view bearer = after_scheme(authorization, "bearer ");
  if (!bearer.empty()) return std::string(bearer);
  const std::string basic = from_base64(after_scheme(authorization, "basic "));
  const std::size_t colon = basic.find(':');
  if (colon != std::string::npos) return basic.substr(colon + 1);
  return std::string(x_api_key);
}

}  // namespace

Result<Tenants> Tenants::create(const TenantOptions& options) {
  Tenants tenants;
  for (const std::string& key : options.api_keys) {
    if (key.empty() || key.size() > kMaxKeyBytes || !is_printable(key)) {
      return invalid("read API keys: a key of ", key.size(),
                     " bytes is empty, too long, or has other than printable characters");
    }
    const std::string hash = digest("redknot api key", key);
    Tenant tenant{.name = hash.substr(0, 8), .salt = {}};
    if (!options.share_cache) tenant.salt = digest("redknot cache salt", key);
    if (!tenants.by_hash_.emplace(hash, std::move(tenant)).second) {
      return invalid("read API keys: a key stands there twice");
    }
  }
  return tenants;
}

std::size_t Tenants::count() const {
  std::set<std::string_view> salts;
  for (const auto& [hash, tenant] : by_hash_) salts.insert(tenant.salt);
  return std::max<std::size_t>(salts.size(), 1);
}

const Tenant* Tenants::find(std::string_view authorization, std::string_view x_api_key) const {
  if (!asks_for_keys()) return &everybody_;
  const std::string key = sent_key(authorization, x_api_key);
  const auto found = by_hash_.find(digest("redknot api key", key));
  return found == by_hash_.end() ? nullptr : &found->second;
}

Result<std::vector<std::string>> read_api_keys(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::string text, read_file(path, kMaxKeyFileBytes));
  std::vector<std::string> keys;
  std::size_t begin = 0;
  while (begin < text.size()) {
    const std::size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
    if (!line.empty() && line.front() != '#') keys.push_back(std::move(line));
    begin = end + 1;
  }
  if (keys.empty()) return invalid("read API keys from ", path, ": there are none");
  return keys;
}

}  // namespace redknot::server
