// SPDX-License-Identifier: Apache-2.0
#include "http/listen.h"

#include <sys/resource.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <utility>

#include <boost/asio/ip/v6_only.hpp>

#include "base/error.h"

namespace redknot::http {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

namespace {

constexpr rlim_t kOtherDescriptors = 320;  // the model, logs, clients that are turned away

Result<std::vector<tcp::endpoint>> resolve(const asio::any_io_executor& executor,
                                           const std::string& host, int port) {
  tcp::resolver resolver(executor);
  error_code error;
  const auto found = resolver.resolve(
      host, std::to_string(port), tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error) return invalid("listen on ", host, ": ", error.message());
  std::vector<tcp::endpoint> endpoints;
  for (const auto& entry : found) {
    if (std::find(endpoints.begin(), endpoints.end(), entry.endpoint()) == endpoints.end()) {
      endpoints.push_back(entry.endpoint());
    }
  }
  return endpoints;
}

error_code bind(tcp::acceptor& acceptor, const tcp::endpoint& endpoint) {
  error_code error;
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && endpoint.protocol() == tcp::v6()) {
    acceptor.set_option(asio::ip::v6_only(true), error);
  }
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  return error;
}

std::string say(const std::string& host, const tcp::endpoint& endpoint) {
  const std::string address = endpoint.address().to_string();
  const std::string name = host == address ? host : concat(host, " (", address, ")");
  return concat("listen on ", name, " port ", endpoint.port());
}

}  // namespace

Result<std::vector<tcp::acceptor>> listen_on(const asio::any_io_executor& executor,
                                             const std::vector<std::string>& hosts, int port) {
  if (hosts.empty()) return invalid("listen: no address is given");
  if (port < 0 || port > 65535) return invalid("listen on port ", port, ": not from 0 to 65535");
  std::vector<tcp::acceptor> acceptors;
  std::set<tcp::endpoint> taken;
  auto actual_port = static_cast<std::uint16_t>(port);
  for (const std::string& host : hosts) {
    REDKNOT_TRY(const auto endpoints, resolve(executor, host, port));
    std::string last_failure = concat("listen on ", host, ": it has no address");
    bool bound = false;
    for (tcp::endpoint endpoint : endpoints) {
      endpoint.port(actual_port);
      if (taken.contains(endpoint)) {
        bound = true;
        continue;
      }
      tcp::acceptor acceptor(executor);
      const error_code error = bind(acceptor, endpoint);
      if (error) last_failure = concat(say(host, endpoint), ": ", error.message());
      if (error == asio::error::address_in_use) return io_error(last_failure);
      if (error) continue;
      bound = true;
      error_code ignored;
      actual_port = acceptor.local_endpoint(ignored).port();
      taken.insert(acceptor.local_endpoint(ignored));
      acceptors.push_back(std::move(acceptor));
    }
    if (!bound) return io_error(last_failure);
  }
  return acceptors;
}

Result<int> room_for_connections(int connections) {
  if (connections < 1) return invalid("listen: at least 1 connection has to be allowed");
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return connections;
  const rlim_t wanted = static_cast<rlim_t>(connections) + kOtherDescriptors;
  if (limit.rlim_cur < wanted) {
    rlimit raised = limit;
    raised.rlim_cur = std::min(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  }
  if (limit.rlim_cur <= kOtherDescriptors) {
    return exhausted("listen: only ", limit.rlim_cur, " descriptors are allowed (ulimit -n)");
  }
  const rlim_t room = std::min(limit.rlim_cur, wanted) - kOtherDescriptors;
  return static_cast<int>(room);
}

}  // namespace redknot::http
