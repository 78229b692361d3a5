// SPDX-License-Identifier: Apache-2.0
// Where a server listens, as users write it. A value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "redknot/result.h"

namespace redknot::load {

struct Address {
  bool tls = false;
  std::string host = "127.0.0.1";  // without the brackets of IPv6
  std::uint16_t port = 8080;
  bool verify = true;        // with TLS: its certificate
  std::string path{};        // in front of /v1/...; empty or "/...", without a slash at its end
  std::string text() const;  // "http://127.0.0.1:8080"
};

// "http://127.0.0.1:8080", "https://host", "http://[::1]:80/prefix". kInvalidArgument says why not.
Result<Address> parse_address(std::string_view url);

}  // namespace redknot::load
