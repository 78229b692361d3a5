// SPDX-License-Identifier: Apache-2.0
#include "load/stream_request.h"

#include <string>
#include <utility>

#include <boost/asio/this_coro.hpp>

#include "base/error.h"
#include "http/sse.h"

namespace redknot::load {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kMostErrorBytes = std::size_t{64} << 10;

// Fails with the kind of the error, "connect", or "timeout".
Answer failure(const char* kind, const Error& error) {
  Answer out;
  out.failure = error.code() == ErrorCode::kCancelled ? "timeout" : kind;
  out.cause = error.message();
  return out;
}

asio::awaitable<Answer> refused(Connection& connection, int status) {
  std::string body;
  while (body.size() < kMostErrorBytes) {
    const Result<std::string> piece = co_await connection.read();
    if (!piece.ok() || piece->empty()) break;
    body += *piece;
  }
  Answer out;
  out.failure = concat("HTTP ", status);
  out.cause = error_message(body);
  co_return out;
}

asio::awaitable<Answer> read_stream(Connection& connection, Clock::time_point origin) {
  http::SseReader events;
  AnswerReader reader;
  while (!reader.done()) {
    const Result<std::string> piece = co_await connection.read();
    const double now_s = seconds_between(origin, Clock::now());
    if (!piece.ok()) {
      Answer out = reader.finish(now_s);
      const Answer why = failure("cut short", piece.error());
      out.failure = why.failure;
      out.cause = why.cause;
      co_return out;
    }
    if (piece->empty()) break;
    const auto came = events.put(*piece);
    if (!came.ok()) co_return failure("malformed stream", came.error());
    for (const http::SseEvent& event : *came) reader.take(event.data, now_s);
  }
  co_return reader.finish(seconds_between(origin, Clock::now()));
}

asio::awaitable<Answer> stream_on(Connection& connection, OutgoingRequest request,
                                  Clock::time_point origin) {
  const Status opened = co_await connection.open();
  if (!opened.ok()) co_return failure("connect", opened.error());
  const Result<int> status = co_await connection.send(std::move(request));
  if (!status.ok()) co_return failure("no answer", status.error());
  if (*status != 200) {
    Answer out = co_await refused(connection, *status);
    co_return out;
  }
  Answer out = co_await read_stream(connection, origin);
  co_return out;
}

}  // namespace

asio::awaitable<Answer> stream_request(Address address, OutgoingRequest request,
                                       Clock::time_point origin, double timeout_s) {
  const Clock::time_point sent = Clock::now();
  const auto patience =
      std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(timeout_s));
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  Connection connection(executor, address, sent + patience);
  Answer out = co_await stream_on(connection, std::move(request), origin);
  out.sent_s = seconds_between(origin, sent);
  out.end_s = seconds_between(origin, Clock::now());
  co_return out;
}

}  // namespace redknot::load
