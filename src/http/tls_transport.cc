// SPDX-License-Identifier: Apache-2.0
// TLS over TCP with OpenSSL.
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/host_name_verification.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "http/transport.h"

namespace redknot::http {

namespace asio = boost::asio;
namespace ssl = boost::asio::ssl;

namespace {

class TlsTransport final : public Transport {
 public:
  TlsTransport(asio::ip::tcp::socket socket, ssl::context& context, TlsContext::Role role)
      : stream_(std::move(socket), context), role_(role) {}

  // The name that the certificate must bear, and that the server is told.
  void expect_host(const std::string& host, bool verify) {
    SSL_set_tlsext_host_name(stream_.native_handle(), host.c_str());
    ErrorStatus ignored;
    if (verify) stream_.set_verify_callback(ssl::host_name_verification(host), ignored);
  }

  asio::awaitable<ErrorStatus> open() override {
    const auto type =
        role_ == TlsContext::Role::kServer ? ssl::stream_base::server : ssl::stream_base::client;
    const auto [error] =
        co_await stream_.async_handshake(type, asio::as_tuple(asio::use_awaitable));
    co_return error;
  }

  asio::awaitable<Transfer> read_some(std::span<char> into) override {
    const auto buffer = asio::buffer(into.data(), into.size());
    const auto [error, bytes] =
        co_await stream_.async_read_some(buffer, asio::as_tuple(asio::use_awaitable));
    co_return Transfer{.error = error, .bytes = bytes};
  }

  asio::awaitable<Transfer> write_some(std::string_view from) override {
    const auto buffer = asio::buffer(from.data(), from.size());
    const auto [error, bytes] =
        co_await stream_.async_write_some(buffer, asio::as_tuple(asio::use_awaitable));
    co_return Transfer{.error = error, .bytes = bytes};
  }

  asio::awaitable<void> finish() override {
    const auto [ignored] = co_await stream_.async_shutdown(asio::as_tuple(asio::use_awaitable));
    (void)ignored;
  }

  void close() override {
    ErrorStatus ignored;
    stream_.lowest_layer().close(ignored);
  }

 private:
  ssl::stream<asio::ip::tcp::socket> stream_;
  TlsContext::Role role_;
};

}  // namespace

TlsContext::TlsContext() = default;
TlsContext::TlsContext(TlsContext&&) noexcept = default;
TlsContext& TlsContext::operator=(TlsContext&&) noexcept = default;
TlsContext::~TlsContext() = default;

Result<TlsContext> TlsContext::for_server(const Files& files) {
  TlsContext tls;
  tls.context_ = std::make_unique<ssl::context>(ssl::context::tls_server);
  SSL_CTX_set_min_proto_version(tls.context_->native_handle(), TLS1_2_VERSION);
  SSL_CTX_set_options(tls.context_->native_handle(), SSL_OP_NO_RENEGOTIATION);
  ErrorStatus error;
  tls.context_->use_certificate_chain_file(files.certificates, error);
  if (error) return invalid("read certificate ", files.certificates, ": ", error.message());
  tls.context_->use_private_key_file(files.key, ssl::context::pem, error);
  if (error) return invalid("read TLS key ", files.key, ": ", error.message());
  if (SSL_CTX_check_private_key(tls.context_->native_handle()) != 1) {
    return invalid("read TLS key ", files.key, ": it does not belong to ", files.certificates);
  }
  return tls;
}

Result<TlsContext> TlsContext::for_client(bool verify, const std::string& roots) {
  TlsContext tls;
  tls.context_ = std::make_unique<ssl::context>(ssl::context::tls_client);
  SSL_CTX_set_min_proto_version(tls.context_->native_handle(), TLS1_2_VERSION);
  tls.verify_ = verify;
  ErrorStatus error;
  tls.context_->set_verify_mode(verify ? ssl::verify_peer : ssl::verify_none, error);
  if (verify) tls.context_->set_default_verify_paths(error);
  if (!roots.empty()) tls.context_->load_verify_file(roots, error);
  if (error) return invalid("read TLS roots ", roots, ": ", error.message());
  return tls;
}

std::unique_ptr<Transport> TlsContext::transport(asio::ip::tcp::socket socket, Role role,
                                                 const std::string& host) {
  auto made = std::make_unique<TlsTransport>(std::move(socket), *context_, role);
  if (role == Role::kClient) made->expect_host(host, verify_);
  return made;
}

}  // namespace redknot::http
