// SPDX-License-Identifier: Apache-2.0
// Sends the answers of one request to its client, as they come or as a whole. It owns the request's
// generations, and runs on the strand of the client's connection.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <optional>

#include "http/exchange.h"
#include "server/access_log.h"
#include "server/api_error.h"
#include "server/metrics.h"
#include "server/start_request.h"
#include "server/under_way.h"

namespace redknot::server {

// How it went, for the log.
struct Outcome {
  int status = 200;
  AnsweredTokens tokens{};
  std::optional<ApiError> failed{};
  bool is_refused = false;  // the failure has not been told to the client yet
};

// Ends when the client has everything, or has left, or the answer is cut: then what still generates
// is cancelled. A stream whose first piece takes long begins empty, and is kept alive by pings.
boost::asio::awaitable<Outcome> send_response(StartedRequest started, http::Exchange& exchange,
                                              Metrics& metrics, UnderWay::Answer& self);

}  // namespace redknot::server
