// SPDX-License-Identifier: Apache-2.0
// One connection to the server under load: a request, and its answer in the pieces it comes in.
//
// A Connection owns its socket and its deadline. stream_request and fetch open one for each
// request, in coroutines of the load's one thread. Failures are those of http::Client, or
// kCancelled when the deadline has passed.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "load/address.h"
#include "redknot/result.h"

namespace redknot::load {

struct OutgoingRequest {
  std::string method = "POST";
  std::string path{};  // with what the address has in front
  std::string body{};  // JSON
  std::string api_key{};
};

class Connection {
 public:
  using Clock = std::chrono::steady_clock;

  // Nothing is connected yet. All that follows must happen before the deadline.
  Connection(const boost::asio::any_io_executor& executor, const Address& address,
             Clock::time_point deadline);
  Connection(Connection&&) noexcept;
  Connection& operator=(Connection&&) noexcept;
  ~Connection();

  boost::asio::awaitable<Status> open();
  // Sends the request and waits for the head of the answer: its status.
  boost::asio::awaitable<Result<int>> send(OutgoingRequest request);
  // The next bytes of the body; empty at its end.
  boost::asio::awaitable<Result<std::string>> read();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct WholeAnswer {
  int status = 0;
  std::string body{};
};

// Opens, sends and reads all; kResourceExhausted for bodies beyond 64 MiB.
boost::asio::awaitable<Result<WholeAnswer>> fetch(Address address, OutgoingRequest request,
                                                  Connection::Clock::time_point deadline);

}  // namespace redknot::load
