// SPDX-License-Identifier: Apache-2.0
#include "load/connection.h"

#include <array>
#include <cstddef>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include "base/error.h"

namespace redknot::load {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

namespace {

constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
constexpr std::size_t kMostWholeBytes = std::size_t{64} << 20;
constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);

Error failed(const char* attempt, const boost::system::error_code& error) {
  if (error == beast::error::timeout) {
    return {ErrorCode::kUnavailable, concat(attempt, ": no time left")};
  }
  return io_error(attempt, ": ", error.message());
}

http::request<http::string_body> request_of(Ask ask, const Address& address) {
  http::request<http::string_body> out;
  out.version(11);
  out.method_string(ask.method);
  out.target(address.path + ask.path);
  out.set(http::field::host, address.text().substr(address.tls ? 8 : 7));
  out.set(http::field::user_agent, "redknot-bench");
  if (!ask.body.empty()) out.set(http::field::content_type, "application/json");
  if (!ask.api_key.empty()) out.set(http::field::authorization, "Bearer " + ask.api_key);
  out.keep_alive(false);
  out.body() = std::move(ask.body);
  out.prepare_payload();
  return out;
}

}  // namespace

struct Connection::State {
  State(const asio::any_io_executor& executor, Address where, Clock::time_point when)
      : stream(executor), address(std::move(where)), deadline(when) {
    parser.body_limit(boost::none);
  }

  beast::tcp_stream stream;
  Address address;
  Clock::time_point deadline;
  beast::flat_buffer buffer;
  http::response_parser<http::buffer_body> parser;
  std::array<char, kPieceBytes> piece{};
};

Connection::Connection(const asio::any_io_executor& executor, const Address& address,
                       Clock::time_point deadline)
    : state_(std::make_unique<State>(executor, address, deadline)) {}
Connection::Connection(Connection&&) noexcept = default;
Connection& Connection::operator=(Connection&&) noexcept = default;
Connection::~Connection() = default;

asio::awaitable<Status> Connection::open() {
  State& state = *state_;
  if (state.address.tls) co_return unsupported("connect: https is not supported");
  asio::ip::tcp::resolver resolver(state.stream.get_executor());
  const std::string port = std::to_string(state.address.port);
  const auto [resolve_error, endpoints] =
      co_await resolver.async_resolve(state.address.host, port, kTuple);
  if (resolve_error) co_return failed("resolve", resolve_error);
  state.stream.expires_at(state.deadline);
  const auto [error, endpoint] = co_await state.stream.async_connect(endpoints, kTuple);
  if (error) co_return failed("connect", error);
  boost::system::error_code ignored;
  state.stream.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
  co_return Done{};
}

asio::awaitable<Result<int>> Connection::ask(Ask ask) {
  State& state = *state_;
  const auto request = request_of(std::move(ask), state.address);
  const auto [write_error, written] = co_await http::async_write(state.stream, request, kTuple);
  if (write_error) co_return failed("send", write_error);
  const auto [error, bytes] =
      co_await http::async_read_header(state.stream, state.buffer, state.parser, kTuple);
  if (error) co_return failed("wait for the answer", error);
  co_return state.parser.get().result_int();
}

asio::awaitable<Result<std::string>> Connection::read() {
  State& state = *state_;
  while (!state.parser.is_done()) {
    state.parser.get().body().data = state.piece.data();
    state.parser.get().body().size = state.piece.size();
    const auto [error, bytes] =
        co_await http::async_read_some(state.stream, state.buffer, state.parser, kTuple);
    if (error && error != http::error::need_buffer) co_return failed("read the answer", error);
    const std::size_t got = state.piece.size() - state.parser.get().body().size;
    if (got > 0) co_return std::string(state.piece.data(), got);
  }
  co_return std::string();
}

asio::awaitable<Result<WholeAnswer>> ask_whole(Address address, Ask ask,
                                               Connection::Clock::time_point deadline) {
  Connection connection(co_await asio::this_coro::executor, address, deadline);
  Status opened = co_await connection.open();
  if (!opened.ok()) co_return std::move(opened).error();
  Result<int> status = co_await connection.ask(std::move(ask));
  if (!status.ok()) co_return std::move(status).error();
  WholeAnswer out{.status = *status};
  while (out.body.size() <= kMostWholeBytes) {
    Result<std::string> piece = co_await connection.read();
    if (!piece.ok()) co_return std::move(piece).error();
    if (piece->empty()) co_return out;
    out.body += *piece;
  }
  co_return exhausted("read the answer: more than ", kMostWholeBytes, " bytes");
}

}  // namespace redknot::load
