// SPDX-License-Identifier: Apache-2.0
#include "load/bystanders.h"

#include <array>
#include <chrono>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>

#include "base/error.h"

namespace redknot::load {

namespace asio = boost::asio;

namespace {

constexpr auto kTuple = asio::as_tuple(asio::use_awaitable);
constexpr auto kBetweenBytes = std::chrono::seconds(1);
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);
constexpr auto kGatherLimit = std::chrono::minutes(2);
constexpr int kSmallestBuffer = 2048;  // of a socket, so that the server's bytes do not fit

std::string request_text(const Address& address, const BystanderOptions& options) {
  std::string out = concat(
      "POST ", address.path, options.slow_path, " HTTP/1.1\r\nHost: ", address.host,
      "\r\nContent-Type: application/json\r\nContent-Length: ", options.slow_body.size(), "\r\n");
  if (!options.api_key.empty()) out += concat("Authorization: Bearer ", options.api_key, "\r\n");
  return out + "\r\n" + options.slow_body;
}

}  // namespace

struct Bystanders::State {
  asio::any_io_executor executor;
  Address address;
  BystanderOptions options;
  BystanderCounts counts{};
  int settled = 0;  // connected and heard of, or lost

  asio::awaitable<bool> connect(asio::ip::tcp::socket& socket, int receive_buffer_bytes);
  static asio::awaitable<void> be_idle(std::shared_ptr<State> self);
  static asio::awaitable<void> read_slowly(std::shared_ptr<State> self);
};

asio::awaitable<bool> Bystanders::State::connect(asio::ip::tcp::socket& socket,
                                                 int receive_buffer_bytes) {
  asio::ip::tcp::resolver resolver(executor);
  const std::string port = std::to_string(address.port);
  const auto [error, endpoints] = co_await resolver.async_resolve(address.host, port, kTuple);
  if (error) co_return false;
  for (const auto& each : endpoints) {
    boost::system::error_code failed;
    socket.close(failed);
    socket.open(each.endpoint().protocol(), failed);
    if (failed) continue;
    if (receive_buffer_bytes > 0) {
      socket.set_option(asio::socket_base::receive_buffer_size(receive_buffer_bytes), failed);
    }
    const auto [refused] = co_await socket.async_connect(each.endpoint(), kTuple);
    if (!refused) co_return true;
  }
  co_return false;
}

// Servers may end idle connections after a while: then there is another one.
asio::awaitable<void> Bystanders::State::be_idle(std::shared_ptr<State> self) {
  asio::ip::tcp::socket socket(self->executor);
  for (bool first = true;; first = false) {
    const bool connected = co_await self->connect(socket, 0);
    if (first) ++self->settled;
    if (!connected) break;
    ++self->counts.idle;
    const auto opened = std::chrono::steady_clock::now();
    std::array<char, 512> piece{};
    for (bool open = true; open;) {
      const auto [error, bytes] = co_await socket.async_read_some(asio::buffer(piece), kTuple);
      open = !error;
    }
    --self->counts.idle;
    if (std::chrono::steady_clock::now() - opened < kBetweenBytes) break;  // not wanted
  }
  ++self->counts.lost;
}

asio::awaitable<void> Bystanders::State::read_slowly(std::shared_ptr<State> self) {
  asio::ip::tcp::socket socket(self->executor);
  const bool connected = co_await self->connect(socket, kSmallestBuffer);
  bool open = connected;
  if (connected) {
    const std::string request = request_text(self->address, self->options);
    const auto [error, bytes] = co_await asio::async_write(socket, asio::buffer(request), kTuple);
    open = !error;
  }
  asio::steady_timer pause(self->executor);
  bool heard = false;
  while (open) {
    char byte = 0;
    const auto [error, bytes] = co_await socket.async_read_some(asio::buffer(&byte, 1), kTuple);
    open = !error;
    if (!open) break;
    if (!heard) {
      ++self->settled;
      ++self->counts.slow;
    }
    heard = true;
    pause.expires_after(kBetweenBytes);
    co_await pause.async_wait(kTuple);
  }
  if (heard) {
    --self->counts.slow;
  } else {
    ++self->settled;
  }
  ++self->counts.lost;
}

Bystanders::Bystanders(const asio::any_io_executor& executor, Address address,
                       BystanderOptions options)
    : state_(std::make_shared<State>(State{
          .executor = executor, .address = std::move(address), .options = std::move(options)})) {}
Bystanders::~Bystanders() = default;

asio::awaitable<void> Bystanders::gather() {
  const std::shared_ptr<State> state = state_;
  for (int i = 0; i < state->options.idle_connections; ++i) {
    asio::co_spawn(state->executor, State::be_idle(state), asio::detached);
  }
  for (int i = 0; i < state->options.slow_readers; ++i) {
    asio::co_spawn(state->executor, State::read_slowly(state), asio::detached);
  }
  const int all = state->options.idle_connections + state->options.slow_readers;
  const auto limit = std::chrono::steady_clock::now() + kGatherLimit;
  asio::steady_timer pause(state->executor);
  while (state->settled < all && std::chrono::steady_clock::now() < limit) {
    pause.expires_after(kBetweenLooks);
    co_await pause.async_wait(kTuple);
  }
}

BystanderCounts Bystanders::counts() const { return state_->counts; }

}  // namespace redknot::load
