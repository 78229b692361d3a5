// SPDX-License-Identifier: Apache-2.0
#include "http/connection.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

#include "http/answer_head.h"
#include "http/connection_exchange.h"

namespace redknot::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadBytes = 8 * 1024;

Signal::Time now() { return std::chrono::steady_clock::now(); }

}  // namespace

Connection::Connection(ServiceTerms& terms, asio::any_io_executor executor,
                       std::unique_ptr<Transport> transport, std::string peer)
    : terms_(terms),
      executor_(std::move(executor)),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      input_bytes_(std::max(terms.limits.header_bytes, kReadBytes) + kReadBytes),
      write_cutoff_(executor_, [transport = transport_] { transport->close(); }),
      arrived_(executor_),
      consumed_(executor_) {}

asio::awaitable<void> Connection::run() {
  const bool opened = co_await open();
  if (opened) {
    asio::co_spawn(
        executor_, [self = shared_from_this()] { return self->pump(); }, asio::detached);
    co_await serve();
    co_await leave();
  }
  cut();
}

asio::awaitable<void> Connection::turn_away() {
  const bool opened = co_await open();
  if (opened) {
    asio::co_spawn(
        executor_, [self = shared_from_this()] { return self->pump(); }, asio::detached);
    const Time deadline = now() + terms_.limits.linger_time;
    if (input_.empty() && can_read()) co_await arrived_.wait_until(deadline);
    Refusal refusal{.status = 503,
                    .message = "The server has too many connections",
                    .code = "too_many_connections"};
    co_await refuse(std::move(refusal));
    co_await leave();
  }
  cut();
}

asio::awaitable<bool> Connection::open() {
  write_cutoff_.arm(terms_.limits.handshake_time);
  const ErrorStatus error = co_await transport_->open();
  write_cutoff_.disarm();
  co_return !error && !write_cutoff_.passed() && !broken_;
}

// Reads ahead as long as there is room; after a refusal it only throws away, so that the answer is
// not lost in a reset.
asio::awaitable<void> Connection::pump() {
  std::array<char, kReadBytes> bytes;
  while (can_read()) {
    if (!leaving_ && input_.size() + kReadBytes > input_bytes_) {
      co_await consumed_.wait();
      continue;
    }
    const Transfer read = co_await transport_->read_some(bytes);
    if (read.error) {
      ended_ = true;
    } else if (leaving_) {
      discarded_bytes_ += read.bytes;
    } else {
      input_.append(bytes.data(), read.bytes);
    }
    arrived_.raise();
  }
  tell_gone();
}

asio::awaitable<void> Connection::serve() {
  for (;;) {
    const bool begun = co_await wait_for_request();
    if (!begun) co_return;
    RequestParser parser(terms_.limits);
    Share body(terms_.body_bytes);
    const bool complete = co_await read_request(parser, body);
    if (!complete) co_return;
    Request request = parser.take();
    request.peer = peer_;
    request.id = request_id(request.header("x-request-id"));
    const bool again = co_await answer(parser, std::move(request));
    if (!again) co_return;
  }
}

// False if none comes in time. Empty lines before a request are skipped, as RFC 9112 asks.
asio::awaitable<bool> Connection::wait_for_request() {
  const Time deadline = now() + terms_.limits.idle_time;
  for (;;) {
    const std::size_t begin = input_.find_first_not_of("\r\n");
    consume(std::min(begin, input_.size()));
    idle_ = input_.empty();
    if (!idle_) co_return true;
    if (!can_read() || last_ || now() >= deadline) co_return false;
    co_await arrived_.wait_until(deadline);
  }
}

// Fills the parser until it is done. False if the connection is to end; a refusal is answered.
asio::awaitable<bool> Connection::read_request(RequestParser& parser, Share& body) {
  const Limits& limits = terms_.limits;
  const Time begin = now();
  bool in_body = false;
  for (;;) {
    const std::size_t used = parser.put(input_);
    consume(used);
    std::optional<Refusal> refusal = parser.refusal();
    if (!refusal && !body.grow_to(parser.body_bytes())) {
      refusal =
          Refusal{.status = 503, .message = "Too many bodies at a time", .code = "overloaded"};
    }
    if (!refusal && used == 0 && input_.size() + kReadBytes > input_bytes_) {
      refusal = Refusal{.message = "Malformed HTTP: a line is too long", .code = "malformed"};
    }
    if (refusal) {
      std::string path = parser.head().path;
      co_await refuse(std::move(*refusal), std::move(path));
      co_return false;
    }
    if (parser.done()) co_return true;
    if (!in_body && parser.header_done()) {
      in_body = true;
      std::optional<Reply> turned_away = ask_gate(parser);
      if (turned_away) {
        std::string id = request_id(parser.head().header("x-request-id"));
        co_await say_and_leave(std::move(*turned_away), std::move(id));
        co_return false;
      }
      if (parser.expects_continue() && input_.empty()) {
        const bool told = co_await write_all("HTTP/1.1 100 Continue\r\n\r\n");
        if (!told) co_return false;
      }
    }
    if (used > 0 && !input_.empty()) continue;
    const Time deadline =
        begin + limits.header_time +
        (in_body ? time_for(parser.body_bytes(), limits.body_time, limits.body_bytes_per_second)
                 : std::chrono::milliseconds(0));
    const bool more = co_await read_on(parser, deadline);
    if (!more) co_return false;
  }
}

