// SPDX-License-Identifier: Apache-2.0
#include "http/connection_exchange.h"

#include <utility>

#include "base/check.h"
#include "http/answer_head.h"
#include "http/cors.h"

namespace redknot::http {

namespace asio = boost::asio;

ConnectionExchange::ConnectionExchange(Connection& connection, const Request& request,
                                       bool keep_alive, bool http_1_0)
    : connection_(connection),
      request_(request),
      stream_(connection.terms_.streams),
      keep_alive_(keep_alive),
      http_1_0_(http_1_0),
      head_only_(request.method == "HEAD") {}

asio::awaitable<bool> ConnectionExchange::reply(Reply reply) {
  REDKNOT_CHECK(state_ == State::kOpen);
  state_ = State::kAnswered;
  keep_alive_ = keep_alive_ && !connection_.last_;
  const AnswerForm form{.http_1_0 = http_1_0_,
                        .keep_alive = keep_alive_,
                        .length = reply.body.size(),
                        .request_id = request_.id};
  std::string bytes = answer_head(reply, cors_headers(connection_.terms_.origins, request_), form);
  if (!head_only_ && !bodiless(reply.status)) bytes += reply.body;
  const bool written = co_await connection_.write_all(std::move(bytes));
  co_return written && !connection_.gone();
}

bool ConnectionExchange::claim_stream() { return stream_.grow_to(1); }

asio::awaitable<bool> ConnectionExchange::begin_stream(Reply head) {
  REDKNOT_CHECK(state_ == State::kOpen && stream_.held() == 1);
  state_ = State::kStreaming;
  keep_alive_ = keep_alive_ && !connection_.last_ && !http_1_0_;
  bodiless_ = head_only_ || bodiless(head.status);
  const AnswerForm form{
      .http_1_0 = http_1_0_, .keep_alive = keep_alive_, .request_id = request_.id};
  std::string bytes = answer_head(head, cors_headers(connection_.terms_.origins, request_), form);
  if (!head.body.empty() && !bodiless_) bytes += http_1_0_ ? head.body : chunk(head.body);
  const bool written = co_await connection_.write_all(std::move(bytes));
  co_return written && !connection_.gone();
}

asio::awaitable<bool> ConnectionExchange::write(std::string bytes) {
  if (connection_.gone()) co_return false;
  REDKNOT_CHECK(state_ == State::kStreaming);
  if (bytes.empty() || bodiless_) co_return true;
  std::string framed = http_1_0_ ? std::move(bytes) : chunk(bytes);
  const bool written = co_await connection_.write_all(std::move(framed));
  co_return written && !connection_.gone();
}

asio::awaitable<bool> ConnectionExchange::end_stream() {
  REDKNOT_CHECK(state_ == State::kStreaming);
  state_ = State::kAnswered;
  stream_.give_back();
  if (bodiless_ || http_1_0_) co_return !connection_.gone();
  std::string last(kLastChunk);
  const bool written = co_await connection_.write_all(std::move(last));
  co_return written && !connection_.gone();
}

asio::awaitable<void> ConnectionExchange::settle() {
  if (state_ == State::kOpen) {
    keep_alive_ = false;
    Refusal refusal{.status = 500,
                    .message = failed_ ? "The server failed" : "The server gave no answer",
                    .code = "internal_error"};
    Reply reply_500 = error_reply(refusal);
    co_await reply(std::move(reply_500));
  } else if (state_ == State::kStreaming) {
    connection_.cut();
  }
}

}  // namespace redknot::http
