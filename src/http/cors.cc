// SPDX-License-Identifier: Apache-2.0
#include "http/cors.h"

#include <algorithm>

namespace redknot::http {

namespace {

bool contains(const AllowedOrigins& allowed, std::string_view origin) {
  return std::find(allowed.begin(), allowed.end(), origin) != allowed.end();
}

}  // namespace

Headers cors_headers(const AllowedOrigins& allowed, const Request& request) {
  if (allowed.empty()) return {};
  const std::string_view origin = request.header("origin");
  Headers headers;
  const bool any = contains(allowed, "*");
  if (!any) headers.emplace_back("Vary", "Origin");  // caches must not mix up origins
  if (origin.empty() || (!any && !contains(allowed, origin))) return headers;
  headers.emplace_back("Access-Control-Allow-Origin", any ? "*" : origin);
  headers.emplace_back("Access-Control-Expose-Headers", "X-Request-Id, Retry-After");
  return headers;
}

std::optional<Reply> preflight_reply(const AllowedOrigins& allowed, const Request& request) {
  if (allowed.empty() || request.method != "OPTIONS" ||
      request.header("access-control-request-method").empty()) {
    return std::nullopt;
  }
  Reply reply;
  reply.status = 204;
  const std::string_view origin = request.header("origin");
  if (!contains(allowed, "*") && !contains(allowed, origin)) return reply;
  reply.headers.emplace_back("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS");
  const std::string_view wanted = request.header("access-control-request-headers");
  if (!wanted.empty()) reply.headers.emplace_back("Access-Control-Allow-Headers", wanted);
  reply.headers.emplace_back("Access-Control-Max-Age", "600");
  return reply;
}

}  // namespace redknot::http
