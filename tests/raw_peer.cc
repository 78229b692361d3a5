// SPDX-License-Identifier: Apache-2.0
#include "tests/raw_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"

namespace redknot::http {

namespace asio = boost::asio;

namespace {

constexpr int kPatienceSeconds = 8;

asio::awaitable<void> sleep(Exchange& exchange, int milliseconds) {
  asio::steady_timer timer(exchange.executor(), std::chrono::milliseconds(milliseconds));
  co_await timer.async_wait(asio::as_tuple(asio::use_awaitable));
}

}  // namespace

RawPeer::RawPeer(int port, int receive_bytes) : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
  const timeval patience{.tv_sec = kPatienceSeconds, .tv_usec = 0};
  setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
  setsockopt(socket_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
  if (receive_bytes > 0) {
    setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_bytes, sizeof(receive_bytes));
  }
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    hang_up();
  }
}

RawPeer::RawPeer(RawPeer&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), input_(std::move(other.input_)) {}

RawPeer::~RawPeer() { hang_up(); }

bool RawPeer::say(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

std::string RawPeer::hear_some() {
  std::array<char, 16 * 1024> bytes;
  const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
  return got > 0 ? std::string(bytes.data(), static_cast<std::size_t>(got)) : std::string();
}

std::optional<HeardResponse> RawPeer::hear(bool to_head) {
  ResponseParser parser(to_head);
  for (;;) {
    auto used = parser.put(input_);
    if (!used.ok()) return std::nullopt;
    input_.erase(0, *used);
    if (parser.done()) return HeardResponse{.head = parser.head(), .body = parser.take_body()};
    const std::string more = hear_some();
    if (more.empty()) {
      if (!parser.put_end().ok()) return std::nullopt;
      return HeardResponse{.head = parser.head(), .body = parser.take_body()};
    }
    input_ += more;
  }
}

std::optional<std::string> RawPeer::hear_all() {
  std::string all = std::exchange(input_, {});
  std::array<char, 16 * 1024> bytes;
  for (;;) {
    const ssize_t got = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return std::nullopt;
    if (got <= 0) return all;
    all.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

void RawPeer::say_no_more() { ::shutdown(socket_, SHUT_WR); }

void RawPeer::hang_up() {
  if (socket_ >= 0) ::close(socket_);
  socket_ = -1;
}

void RawPeer::reset() {
  const linger at_once{.l_onoff = 1, .l_linger = 0};
  setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
  hang_up();
}

TestServer::TestServer(ServerOptions options) : server_(std::move(options)) {}

Status TestServer::start() {
  return server_.start(
      [this](const Request& request, Exchange& exchange) { return answer(request, exchange); });
}

asio::awaitable<void> TestServer::answer(const Request& request, Exchange& exchange) {
  ++begun;
  if (request.path == "/throw") std::string().at(1);
  if (request.path == "/flood") {
    co_await flood(exchange);
  } else if (request.path == "/wait") {
    co_await wait(exchange);
  } else if (request.path == "/stream") {
    co_await stream(exchange);
  } else if (request.path != "/silent") {
    Reply reply;
    reply.content_type = "text/plain";
    reply.body = request.path == "/echo"
                     ? request.body
                     : concat(request.method, " ", request.path, " ", request.query);
    co_await exchange.reply(std::move(reply));
  }
  ++handled;
}

asio::awaitable<void> TestServer::stream(Exchange& exchange) {
  if (!exchange.claim_stream()) {
    Reply refused{.status = 503};
    co_await exchange.reply(std::move(refused));
    co_return;
  }
  Reply head;
  head.content_type = "text/event-stream";
  bool reading = co_await exchange.begin_stream(std::move(head));
  for (int i = 0; i < 5 && reading; ++i) {
    std::string event = concat("data: ", i, "\n\n");
    reading = co_await exchange.write(std::move(event));
  }
  if (reading) co_await exchange.end_stream();
}

asio::awaitable<void> TestServer::flood(Exchange& exchange) {
  exchange.on_gone([this] { ++gone; });
  Reply head;
  if (!exchange.claim_stream()) co_return;
  bool reading = co_await exchange.begin_stream(std::move(head));
  while (reading) {
    std::string piece(64 * 1024, 'x');
    reading = co_await exchange.write(std::move(piece));
  }
}

asio::awaitable<void> TestServer::wait(Exchange& exchange) {
  exchange.on_gone([this] { ++gone; });
  while (!exchange.gone() && !release) co_await sleep(exchange, 5);
  Reply reply;
  reply.body = "waited";
  co_await exchange.reply(std::move(reply));
}

bool eventually(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(kPatienceSeconds);
  while (!holds()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

std::string get(std::string_view path, std::string_view lines) {
  return concat("GET ", path, " HTTP/1.1\r\nHost: test\r\n", lines, "\r\n");
}

std::string post(std::string_view path, std::string_view body, std::string_view lines) {
  return concat("POST ", path, " HTTP/1.1\r\nHost: test\r\nContent-Length: ", body.size(), "\r\n",
                lines, "\r\n", body);
}

}  // namespace redknot::http
