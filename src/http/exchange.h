// SPDX-License-Identifier: Apache-2.0
// One request over HTTP and the ways to answer it, whatever carries the bytes.
//
// A handler is a coroutine that runs on the connection's strand; whatever takes long (tokenizing a
// book) it has done elsewhere and waits for. Handlers answer exactly once: reply(), or
// begin_stream() and then write() until it says that the client has gone, and end_stream(). Streams
// are bounded in number: claim_stream() comes first.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

namespace redknot::http {

using Headers = std::vector<std::pair<std::string, std::string>>;

struct Request {
  std::string method{};  // "GET"
  std::string path{};    // percent-decoded, without the query
  std::string query{};   // as it came, without '?'
  Headers headers{};     // names in lower case
  std::string body{};
  std::string peer{};  // address of the client
  std::string id{};    // X-Request-Id as it came if it is fit to print, else a new one

  // The value of the first header of this name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const;
};

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  Headers headers{};
  std::string body{};
};

class Exchange {
 public:
  virtual ~Exchange() = default;

  // The whole answer. False if the client has gone.
  virtual boost::asio::awaitable<bool> reply(Reply reply) = 0;
  // Whether there may be one stream more, which then is this exchange's until its end.
  virtual bool claim_stream() = 0;
  // An answer in pieces (chunked); head.body is its first piece, if not empty. Requires
  // claim_stream().
  virtual boost::asio::awaitable<bool> begin_stream(Reply head) = 0;
  // Waits until the kernel has taken the bytes, at most the write timeout.
  virtual boost::asio::awaitable<bool> write(std::string bytes) = 0;
  virtual boost::asio::awaitable<bool> end_stream() = 0;

  // The client has closed its side, sent a reset, or did not read for too long.
  virtual bool gone() const = 0;
  // Called once, on the strand, when that happens while the handler runs; nullptr takes it back.
  virtual void on_gone(std::function<void()> call) = 0;
  virtual boost::asio::any_io_executor executor() = 0;  // the strand
};

using Handler = std::function<boost::asio::awaitable<void>(const Request&, Exchange&)>;

}  // namespace redknot::http
