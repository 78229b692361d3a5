// SPDX-License-Identifier: Apache-2.0
// Whether pages of other origins may read the answers (Cross-Origin Resource Sharing). Off unless
// origins are named.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "http/exchange.h"

namespace redknot::http {

// "https://chat.example.org", or "*" for every origin. Credentials (cookies) are never allowed.
using AllowedOrigins = std::vector<std::string>;

// The headers that every answer to this request bears; empty if its origin is not allowed.
Headers cors_headers(const AllowedOrigins& allowed, const Request& request);

// The answer to a browser that asks, by OPTIONS, whether it may; nothing if this is no such request
// or no origin is allowed at all. Browsers ask without credentials: answer before looking at keys.
std::optional<Reply> preflight_reply(const AllowedOrigins& allowed, const Request& request);

}  // namespace redknot::http
