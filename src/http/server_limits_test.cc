// SPDX-License-Identifier: Apache-2.0
// Every limit of the server, over real sockets, one after the other.
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/seconds_since.h"
#include "tests/raw_peer.h"

namespace redknot::http {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

TEST(HttpLimits, HeadersThatAreTooLargeOrTooManyAre431) {
  TestServer server({.limits = {.header_bytes = 4000, .headers = 10}});
  ASSERT_TRUE(server.start().ok());
  std::string many;
  for (int i = 0; i < 11; ++i) many += concat("A", i, ": b\r\n");
  const std::string cases[] = {get("/", "A: " + std::string(4000, 'x') + "\r\n"),
                               get("/" + std::string(4000, 'x')), get("/", std::string(4000, 'x')),
                               std::string(1 << 20, 'x'), get("/", many)};
  for (const std::string& text : cases) {
    RawPeer peer = server.connect();
    peer.say(text);
    const auto heard = peer.hear();
    ASSERT_TRUE(heard) << text.substr(0, 40);
    EXPECT_GE(heard->head.status, 400);
    const int wanted = text[0] == 'G' ? 431 : heard->head.status;
    EXPECT_EQ(heard->head.status, wanted) << text.substr(0, 40);
  }
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/", "A: " + std::string(3900, 'x') + "\r\n")));
  EXPECT_EQ(peer.hear()->head.status, 200);
}

TEST(HttpLimits, AHeaderBombInPiecesIs431) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("GET / HTTP/1.1\r\nHost: a\r\n"));
  for (int i = 0; i < 1000; ++i) {
    if (!peer.say(concat("A", i, ": ", std::string(300, 'x'), "\r\n"))) break;
  }
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 431);
}

TEST(HttpLimits, ABodyThatIsTooLargeIs413BeforeItIsRead) {
  TestServer server({.limits = {.body_bytes = 1000}});
  ASSERT_TRUE(server.start().ok());
  RawPeer exact = server.connect();
  ASSERT_TRUE(exact.say(post("/echo", std::string(1000, 'a'))));
  EXPECT_EQ(exact.hear()->body.size(), 1000u);
  RawPeer peer = server.connect();
  ASSERT_TRUE(
      peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n"
               "Expect: 100-continue\r\n\r\n"));
  EXPECT_EQ(peer.hear()->head.status, 413);
  EXPECT_EQ(peer.hear_all(), "");
}

TEST(HttpLimits, AChunkedBodyThatIsTooLargeIs413) {
  TestServer server({.limits = {.body_bytes = 1000}});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  for (int i = 0; i < 11; ++i) peer.say("64\r\n" + std::string(100, 'a') + "\r\n");
  EXPECT_EQ(peer.hear()->head.status, 413);
}

TEST(HttpLimits, ALongChunkExtensionIs400) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
  peer.say(std::string(100'000, 'a'));
  EXPECT_EQ(peer.hear()->head.status, 400);
}

TEST(HttpLimits, HundredMegabytesAreNotRead) {
  TestServer server({.limits = {.linger_bytes = 1 << 20}});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n"));
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 413);
  bool taken = true;
  for (int i = 0; i < 100 && taken; ++i) taken = peer.say(std::string(1'000'000, 'x'));
  EXPECT_FALSE(taken);
}

