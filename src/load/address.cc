// SPDX-License-Identifier: Apache-2.0
#include "load/address.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"

namespace redknot::load {
namespace {

constexpr int kHttpPort = 80;
constexpr int kHttpsPort = 443;

Result<std::uint16_t> parse_port(std::string_view text) {
  int port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size() || port < 1 || port > 65535) {
    return invalid("'", text, "' is not a port");
  }
  return static_cast<std::uint16_t>(port);
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

std::string Address::text() const {
  const bool bare_ipv6 = host.find(':') != std::string::npos;
  return concat(tls ? "https://" : "http://", bare_ipv6 ? "[" : "", host, bare_ipv6 ? "]" : "", ":",
                port, path);
}

Result<Address> parse_address(std::string_view url) {
  const std::string_view whole = url;
  Address out;
  out.tls = url.starts_with("https://");
  if (!out.tls && !url.starts_with("http://")) {
    return invalid("'", whole, "' does not begin with http:// or https://");
  }
  url.remove_prefix(out.tls ? 8 : 7);
  if (!is_printable(url) || url.find_first_of("?#@") != std::string_view::npos) {
    return invalid("'", whole, "' has more than a host, a port and a path");
  }
  std::string_view authority = url.substr(0, url.find('/'));
  std::string_view path = url.substr(authority.size());
  while (path.ends_with('/')) path.remove_suffix(1);
  out.path = path;
  out.port = out.tls ? kHttpsPort : kHttpPort;
  const bool bracketed = authority.starts_with('[');
  const std::size_t host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == std::string_view::npos) return invalid("'", whole, "' has no ']'");
  out.host = bracketed ? authority.substr(1, host_end - 1) : authority.substr(0, host_end);
  if (out.host.empty()) return invalid("'", whole, "' names no host");
  authority.remove_prefix(bracketed ? host_end + 1 : out.host.size());
  if (authority.empty()) return out;
  if (!authority.starts_with(':')) return invalid("'", whole, "' has no ':' before its port");
  REDKNOT_TRY(out.port, parse_port(authority.substr(1)));
  return out;
}

}  // namespace redknot::load
