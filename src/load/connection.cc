// SPDX-License-Identifier: Apache-2.0
#include "load/connection.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "base/error.h"
#include "http/client.h"

namespace redknot::load {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kMostWholeBytes = std::size_t{64} << 20;

http::ClientOptions options_for(const Address& address, Connection::Clock::time_point deadline) {
  http::ClientOptions out;
  out.host = address.host;
  out.port = address.port;
  out.tls = address.tls;
  out.verify = address.verify;
  const auto left =
      std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Connection::Clock::now());
  out.connect_time = out.wait_time =
      std::max(left, std::chrono::milliseconds(0)) + std::chrono::milliseconds(1);
  return out;
}

http::ClientRequest request_of(OutgoingRequest request, const Address& address) {
  http::ClientRequest out;
  out.method = std::move(request.method);
  out.target = address.path + request.path;
  out.headers.emplace_back("User-Agent", "redknot-bench");
  if (!request.body.empty()) out.headers.emplace_back("Content-Type", "application/json");
  if (!request.api_key.empty())
    out.headers.emplace_back("Authorization", "Bearer " + request.api_key);
  out.body = std::move(request.body);
  return out;
}

}  // namespace

struct Connection::State {
  State(const asio::any_io_executor& executor, const Address& where, Clock::time_point until)
      : address(where),
        client(executor, options_for(where, until)),
        timer(executor),
        deadline(until) {}

  // What went wrong, or that the deadline closed the connection.
  Error failed(const Error& error) const {
    return Clock::now() >= deadline ? Error(ErrorCode::kCancelled, "no time left") : error;
  }

  Address address;
  http::Client client;
  asio::steady_timer timer;
  Clock::time_point deadline;
};

Connection::Connection(const asio::any_io_executor& executor, const Address& address,
                       Clock::time_point deadline)
    : state_(std::make_shared<State>(executor, address, deadline)) {
  state_->timer.expires_at(deadline);
  state_->timer.async_wait([weak = std::weak_ptr<State>(state_)](boost::system::error_code error) {
    const std::shared_ptr<State> state = weak.lock();
    if (error || !state) return;
    state->client.close();
  });
}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

asio::awaitable<Status> Connection::open() {
  const std::shared_ptr<State> state = state_;
  const Status opened = co_await state->client.connect();
  if (!opened.ok()) co_return state->failed(opened.error());
  co_return Done{};
}

asio::awaitable<Result<int>> Connection::send(OutgoingRequest request) {
  const std::shared_ptr<State> state = state_;
  http::ClientRequest bytes = request_of(std::move(request), state->address);
  const Result<http::ResponseHead> head = co_await state->client.send(std::move(bytes));
  if (!head.ok()) co_return state->failed(head.error());
  co_return head->status;
}

asio::awaitable<Result<std::string>> Connection::read() {
  const std::shared_ptr<State> state = state_;
  Result<std::string> piece = co_await state->client.read_piece();
  if (!piece.ok()) co_return state->failed(piece.error());
  co_return piece;
}

asio::awaitable<Result<WholeAnswer>> fetch(Address address, OutgoingRequest request,
                                           Connection::Clock::time_point deadline) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Connection connection(executor, address, deadline);
  const Status opened = co_await connection.open();
  if (!opened.ok()) co_return opened.error();
  const Result<int> status = co_await connection.send(std::move(request));
  if (!status.ok()) co_return status.error();
  WholeAnswer out{.status = *status};
  while (out.body.size() <= kMostWholeBytes) {
    const Result<std::string> piece = co_await connection.read();
    if (!piece.ok()) co_return piece.error();
    if (piece->empty()) co_return out;
    out.body += *piece;
  }
  co_return exhausted("read the answer: more than ", kMostWholeBytes, " bytes");
}

}  // namespace redknot::load
