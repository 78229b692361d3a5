// SPDX-License-Identifier: Apache-2.0
// Plain TCP.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/transport.h"

namespace redknot::http {

namespace asio = boost::asio;

namespace {

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(asio::ip::tcp::socket socket) : socket_(std::move(socket)) {}

  asio::awaitable<ErrorStatus> open() override { co_return ErrorStatus{}; }

  asio::awaitable<Transfer> read_some(std::span<char> into) override {
    const auto buffer = asio::buffer(into.data(), into.size());
    const auto [error, bytes] =
        co_await socket_.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
    co_return Transfer{.error = error, .bytes = bytes};
  }

  asio::awaitable<Transfer> write_some(std::string_view from) override {
    const auto buffer = asio::buffer(from.data(), from.size());
    const auto [error, bytes] =
        co_await socket_.async_write_some(buffer, asio::as_tuple(asio::use_awaitable));
    co_return Transfer{.error = error, .bytes = bytes};
  }

  asio::awaitable<void> finish() override {
    ErrorStatus ignored;
    socket_.shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    co_return;
  }

  void close() override {
    ErrorStatus ignored;
    socket_.close(ignored);
  }

 private:
  asio::ip::tcp::socket socket_;
};

}  // namespace

std::unique_ptr<Transport> plain_transport(asio::ip::tcp::socket socket) {
  return std::make_unique<PlainTransport>(std::move(socket));
}

}  // namespace redknot::http
