// SPDX-License-Identifier: Apache-2.0
// Clients that leave, and the server that does.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>
#include <vector>

#include "base/error.h"
#include "tests/raw_peer.h"
#include "tests/wait.h"

namespace redknot::http {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;
using tests::TimeLimit;

bool empty(TestServer& server) {
  return eventually([&] {
    const ServerCounts counts = server.server().counts();
    return counts.connections == 0 && counts.streams == 0 && counts.body_bytes == 0;
  });
}

TEST(HttpLeave, AClientThatLeavesAnywhereLeavesNothingBehind) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  const std::string text = post("/echo", "some body") + post("/stream", "another");
  for (std::size_t length = 0; length <= text.size(); length += 3) {
    RawPeer closes = server.connect();
    closes.say(std::string_view(text).substr(0, length));
    RawPeer resets = server.connect();
    resets.say(std::string_view(text).substr(0, length));
    closes.hang_up();
    resets.reset();
  }
  EXPECT_TRUE(empty(server));
  EXPECT_TRUE(eventually([&] { return server.handled == server.begun; }));
}

TEST(HttpLeave, AWaitingHandlerIsToldOnce) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer closes = server.connect();
  RawPeer resets = server.connect();
  RawPeer half = server.connect();
  for (RawPeer* peer : {&closes, &resets, &half}) ASSERT_TRUE(peer->say(get("/wait")));
  ASSERT_TRUE(eventually([&] { return server.begun == 3; }));
  EXPECT_EQ(server.gone, 0);
  closes.hang_up();
  resets.reset();
  half.say_no_more();
  ASSERT_TRUE(eventually([&] { return server.handled == 3; }));
  EXPECT_EQ(server.gone, 3);
  EXPECT_EQ(half.hear()->body, "waited");  // it still listens
  EXPECT_TRUE(empty(server));
}

TEST(HttpLeave, BehindPipelinedRequestsItIsStillSeen) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer peer = server.connect();
  ASSERT_TRUE(peer.say(get("/wait") + get("/next") + get("/next")));
  ASSERT_TRUE(eventually([&] { return server.begun == 1; }));
  peer.reset();
  EXPECT_TRUE(eventually([&] { return server.gone == 1; }));
  EXPECT_TRUE(empty(server));
}

TEST(HttpLeave, DuringAStreamTheHandlerEnds) {
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  for (int i = 0; i < 20; ++i) {
    RawPeer peer = server.connect();
    ASSERT_TRUE(peer.say(get("/flood")));
    ASSERT_FALSE(peer.hear_some().empty());
    if (i % 2) peer.reset();
  }
  EXPECT_TRUE(empty(server));
  EXPECT_EQ(server.gone, 20);
  EXPECT_EQ(server.handled, 20);
}

TEST(HttpLeave, DrainFinishesWhatIsUnderWay) {
  const TimeLimit limit("a server that drains");
  TestServer server;
  ASSERT_TRUE(server.start().ok());
  RawPeer idle = server.connect();
  RawPeer busy = server.connect();
  ASSERT_TRUE(idle.say(get("/")));
  ASSERT_TRUE(idle.hear());
  ASSERT_TRUE(busy.say(get("/wait")));
  ASSERT_TRUE(eventually([&] { return server.begun == 2; }));
  std::thread drain([&] { server.server().drain(std::chrono::seconds(20)); });
  EXPECT_EQ(idle.hear_all(), "");
  EXPECT_TRUE(eventually([&] {
    return !RawPeer(server.port()).say(get("/")) || RawPeer(server.port()).hear_all() == "";
  }));
  server.release = true;
  const auto heard = busy.hear();
  ASSERT_TRUE(heard);
  EXPECT_EQ(heard->body, "waited");
  EXPECT_EQ(heard->head.header("connection"), "close");
  busy.hang_up();
  drain.join();
  EXPECT_EQ(server.gone, 0);
  EXPECT_EQ(server.server().counts().connections, 0);
}

TEST(HttpLeave, DrainCutsWhatIsLateAndSaysSo) {
  const TimeLimit limit("a server that drains");
  TestServer server({.io_threads = 2});
  ASSERT_TRUE(server.start().ok());
  RawPeer waits = server.connect();
  RawPeer floods = server.connect();
  ASSERT_TRUE(waits.say(get("/wait")));
  ASSERT_TRUE(floods.say(get("/flood")));
  ASSERT_TRUE(eventually([&] { return server.begun == 2; }));
  const auto begin = Clock::now();
  server.server().drain(milliseconds(100));
  EXPECT_LT(Clock::now() - begin, std::chrono::seconds(5));
  EXPECT_EQ(server.gone, 2);
  EXPECT_EQ(server.handled, 2);
  server.server().stop();
  server.server().stop();
}

TEST(HttpLeave, TwoThreadsServeManyClients) {
  const TimeLimit limit("four clients and their answers");
  TestServer server({.io_threads = 2});
  ASSERT_TRUE(server.start().ok());
  std::vector<std::thread> clients;
  std::atomic<int> right{0};
  for (int c = 0; c < 4; ++c) {
    clients.emplace_back([&, c] {
      RawPeer peer = server.connect();
      for (int i = 0; i < 100; ++i) {
        const std::string body = concat(c, ":", i);
        peer.say(post(i % 5 ? "/echo" : "/stream", body));
        const auto heard = peer.hear();
        right += heard && (i % 5 == 0 || heard->body == body);
      }
    });
  }
  for (std::thread& client : clients) client.join();
  EXPECT_EQ(right, 400);
}

}  // namespace
}  // namespace redknot::http
