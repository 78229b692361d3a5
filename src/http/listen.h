// SPDX-License-Identifier: Apache-2.0
// Sockets that wait for clients, and how many descriptors they may need. Called at start.
#pragma once

#include <string>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "redknot/result.h"

namespace redknot::http {

// One acceptor per address of the hosts, all on the same port; port 0 is any free one. A name may
// mean several addresses, of which those that this machine lacks are left out, if one remains.
// kInvalidArgument or kIo: "listen on 127.0.0.1 port 80: Permission denied".
Result<std::vector<boost::asio::ip::tcp::acceptor>> listen_on(
    const boost::asio::any_io_executor& executor, const std::vector<std::string>& hosts, int port);

// Raises this process's limit of open descriptors as far as `connections` need it and the system
// allows. The number of connections that it now has room for.
Result<int> room_for_connections(int connections);

}  // namespace redknot::http