// Waits for bytes beyond those here. False if there are none in time.
asio::awaitable<bool> Connection::read_on(const RequestParser& parser, Time deadline) {
  const std::size_t before = input_.size();
  while (input_.size() == before) {
    if (!can_read()) co_return false;
    if (now() >= deadline) {
      Refusal refusal{.status = 408,
                      .message = parser.header_done() ? "The body came too slowly"
                                                      : "The headers came too slowly",
                      .code = "timeout"};
      std::string path = parser.head().path;
      co_await refuse(std::move(refusal), std::move(path));
      co_return false;
    }
    co_await arrived_.wait_until(deadline);
  }
  co_return true;
}

// Has the request answered. False if the connection is to end.
asio::awaitable<bool> Connection::answer(const RequestParser& parser, Request request) {
  const bool keep_alive = parser.keep_alive() && !last_;
  ConnectionExchange exchange(*this, request, keep_alive, parser.version_1_0());
  std::optional<Reply> preflight = preflight_reply(terms_.origins, request);
  if (preflight) {
    co_await exchange.reply(std::move(*preflight));
  } else {
    try {
      asio::awaitable<void> handled = terms_.handler(request, exchange);
      co_await std::move(handled);
    } catch (...) {  // ours do not throw; but memory may be exhausted
      exchange.fail();
    }
  }
  on_gone_ = nullptr;
  co_await exchange.settle();
  co_return exchange.keeps_alive() && !broken_;
}

asio::awaitable<void> Connection::refuse(Refusal refusal, std::string path) {
  std::string id = request_id({});
  if (terms_.on_refusal) terms_.on_refusal(refusal, id, peer_);
  Reply reply =
      terms_.refusal_reply ? terms_.refusal_reply(refusal, path, id) : error_reply(refusal);
  co_await say_and_leave(std::move(reply), std::move(id));
}

// For a request whose body has not come yet.
std::optional<Reply> Connection::ask_gate(const RequestParser& parser) const {
  if (!terms_.gate || preflight_reply(terms_.origins, parser.head())) return std::nullopt;
  return terms_.gate(parser.head());
}

asio::awaitable<void> Connection::say_and_leave(Reply reply, std::string id) {
  leaving_ = true;
  consume(input_.size());
  AnswerForm form{.keep_alive = false, .length = reply.body.size(), .request_id = id};
  std::string bytes = answer_head(reply, {}, form) + reply.body;
  co_await write_all(std::move(bytes));
}

// Closing with unread bytes would send a reset, which destroys answers on their way: says goodbye
// first and, after a refusal, throws away what still comes, for a while.
asio::awaitable<void> Connection::leave() {
  const Limits& limits = terms_.limits;
  const bool more_may_come = std::exchange(leaving_, true) || !input_.empty();
  consume(input_.size());
  const Time deadline = now() + limits.linger_time;
  if (!broken_) {
    write_cutoff_.arm(limits.linger_time);
    co_await transport_->finish();
    write_cutoff_.disarm();
  }
  while (more_may_come && can_read() && discarded_bytes_ < limits.linger_bytes &&
         now() < deadline) {
    co_await arrived_.wait_until(deadline);
  }
}

asio::awaitable<bool> Connection::write_all(std::string bytes) {
  const Limits& limits = terms_.limits;
  if (broken_) co_return false;
  write_cutoff_.arm(time_for(bytes.size(), limits.write_time, limits.write_bytes_per_second));
  std::string_view rest = bytes;
  while (!rest.empty() && !broken_) {
    const Transfer written = co_await transport_->write_some(rest);
    rest.remove_prefix(written.bytes);
    if (written.error) broken_ = true;
  }
  write_cutoff_.disarm();
  if (broken_) cut();
  co_return !broken_;
}

void Connection::consume(std::size_t bytes) {
  input_.erase(0, bytes);
  consumed_.raise();
}

void Connection::set_on_gone(std::function<void()> call) {
  on_gone_ = std::move(call);
  if (on_gone_ && gone()) asio::post(executor_, [self = shared_from_this()] { self->tell_gone(); });
}

void Connection::tell_gone() {
  const std::function<void()> call = std::exchange(on_gone_, nullptr);
  if (call) call();
}

void Connection::wind_down() {
  last_ = true;
  if (idle_) arrived_.raise();
}

void Connection::cut() {
  broken_ = true;
  transport_->close();
  arrived_.raise();
  consumed_.raise();
  tell_gone();
}

}  // namespace redknot::http
