// SPDX-License-Identifier: Apache-2.0
#include "http/cors.h"

#include <gtest/gtest.h>

namespace redknot::http {
namespace {

Request request_of(const std::string& method, const std::string& origin) {
  Request request{.method = method, .path = "/"};
  if (!origin.empty()) request.headers.emplace_back("origin", origin);
  return request;
}

std::string_view value_of(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

TEST(Cors, OffByDefault) {
  Request request = request_of("OPTIONS", "https://a");
  request.headers.emplace_back("access-control-request-method", "POST");
  EXPECT_TRUE(cors_headers({}, request).empty());
  EXPECT_FALSE(preflight_reply({}, request));
}

TEST(Cors, OnlyNamedOriginsAreAllowed) {
  const AllowedOrigins allowed{"https://a", "https://b:8443"};
  const auto origin_for = [&](const std::string& origin) {
    return std::string(
        value_of(cors_headers(allowed, request_of("GET", origin)), "Access-Control-Allow-Origin"));
  };
  EXPECT_EQ(origin_for("https://a"), "https://a");
  EXPECT_EQ(origin_for("https://b:8443"), "https://b:8443");
  for (const char* other : {"", "https://A", "https://a.evil", "http://a", "null", "*"}) {
    EXPECT_EQ(origin_for(other), "") << other;
  }
  EXPECT_EQ(value_of(cors_headers(allowed, request_of("GET", "")), "Vary"), "Origin");
  EXPECT_EQ(
      value_of(cors_headers({"*"}, request_of("GET", "https://x")), "Access-Control-Allow-Origin"),
      "*");
}

TEST(Cors, PreflightNamesWhatWasAskedFor) {
  Request request = request_of("OPTIONS", "https://a");
  EXPECT_FALSE(preflight_reply({"https://a"}, request));  // a plain OPTIONS is the handler's
  request.headers.emplace_back("access-control-request-method", "POST");
  request.headers.emplace_back("access-control-request-headers", "authorization");
  const auto reply = preflight_reply({"https://a"}, request);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->status, 204);
  EXPECT_EQ(value_of(reply->headers, "Access-Control-Allow-Headers"), "authorization");
  const auto other = preflight_reply({"https://b"}, request);
  ASSERT_TRUE(other);
  EXPECT_TRUE(other->headers.empty());
}

}  // namespace
}  // namespace redknot::http
