// SPDX-License-Identifier: Apache-2.0
// What a load asks the server about itself. Coroutines on the load's thread.
#pragma once

#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include "load/address.h"
#include "redknot/result.h"

namespace redknot::load {

// The first model of GET /v1/models; kUnavailable if the server is not there or says none.
boost::asio::awaitable<Result<std::string>> first_model(Address address, std::string api_key);

// Tokens that a word of load/text.h has, by POST /tokenize; nothing if there is no such route.
boost::asio::awaitable<std::optional<double>> tokens_per_word(Address address, std::string api_key,
                                                              std::string model);

// Of GET /metrics, as RedKnot or vLLM calls them; nothing where the server does not say.
struct ServerGauges {
  std::optional<double> running{};
  std::optional<double> preemptions{};
};
boost::asio::awaitable<ServerGauges> read_gauges(Address address, std::string api_key);

}  // namespace redknot::load
