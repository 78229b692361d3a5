// SPDX-License-Identifier: Apache-2.0
// One client: reads its requests in order, has each answered, watches whether it is still there.
//
// Two coroutines on one strand: one reads ahead, always, within a bound, and so learns when the
// client leaves; the other parses what was read, runs the handler and writes. Whoever started
// run() keeps the connection alive until it returns; the coroutines hold it too.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/awaitable.hpp>

#include "http/capacity.h"
#include "http/cors.h"
#include "http/cutoff.h"
#include "http/exchange.h"
#include "http/limits.h"
#include "http/refusal.h"
#include "http/request_parser.h"
#include "http/signal.h"
#include "http/transport.h"

namespace redknot::http {

// Called, on a connection's strand, for every answer given without the handler: for logs and
// counters. `request_id` and peer as in Request.
using OnRefusal =
    std::function<void(const Refusal&, const std::string& request_id, const std::string& peer)>;

// What such an answer says; the path is empty where it did not come so far.
using RefusalReply =
    std::function<Reply(const Refusal&, const std::string& path, const std::string& request_id)>;

// Asked, on a connection's strand, when a request's headers are there and its body is not: an
// answer, behind which the connection ends, or nothing to go on. The request has no body yet.
using Gate = std::function<std::optional<Reply>(const Request&)>;

// What all connections of one server have in common. Outlives them.
struct ServiceTerms {
  ServiceTerms(const Limits& l, Handler h)
      : limits(l),
        handler(std::move(h)),
        streams(l.streams > 0 ? static_cast<std::size_t>(l.streams) : 0),
        body_bytes(l.bodies_bytes) {}
  const Limits limits;
  const Handler handler;
  AllowedOrigins origins{};
  OnRefusal on_refusal{};
  RefusalReply refusal_reply{};  // none: error_reply()
  Gate gate{};
  Capacity streams;
  Capacity body_bytes;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // On the strand `executor`, that of the transport.
  Connection(ServiceTerms& terms, boost::asio::any_io_executor executor,
             std::unique_ptr<Transport> transport, std::string peer);

  // Until the client leaves, is refused, or may not go on. Run once, on the strand.
  boost::asio::awaitable<void> run();
  // Instead: 503 for the first thing it says, and goodbye.
  boost::asio::awaitable<void> turn_away();

  // On the strand. No further request: ends now if none is under way, else after its answer.
  void wind_down();
  // Ends now; the handler is told that the client has gone.
  void cut();

  const boost::asio::any_io_executor& executor() const { return executor_; }

 private:
  friend class ConnectionExchange;
  using Time = Signal::Time;

  boost::asio::awaitable<bool> open();
  boost::asio::awaitable<void> pump();
  boost::asio::awaitable<void> serve();
  boost::asio::awaitable<bool> wait_for_request();
  boost::asio::awaitable<bool> read_request(RequestParser& parser, Share& body);
  boost::asio::awaitable<bool> read_on(const RequestParser& parser, Time deadline);
  boost::asio::awaitable<bool> answer(const RequestParser& parser, Request request);
  boost::asio::awaitable<void> refuse(Refusal refusal, std::string path = {});
  std::optional<Reply> ask_gate(const RequestParser& parser) const;
  boost::asio::awaitable<void> say_and_leave(Reply reply, std::string id);
  boost::asio::awaitable<void> leave();

  // All of it, in the time that the limits allow. False if the client has gone.
  boost::asio::awaitable<bool> write_all(std::string bytes);
  bool can_read() const { return !ended_ && !broken_; }
  bool gone() const { return ended_ || broken_; }
  void set_on_gone(std::function<void()> call);
  void tell_gone();
  void consume(std::size_t bytes);

  ServiceTerms& terms_;
  const boost::asio::any_io_executor executor_;
  const std::shared_ptr<Transport> transport_;
  const std::string peer_;
  const std::size_t input_bytes_;  // the bound on what is read ahead
  Cutoff write_cutoff_;
  Signal arrived_;   // bytes, or their end
  Signal consumed_;  // there is room again
  std::string input_{};
  std::function<void()> on_gone_{};
  std::size_t discarded_bytes_ = 0;
  bool ended_ = false;    // the client has closed its side
  bool broken_ = false;   // nothing more can be written
  bool idle_ = false;     // no byte of a request is here
  bool last_ = false;     // no request after this one
  bool leaving_ = false;  // what arrives is thrown away
};

}  // namespace redknot::http
