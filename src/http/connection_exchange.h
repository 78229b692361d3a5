// SPDX-License-Identifier: Apache-2.0
// The exchange of one request on a connection: how a handler's answer becomes bytes.
//
// The Connection makes it for each request, passes it to the handler and drops it when the handler
// has returned and settle() is done. It borrows the connection and the request. All calls are made
// on the connection's strand.
#pragma once

#include <functional>
#include <string>

#include "http/capacity.h"
#include "http/connection.h"
#include "http/exchange.h"

namespace redknot::http {

class ConnectionExchange final : public Exchange {
 public:
  ConnectionExchange(Connection& connection, const Request& request, bool keep_alive,
                     bool http_1_0);

  boost::asio::awaitable<bool> reply(Reply reply) override;
  bool claim_stream() override;
  boost::asio::awaitable<bool> begin_stream(Reply head) override;
  boost::asio::awaitable<bool> write(std::string bytes) override;
  boost::asio::awaitable<bool> end_stream() override;
  bool gone() const override { return connection_.gone(); }
  void on_gone(std::function<void()> call) override { connection_.set_on_gone(std::move(call)); }
  boost::asio::any_io_executor executor() override { return connection_.executor(); }

  // The handler threw.
  void fail() { failed_ = true; }
  // After the handler: answers 500 if it has not answered, and cuts a stream without an end, which
  // the client must not take for a whole one.
  boost::asio::awaitable<void> settle();
  bool keeps_alive() const { return keep_alive_ && state_ == State::kAnswered; }

 private:
  enum class State { kOpen, kStreaming, kAnswered };

  Connection& connection_;
  const Request& request_;
  Share stream_;
  bool keep_alive_;
  const bool http_1_0_;
  const bool head_only_;
  bool failed_ = false;
  bool bodiless_ = false;  // of the stream begun
  State state_ = State::kOpen;
};

}  // namespace redknot::http
