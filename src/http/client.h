// SPDX-License-Identifier: Apache-2.0
// One connection to an HTTP server, as a load generator or a test needs it: requests one after the
// other, answers in the pieces in which they arrive.
//
// A Client owns its connection; src/load has one for each of its own. It is used on one strand, one
// call at a time, but close() may come whenever. It outlives the calls on it.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "http/exchange.h"
#include "http/response_parser.h"
#include "http/transport.h"
#include "redknot/result.h"

namespace redknot::http {

struct ClientOptions {
  std::string host = "127.0.0.1";  // address or name
  int port = 80;
  bool tls = false;
  bool verify = true;   // the server's certificate
  std::string roots{};  // PEM file of certificates trusted beside the machine's
  std::chrono::milliseconds connect_time{10'000};
  std::chrono::milliseconds wait_time{600'000};  // for the next byte, either way
};

struct ClientRequest {
  std::string method = "POST";
  std::string target = "/";  // path and query, encoded
  Headers headers{};         // beside Host and Content-Length
  std::string body{};
};

class Client {
 public:
  Client(boost::asio::any_io_executor executor, ClientOptions options);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Errors, of all three: kUnavailable if there is no connection or it was lost or closed, kCorrupt
  // if what comes is no HTTP; then the connection is closed.
  boost::asio::awaitable<Status> connect();
  // Sends one request, over the connection that there is or a new one, and reads status and
  // headers. What is left of the answer before is not read: the connection is made anew.
  boost::asio::awaitable<Result<ResponseHead>> send(ClientRequest request);
  // The next piece of the body, without its chunk frame; empty at the end.
  boost::asio::awaitable<Result<std::string>> read_piece();
  // All pieces that are left.
  boost::asio::awaitable<Result<std::string>> read_body();

  bool connected() const { return transport_ != nullptr; }
  // Ends whatever is under way with kUnavailable.
  void close();

 private:
  boost::asio::awaitable<Status> open_transport();
  boost::asio::awaitable<Status> write_all(std::string bytes);
  boost::asio::awaitable<Status> read_some();
  Error lost(const std::string& why);

  const boost::asio::any_io_executor executor_;
  const ClientOptions options_;
  std::optional<TlsContext> tls_{};
  std::shared_ptr<Transport> transport_{};
  std::unique_ptr<ResponseParser> parser_{};
  std::array<char, 16 * 1024> bytes_{};
  std::string input_{};  // read, not yet parsed
};

}  // namespace redknot::http
