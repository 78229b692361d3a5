// SPDX-License-Identifier: Apache-2.0
#include "http/request_parser.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace redknot::http {
namespace {

// Feeds the text in pieces, as a connection does; how many bytes the request took.
std::size_t feed(RequestParser& parser, std::string_view text, std::size_t piece_bytes) {
  std::size_t used = 0;
  std::size_t shown = 0;
  while (!parser.done() && !parser.refusal()) {
    const std::size_t step = parser.put(text.substr(used, shown - used));
    used += step;
    if (step > 0) continue;
    if (shown == text.size()) break;
    shown = std::min(text.size(), shown + piece_bytes);
  }
  return used;
}

constexpr std::string_view kChunked =
    "PUT /a%2fb?c=d HTTP/1.1\r\nHost: x\r\nX-Thing:  Value \r\nTransfer-Encoding: Chunked\r\n\r\n"
    "5\r\nhello\r\n6;e=f\r\n world\r\n0\r\nX-Thing: not this\r\n\r\nGET / NEXT";

TEST(RequestParser, PiecesOfAnySizeGiveTheSameRequest) {
  for (std::size_t piece = 1; piece <= kChunked.size(); ++piece) {
    const Limits limits;
    RequestParser parser(limits);
    const std::size_t used = feed(parser, kChunked, piece);
    ASSERT_TRUE(parser.done()) << piece;
    EXPECT_EQ(kChunked.substr(used), "GET / NEXT");
    EXPECT_TRUE(parser.keep_alive());
    const Request request = parser.take();
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.path, "/a/b");
    EXPECT_EQ(request.query, "c=d");
    EXPECT_EQ(request.body, "hello world");
    EXPECT_EQ(request.header("x-thing"), "Value");
    EXPECT_EQ(request.headers.size(), 3u);
  }
}

int status_of(std::string_view text, const Limits& limits = {}) {
  int status = 0;
  for (const std::size_t piece : {text.size(), std::size_t{1}}) {
    RequestParser parser(limits);
    feed(parser, text, piece);
    const int now = parser.refusal() ? parser.refusal()->status : 0;
    if (piece != text.size()) {
      EXPECT_EQ(now, status) << text;
    }
    status = now;
  }
  return status;
}

TEST(RequestParser, RefusalsDoNotDependOnThePieces) {
  const Limits small{.header_bytes = 100, .headers = 3, .body_bytes = 10};
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\n\r\n", small), 0);
  EXPECT_EQ(status_of("GET /" + std::string(100, 'a'), small), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nA: " + std::string(100, 'a'), small), 431);
  EXPECT_EQ(status_of("GET / HTTP/1.1\r\nHost: a\r\nA:\r\nB:\r\nC:\r\n\r\n", small), 431);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 11\r\n\r\n", small), 413);
  EXPECT_EQ(status_of("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n", small), 0);
  const std::string chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  EXPECT_EQ(status_of(chunked + "b\r\n", small), 413);
  EXPECT_EQ(status_of(chunked + "6\r\n123456\r\n5\r\n12345\r\n", small), 413);
  EXPECT_EQ(status_of(chunked + "g\r\n", small), 400);
  EXPECT_EQ(status_of(chunked + "\r\n", small), 400);
  EXPECT_EQ(status_of("\xff\xff\xff\xff\r\n\r\n"), 400);
  EXPECT_EQ(status_of("GET / HTTP/3.0\r\n\r\n"), 400);
}

TEST(RequestParser, SaysWhatKindOfConnectionItIs) {
  const auto keeps = [](std::string_view text) {
    const Limits limits;
    RequestParser parser(limits);
    feed(parser, text, text.size());
    EXPECT_TRUE(parser.done()) << text;
    return parser.keep_alive();
  };
  EXPECT_TRUE(keeps("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"));
  EXPECT_FALSE(keeps("GET / HTTP/1.0\r\n\r\n"));
  EXPECT_TRUE(keeps("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
}

TEST(DecodePath, DecodesOrRefuses) {
  EXPECT_EQ(decode_path("/a%20%C3%a4+"), "/a \xc3\xa4+");
  EXPECT_EQ(decode_path("/%41"), "/A");
  EXPECT_EQ(decode_path(""), "");
  for (const char* bad : {"%", "/%4", "/%g0", "/%0g", "/%00", "/%0a", "/%7f", "/%-1"}) {
    EXPECT_EQ(decode_path(bad), std::nullopt) << bad;
  }
}

}  // namespace
}  // namespace redknot::http
