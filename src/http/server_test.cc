// SPDX-License-Identifier: Apache-2.0
// The protocol, over real sockets.
#include "http/server.h"

#include <gtest/gtest.h>

#include <random>

#include "base/error.h"
#include "tests/raw_peer.h"

namespace redknot::http {
namespace {

TEST(HttpServer, KeepsAConnectionForSeveralRequests) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(peer.say(post("/echo", concat("body ", i))));
    const auto heard = peer.hear();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->head.status, 200);
    EXPECT_EQ(heard->body, concat("body ", i));
    EXPECT_EQ(heard->head.header("content-length"), "6");
    EXPECT_FALSE(heard->head.header("date").empty());
  }
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  std::string all;
  for (int i = 0; i < 50; ++i) all += i % 2 ? post("/echo", concat("n", i)) : get(concat("/", i));
  ASSERT_TRUE(peer.say(all));
  for (int i = 0; i < 50; ++i) {
    const auto heard = peer.hear();
    ASSERT_TRUE(heard) << i;
    EXPECT_EQ(heard->body, i % 2 ? concat("n", i) : concat("GET /", i, " "));
  }
}

TEST(HttpServer, ManyPipelinedBytesThatDoNotFitAheadAreAllAnswered) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  std::string all = get("/wait");
  for (int i = 0; i < 200; ++i) all += post("/echo", std::string(1000, 'a'));
  ASSERT_TRUE(peer.say(all));
  server.release = true;
  for (int i = 0; i < 201; ++i) {
    const auto heard = peer.hear();
    ASSERT_TRUE(heard) << i;
    EXPECT_EQ(heard->body.size(), i == 0 ? 6u : 1000u);
  }
}

TEST(HttpServer, DecodesThePathAndKeepsTheQuery) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/a%20b%2Fc?x=%20y")));
  EXPECT_EQ(peer.hear()->body, "GET /a b/c x=%20y");
  ASSERT_TRUE(peer.say(get("http://example.org/proxied?q")));
  EXPECT_EQ(peer.hear()->body, "GET /proxied q");
  ASSERT_TRUE(peer.say(get("/bad%zz")));
  EXPECT_EQ(peer.hear()->head.status, 400);
}

TEST(HttpServer, ReadsChunkedBodiesWithTrailers) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  const std::string head = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string body = "3\r\nabc\r\n4;name=value\r\ndefg\r\n0\r\nContent-Length: 9\r\n\r\n";
  ASSERT_TRUE(peer.say(head + "3\r\nabc\r\n4;name=value\r\ndefg\r\n0\r\nTrailer: 9\r\n\r\n"));
  EXPECT_EQ(peer.hear()->body, "abcdefg");
  ASSERT_TRUE(peer.say(head + body));  // a length in the trailer is none
  EXPECT_EQ(peer.hear()->head.status, 400);
}

TEST(HttpServer, HeadHasTheLengthButNoBody) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("HEAD /abc HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next")));
  const auto heard = peer.hear(/*to_head=*/true);
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.header("content-length"), "10");
  EXPECT_EQ(peer.hear()->body, "GET /next ");
  ASSERT_TRUE(peer.say("HEAD /stream HTTP/1.1\r\nHost: a\r\n\r\n" + get("/next")));
  ASSERT_TRUE(peer.hear(/*to_head=*/true));
  EXPECT_EQ(peer.hear()->body, "GET /next ");
}

TEST(HttpServer, StreamsInChunksAndKeepsTheConnection) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(peer.say(get("/stream")));
    const auto heard = peer.hear();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->head.header("transfer-encoding"), "chunked");
    EXPECT_EQ(heard->head.header("content-type"), "text/event-stream");
    EXPECT_EQ(heard->body, "data: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n");
  }
  EXPECT_EQ(server.server().counts().streams, 0);
}

TEST(HttpServer, Http10GetsNoChunksAndAnEnd) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("GET /stream HTTP/1.0\r\n\r\n"));
  const auto all = peer.hear_all();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->find("chunked"), std::string::npos);
  EXPECT_TRUE(all->ends_with("\r\n\r\ndata: 0\n\ndata: 1\n\ndata: 2\n\ndata: 3\n\ndata: 4\n\n"));

  RawPeer keeper = server.connect();
  ASSERT_TRUE(keeper.say("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
  EXPECT_EQ(keeper.hear()->head.header("connection"), "keep-alive");
  ASSERT_TRUE(keeper.say("GET /b HTTP/1.0\r\n\r\n"));
  EXPECT_EQ(keeper.hear()->body, "GET /b ");
  EXPECT_EQ(keeper.hear_all(), "");
}

TEST(HttpServer, SaysContinueOnlyWhenAsked) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(
      peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
               "Expect: 100-continue\r\n\r\n"));
  EXPECT_EQ(peer.hear_some(), "HTTP/1.1 100 Continue\r\n\r\n");
  ASSERT_TRUE(peer.say("hi"));
  EXPECT_EQ(peer.hear()->body, "hi");
  ASSERT_TRUE(peer.say(post("/echo", "x", "Expect: wonders\r\n")));
  EXPECT_EQ(peer.hear()->head.status, 417);
}

