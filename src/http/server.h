// SPDX-License-Identifier: Apache-2.0
// An HTTP/1.1 server: one coroutine per client, on a few threads of its own. Knows nothing of what
// it serves: that is one Handler.
//
// Handlers run on the server's threads, each on the strand of its connection, and must not block.
// All other functions may be called by any one thread that is none of the server's.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "http/connection.h"
#include "http/cors.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/transport.h"
#include "redknot/result.h"

namespace redknot::http {

struct ServerOptions {
  std::vector<std::string> hosts{"127.0.0.1"};  // addresses or names
  int port = 0;                                 // 0: any free one
  int io_threads = 1;
  TlsContext::Files tls{};  // plain HTTP if both are empty
  Limits limits{};
  AllowedOrigins origins{};  // CORS; none: off
  OnRefusal on_refusal{};
  RefusalReply refusal_reply{};  // none: errors in OpenAI's shape
  Gate gate{};  // for what need not be read, such as bodies of requests without a key
};

struct ServerCounts {
  int connections = 0;
  int streams = 0;
  std::size_t body_bytes = 0;  // of requests being read or answered
};

class Server {
 public:
  explicit Server(ServerOptions options);
  ~Server();  // stop()
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Listens, and serves until drain() or stop(). Once. Errors name the address or the file and say
  // why.
  Status start(Handler handler);
  // After start(): the port listened on, and how many connections this process has descriptors for,
  // at most limits.connections.
  int port() const;
  int connection_limit() const;
  ServerCounts counts() const;
  // The threads of the server, for timers and the like; no strand.
  boost::asio::any_io_executor executor() const;

  // Accepts nothing more, closes idle connections and lets requests under way finish; what is not
  // done after `time` is cut, and its handler told that the client has gone. Returns when every
  // handler has returned: a handler that ignores gone() holds it up.
  void drain(std::chrono::milliseconds time);
  // drain(0), and the threads are joined.
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace redknot::http
