// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "base/check.h"
#include "http/listen.h"
#include "http/signal.h"

namespace redknot::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

constexpr int kTurnedAwayAtATime = 64;  // told 503; more are closed without a word
constexpr std::chrono::milliseconds kAcceptPause{50};

}  // namespace

// Everything but the counts is used on `strand` once the threads run.
struct Server::State {
  State(ServerOptions given, Handler handler)
      : options(std::move(given)),
        terms(options.limits, std::move(handler)),
        io(std::max(options.io_threads, 1)),
        work(io.get_executor()),
        strand(asio::make_strand(io)),
        changed(strand),
        pause(strand) {
    terms.origins = options.origins;
    terms.on_refusal = options.on_refusal;
    terms.refusal_reply = options.refusal_reply;
    terms.gate = options.gate;
  }

  Status listen();
  void run();
  asio::awaitable<void> accept_from(tcp::acceptor& acceptor);
  void admit(tcp::socket socket, const asio::any_io_executor& executor);
  void forget(std::uint64_t id, bool turned_away);
  asio::awaitable<void> drain(std::chrono::milliseconds time);
  template <typename Action>
  void for_each_connection(Action action);

  const ServerOptions options;
  ServiceTerms terms;  // outlives the connections, which io may own at its end
  std::optional<TlsContext> tls{};
  asio::io_context io;
  asio::executor_work_guard<asio::io_context::executor_type> work;
  asio::any_io_executor strand;
  Signal changed;
  Signal pause;
  std::vector<tcp::acceptor> acceptors{};
  std::map<std::uint64_t, std::shared_ptr<Connection>> connections{};
  std::uint64_t next_id = 0;
  int turned_away = 0;
  bool draining = false;
  int port = 0;
  int connection_limit = 0;
  std::atomic<int> open{0};
  std::vector<std::thread> threads{};
};

Status Server::State::listen() {
  if (!options.tls.certificates.empty() || !options.tls.key.empty()) {
    REDKNOT_TRY(tls, TlsContext::for_server(options.tls));
  }
  REDKNOT_TRY(connection_limit, room_for_connections(options.limits.connections));
  REDKNOT_TRY(acceptors, listen_on(strand, options.hosts, options.port));
  ErrorStatus ignored;
  port = acceptors.front().local_endpoint(ignored).port();
  return Done{};
}

void Server::State::run() {
  for (tcp::acceptor& acceptor : acceptors) {
    asio::co_spawn(strand, accept_from(acceptor), asio::detached);
  }
  const int count = std::max(options.io_threads, 1);
  threads.reserve(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i) threads.emplace_back([this] { io.run(); });
}

asio::awaitable<void> Server::State::accept_from(tcp::acceptor& acceptor) {
  while (!draining) {
    const asio::any_io_executor executor = asio::make_strand(io);
    auto [error, socket] =
        co_await acceptor.async_accept(executor, asio::as_tuple(asio::use_awaitable));
    if (draining) co_return;
    if (!error) {
      admit(std::move(socket), executor);
    } else {  // no descriptor, say: the clients wait
      co_await pause.wait_until(std::chrono::steady_clock::now() + kAcceptPause);
    }
  }
}

void Server::State::admit(tcp::socket socket, const asio::any_io_executor& executor) {
  const bool turn_away = static_cast<int>(connections.size()) - turned_away >= connection_limit;
  if (turn_away && turned_away >= kTurnedAwayAtATime) return;
  ErrorStatus error;
  socket.set_option(tcp::no_delay(true), error);
  const tcp::endpoint peer = socket.remote_endpoint(error);
  if (error) return;  // gone already
  std::unique_ptr<Transport> transport =
      tls ? tls->transport(std::move(socket), TlsContext::Role::kServer, "")
          : plain_transport(std::move(socket));
  auto connection = std::make_shared<Connection>(terms, executor, std::move(transport),
                                                 peer.address().to_string());
  const std::uint64_t id = next_id++;
  connections.emplace(id, connection);
  turned_away += turn_away ? 1 : 0;
  open = static_cast<int>(connections.size());
  asio::co_spawn(
      executor,
      [connection, turn_away] { return turn_away ? connection->turn_away() : connection->run(); },
      [this, connection, id, turn_away](const std::exception_ptr&) {
        connection->cut();
        asio::post(strand, [this, id, turn_away] { forget(id, turn_away); });
      });
}

void Server::State::forget(std::uint64_t id, bool was_turned_away) {
  connections.erase(id);
  turned_away -= was_turned_away ? 1 : 0;
  open = static_cast<int>(connections.size());
  changed.raise();
}

template <typename Action>
void Server::State::for_each_connection(Action action) {
  for (const auto& [id, connection] : connections) {
    asio::post(connection->executor(), [connection = connection, action] { action(*connection); });
  }
}

asio::awaitable<void> Server::State::drain(std::chrono::milliseconds time) {
  const auto deadline = std::chrono::steady_clock::now() + time;
  draining = true;
  for (tcp::acceptor& acceptor : acceptors) {
    ErrorStatus ignored;
    acceptor.close(ignored);
  }
  for_each_connection([](Connection& connection) { connection.wind_down(); });
  while (!connections.empty() && std::chrono::steady_clock::now() < deadline) {
    co_await changed.wait_until(deadline);
  }
  for_each_connection([](Connection& connection) { connection.cut(); });
  while (!connections.empty()) co_await changed.wait();
}

Server::Server(ServerOptions options)
    : state_(std::make_unique<State>(std::move(options), Handler())) {}

Server::~Server() { stop(); }

Status Server::start(Handler handler) {
  REDKNOT_CHECK(state_->threads.empty());
  ServerOptions options = state_->options;
  state_ = std::make_unique<State>(std::move(options), std::move(handler));
  REDKNOT_RETURN_IF_ERROR(state_->listen());
  state_->run();
  return Done{};
}

int Server::port() const { return state_->port; }
int Server::connection_limit() const { return state_->connection_limit; }
asio::any_io_executor Server::executor() const { return state_->io.get_executor(); }

ServerCounts Server::counts() const {
  return {.connections = state_->open,
          .streams = static_cast<int>(state_->terms.streams.used()),
          .body_bytes = state_->terms.body_bytes.used()};
}

void Server::drain(std::chrono::milliseconds time) {
  if (state_->threads.empty()) return;
  asio::co_spawn(state_->strand, state_->drain(time), asio::use_future).get();
}

void Server::stop() {
  if (state_->threads.empty()) return;
  drain(std::chrono::milliseconds(0));
  state_->io.stop();
  for (std::thread& thread : state_->threads) thread.join();
  state_->threads.clear();
}

}  // namespace redknot::http
