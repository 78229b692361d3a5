// SPDX-License-Identifier: Apache-2.0
// For tests: a client that says any bytes over a blocking socket, and a server to say them to. A
// RawPeer owns its socket, which is closed with it; tests make one on the thread that talks, and
// each read has a limit of seconds.
#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "http/response_parser.h"
#include "http/server.h"

namespace redknot::http {

struct HeardResponse {
  ResponseHead head{};
  std::string body{};
};

class RawPeer {
 public:
  // To 127.0.0.1. receive_bytes > 0: the size of its buffer in the kernel.
  explicit RawPeer(int port, int receive_bytes = 0);
  ~RawPeer();
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;
  RawPeer(RawPeer&& other) noexcept;

  // False if the connection broke before all was said.
  bool say(std::string_view bytes);
  // One response; nothing if none comes within some seconds. Bytes after it wait for the next call.
  std::optional<HeardResponse> hear(bool to_head = false);
  // Everything to the end of the connection; nothing if it does not end within some seconds.
  std::optional<std::string> hear_all();
  // At least one byte, if there is one within some seconds.
  std::string hear_some();
  void say_no_more();  // FIN
  void hang_up();      // close
  void reset();        // RST

 private:
  int socket_;
  std::string input_{};
};

// A server on a free port with these routes:
//   /echo     the body                     /stream   five events "data: 0" .. "data: 4"
//   /flood    a stream that ends when the client goes or does not read
//   /wait     answers when the client has gone, or release is set
//   /throw    throws                       /silent   does not answer
//   others    "METHOD path query"
class TestServer {
 public:
  explicit TestServer(ServerOptions options = {});
  int port() const { return server_.port(); }
  Server& server() { return server_; }
  Status start();
  RawPeer connect(int receive_bytes = 0) const { return RawPeer(port(), receive_bytes); }

  std::atomic<int> handled{0};  // handlers that returned
  std::atomic<int> begun{0};
  std::atomic<int> gone{0};  // calls of on_gone
  std::atomic<bool> release{false};

 private:
  boost::asio::awaitable<void> answer(const Request& request, Exchange& exchange);
  boost::asio::awaitable<void> flood(Exchange& exchange);
  boost::asio::awaitable<void> wait(Exchange& exchange);
  boost::asio::awaitable<void> stream(Exchange& exchange);
  Server server_;
};

// Waits, some seconds at most, until it is so.
bool eventually(const std::function<bool()>& holds);

// "GET path HTTP/1.1" with Host, and these lines ("A: b\r\n").
std::string get(std::string_view path, std::string_view lines = "");
std::string post(std::string_view path, std::string_view body, std::string_view lines = "");

}  // namespace redknot::http