TEST(HttpLimits, BodiesTogetherAreBounded) {
  TestServer server({.limits = {.bodies_bytes = 100'000}});
  ASSERT_TRUE(server.start().ok());
  RawPeer first = server.connect();
  ASSERT_TRUE(first.say(post("/wait", std::string(90'000, 'a'))));
  ASSERT_TRUE(eventually([&] { return server.begun == 1; }));
  EXPECT_EQ(server.server().counts().body_bytes, 90'000u);
  RawPeer second = server.connect();
  second.say(post("/echo", std::string(20'000, 'a')));
  const auto heard = second.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 503);
  EXPECT_EQ(heard->head.header("retry-after"), "1");
  server.release = true;
  ASSERT_TRUE(first.hear());
  EXPECT_TRUE(eventually([&] { return server.server().counts().body_bytes == 0; }));
  RawPeer third = server.connect();
  ASSERT_TRUE(third.say(post("/echo", std::string(90'000, 'a'))));
  EXPECT_EQ(third.hear()->head.status, 200);
}

TEST(HttpLimits, ConnectionsBeyondTheLimitAreTold503) {
  TestServer server({.limits = {.connections = 2}});
  ASSERT_TRUE(server.start().ok());
  EXPECT_EQ(server.server().connection_limit(), 2);
  RawPeer first = server.connect();
  RawPeer second = server.connect();
  ASSERT_TRUE(eventually([&] { return server.server().counts().connections == 2; }));
  RawPeer third = server.connect();
  ASSERT_TRUE(third.say(get("/")));
  EXPECT_EQ(third.hear()->head.status, 503);
  EXPECT_EQ(third.hear_all(), "");
  first.hang_up();
  third.hang_up();
  ASSERT_TRUE(eventually([&] { return server.server().counts().connections == 1; }));
  RawPeer fourth = server.connect();
  ASSERT_TRUE(fourth.say(get("/")));
  EXPECT_EQ(fourth.hear()->head.status, 200);
}

TEST(HttpLimits, StreamsBeyondTheLimitCannotBeClaimed) {
  TestServer server({.limits = {.streams = 1}});
  ASSERT_TRUE(server.start().ok());
  RawPeer reader = server.connect();
  ASSERT_TRUE(reader.say(get("/flood")));
  ASSERT_FALSE(reader.hear_some().empty());
  RawPeer other = server.connect();
  ASSERT_TRUE(other.say(get("/stream")));
  EXPECT_EQ(other.hear()->head.status, 503);
  ASSERT_TRUE(other.say(get("/still-here")));  // only the stream was refused
  EXPECT_EQ(other.hear()->head.status, 200);
  reader.hang_up();
  ASSERT_TRUE(eventually([&] { return server.server().counts().streams == 0; }));
  ASSERT_TRUE(other.say(get("/stream")));
  EXPECT_EQ(other.hear()->head.status, 200);
}

TEST(HttpLimits, RefusalsAreSaidAsTheServiceSaysThemAndTold) {
  std::atomic<int> told{0};
  TestServer server(
      {.limits = {.body_bytes = 10},
       .on_refusal =
           [&](const Refusal& refusal, const std::string& id, const std::string& peer) {
             told += refusal.status == 413 && !id.empty() && peer == "127.0.0.1";
           },
       .refusal_reply =
           [](const Refusal& refusal, const std::string& path, const std::string& id) {
             return Reply{.status = refusal.status, .body = concat(path, id.empty() ? "?" : "!")};
           }});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 11\r\n\r\n"));
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 413);
  EXPECT_EQ(heard->body, "/echo!");
  EXPECT_EQ(told, 1);
}

TEST(HttpLimits, HeadersThatComeByteByByteAre408) {
  TestServer server({.limits = {.header_time = milliseconds(150)}});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  const auto begin = Clock::now();
  const std::string text = get("/", "A: " + std::string(1000, 'x'));
  for (const char c : text) {
    if (seconds_since(begin) > 0.4 || !peer.say({&c, 1})) break;
    std::this_thread::sleep_for(milliseconds(10));
  }
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 408);
  EXPECT_EQ(server.begun, 0);
}

TEST(HttpLimits, ABodyThatComesTooSlowlyIs408) {
  TestServer server({.limits = {.header_time = milliseconds(50), .body_time = milliseconds(100)}});
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc"));
  const auto heard = peer.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->head.status, 408);
}

TEST(HttpLimits, AnIdleConnectionIsClosedWithoutAWord) {
  TestServer server({.limits = {.idle_time = milliseconds(300)}});
  ASSERT_TRUE(server.start().ok());
  RawPeer silent = server.connect();
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/")));
  ASSERT_TRUE(peer.hear());
  EXPECT_EQ(peer.hear_all(), "");
  EXPECT_EQ(silent.hear_all(), "");
  RawPeer newlines = server.connect();
  newlines.say("\r\n\r\n\r\n");
  EXPECT_EQ(newlines.hear_all(), "");
}

TEST(HttpLimits, AReaderThatTakesNothingIsCutAndDisturbsNobody) {
  TestServer server({.limits = {.write_time = milliseconds(300)}});
  ASSERT_TRUE(server.start().ok());
  std::vector<RawPeer> slow;
  for (int i = 0; i < 20; ++i) {
    slow.push_back(server.connect(/*receive_bytes=*/4096));
    ASSERT_TRUE(slow.back().say(get("/flood")));
  }
  ASSERT_TRUE(eventually([&] { return server.begun == 20; }));
  RawPeer quick = server.connect();
  const auto begin = Clock::now();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(quick.say(get("/")));
    ASSERT_TRUE(quick.hear());
  }
  EXPECT_LT(seconds_since(begin), 3.0);
  EXPECT_TRUE(eventually([&] { return server.handled == 120; }));
  EXPECT_EQ(server.gone, 20);
  EXPECT_EQ(server.server().counts().streams, 0);
}

TEST(HttpLimits, AThousandIdleConnectionsDoNotDelayAnother) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer active = server.connect();
  const auto hundred = [&] {
    const auto begin = Clock::now();
    for (int i = 0; i < 100; ++i) {
      EXPECT_TRUE(active.say(get("/")));
      EXPECT_TRUE(active.hear());
    }
    return seconds_since(begin);
  };
  const double alone = hundred();
  std::vector<RawPeer> idle;
  idle.reserve(1000);
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(server.connect());
    if (i % 2) idle.back().say("GET / HTTP/1.1\r\nHo");
  }
  ASSERT_TRUE(eventually([&] { return server.server().counts().connections == 1001; }));
  const double among = hundred();
  EXPECT_LT(among, alone * 3 + 0.5);
  idle.clear();
  EXPECT_TRUE(eventually([&] { return server.server().counts().connections == 1; }));
}

}  // namespace
}  // namespace redknot::http