TEST(HttpServer, KeepsTheRequestIdThatIsFitToPrint) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/", "X-Request-Id: abc-1.2\r\n")));
  EXPECT_EQ(peer.hear()->head.header("x-request-id"), "abc-1.2");
  ASSERT_TRUE(peer.say(get("/", "X-Request-Id: <script>\r\n")));
  const auto heard = peer.hear();
  EXPECT_EQ(heard->head.header("x-request-id").substr(0, 4), "req-");
}

TEST(HttpServer, AHandlerThatThrowsOrIsSilentIsA500) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  for (const char* path : {"/throw", "/silent"}) {
    RawPeer peer = server.connect();
    ASSERT_TRUE(peer.say(get(path)));
    const auto heard = peer.hear();
    ASSERT_TRUE(heard);
    EXPECT_EQ(heard->head.status, 500);
    EXPECT_NE(heard->body.find("\"type\":\"server_error\""), std::string::npos);
    EXPECT_EQ(peer.hear_all(), "");
  }
}

TEST(HttpServer, RefusesWhatTwoReadersCouldCutDifferently) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  const std::string smuggled = get("/smuggled");
  const std::string begin = "POST /echo HTTP/1.1\r\nHost: a\r\n";
  const std::string cases[] = {
      begin + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      begin + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na",
      begin + "Content-Length: 1, 1\r\n\r\na",
      begin + "Content-Length: +1\r\n\r\na",
      begin + "Content-Length: -1\r\n\r\n",
      begin + "Content-Length: 0x1\r\n\r\na",
      begin + "Content-Length:\r\n\r\n",
      begin + "Content-Length: 99999999999999999999999999\r\n\r\n",
      begin + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: identity\r\n\r\n",
      begin + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
      begin + "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n",
      begin + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n",
      begin + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
      "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "GET / HTTP/2.0\r\nHost: a\r\n\r\n",
      "GET / HTTP/1.1\nHost: a\n\n",
      "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
      "\x16\x03\x01 no TLS here \r\n\r\n",
  };
  for (const std::string& text : cases) {
    RawPeer peer = server.connect();
    ASSERT_TRUE(peer.say(text + smuggled)) << text;
    const auto heard = peer.hear();
    ASSERT_TRUE(heard) << text;
    EXPECT_GE(heard->head.status, 400) << text;
    EXPECT_EQ(heard->head.header("connection"), "close") << text;
    EXPECT_EQ(peer.hear_all(), "") << text;
  }
  EXPECT_EQ(server.begun, 0);
}

TEST(HttpServer, RandomBytesNeverStopIt) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  std::mt19937 random(7);
  const std::string pattern = post("/echo", "ab") +
                              "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
                              "2\r\nab\r\n0\r\n\r\n";
  for (int round = 0; round < 300; ++round) {
    std::string bytes = pattern;
    const int changes = 1 + static_cast<int>(random() % 8);
    for (int i = 0; i < changes; ++i) bytes[random() % bytes.size()] = static_cast<char>(random());
    RawPeer peer = server.connect();
    peer.say(bytes);
    peer.say_no_more();
    EXPECT_TRUE(peer.hear_all()) << round;
  }
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/alive")));
  EXPECT_EQ(peer.hear()->body, "GET /alive ");
}

TEST(HttpServer, SaysWhyItCannotListen) {
  TestServer first;
  ASSERT_TRUE(first.start().ok());
  TestServer second({.port = first.port()});
  const Status status = second.start();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().message(),
            concat("listen on 127.0.0.1 port ", first.port(), ": Address already in use"));
  TestServer nowhere({.hosts = {"192.0.2.1"}});
  EXPECT_FALSE(nowhere.start().ok());
  TestServer bad_port({.port = 70000});
  EXPECT_FALSE(bad_port.start().ok());
  TestServer no_files({.tls = {.certificates = "/nowhere.pem", .key = "/nowhere.key"}});
  const Status files = no_files.start();
  ASSERT_FALSE(files.ok());
  EXPECT_NE(files.error().message().find("/nowhere.pem"), std::string::npos);
}

TEST(HttpServer, AnswersABrowsersQuestionWhenOriginsAreAllowed) {
  TestServer server({.origins = {"https://chat.example"}});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(
      peer.say("OPTIONS /echo HTTP/1.1\r\nHost: a\r\nOrigin: https://chat.example\r\n"
               "Access-Control-Request-Method: POST\r\n\r\n"));
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 204);
  EXPECT_EQ(heard->head.header("access-control-allow-origin"), "https://chat.example");
  EXPECT_EQ(server.begun, 0);
  ASSERT_TRUE(peer.say(get("/", "Origin: https://evil.example\r\n")));
  EXPECT_EQ(peer.hear()->head.header("access-control-allow-origin"), "");
}

}  // namespace
}  // namespace redknot::http
