// SPDX-License-Identifier: Apache-2.0
// A connected pair of byte streams: TCP, TLS over TCP, or what a test makes of it.
//
// Everything happens on the executor of the socket, a strand. At most one read and one write are
// under way at a time; close() ends both with an error.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/system/error_code.hpp>

#include "redknot/result.h"

namespace boost::asio::ssl {
class context;
}

namespace redknot::http {

using ErrorStatus = boost::system::error_code;

struct Transfer {
  ErrorStatus error{};
  std::size_t bytes = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // The handshake; nothing for plain TCP.
  virtual boost::asio::awaitable<ErrorStatus> open() = 0;
  // Waits for at least one byte; an error at the end of the stream.
  virtual boost::asio::awaitable<Transfer> read_some(std::span<char> into) = 0;
  // Waits until at least one byte was taken.
  virtual boost::asio::awaitable<Transfer> write_some(std::string_view bytes) = 0;
  // Tells the peer that nothing more follows; reading goes on.
  virtual boost::asio::awaitable<void> finish() = 0;
  virtual void close() = 0;
};

// What TLS connections share: certificate, key, lowest version (1.2).
class TlsContext {
 public:
  enum class Role { kServer, kClient };
  struct Files {
    std::string certificates{};  // PEM, the chain, leaf first
    std::string key{};           // PEM
  };
  static Result<TlsContext> for_server(const Files& files);
  // With verify, the server's certificate must be signed by a root that this machine trusts or that
  // is in `roots` (PEM file; "" for none), and name the host.
  static Result<TlsContext> for_client(bool verify, const std::string& roots);

  TlsContext(TlsContext&&) noexcept;
  TlsContext& operator=(TlsContext&&) noexcept;
  ~TlsContext();

  // Over a connected socket. `host` is what the client asked for, unused by servers.
  std::unique_ptr<Transport> transport(boost::asio::ip::tcp::socket socket, Role role,
                                       const std::string& host);

 private:
  TlsContext();
  std::unique_ptr<boost::asio::ssl::context> context_;
  bool verify_ = false;
};

std::unique_ptr<Transport> plain_transport(boost::asio::ip::tcp::socket socket);

}  // namespace redknot::http
