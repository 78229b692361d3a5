// SPDX-License-Identifier: Apache-2.0
#include "http/client.h"

#include <utility>
#include <vector>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/error.h"
#include "http/cutoff.h"

namespace redknot::http {

namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

using Socket = std::shared_ptr<tcp::socket>;

asio::awaitable<ErrorStatus> connect_socket(Socket socket, std::string host, int port) {
  ErrorStatus error;
  std::vector<tcp::endpoint> endpoints;
  const asio::ip::address address = asio::ip::make_address(host, error);
  if (!error) {
    endpoints.emplace_back(address, static_cast<std::uint16_t>(port));
  } else {
    tcp::resolver resolver(socket->get_executor());
    const std::string service = std::to_string(port);
    const auto [failure, found] =
        co_await resolver.async_resolve(host, service, asio::as_tuple(asio::use_awaitable));
    if (failure) co_return failure;
    endpoints.assign(found.begin(), found.end());
  }
  const auto [failure, endpoint] =
      co_await asio::async_connect(*socket, endpoints, asio::as_tuple(asio::use_awaitable));
  ErrorStatus ignored;
  if (!failure) socket->set_option(tcp::no_delay(true), ignored);
  co_return failure;
}

std::string request_bytes(const ClientRequest& request, const std::string& host, int port) {
  const bool ipv6 = host.find(':') != std::string::npos;
  std::string out =
      concat(request.method, " ", request.target,
             " HTTP/1.1\r\nHost: ", ipv6 ? "[" + host + "]" : host, ":", port, "\r\n");
  for (const auto& [name, value] : request.headers) out += concat(name, ": ", value, "\r\n");
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    out += concat("Content-Length: ", request.body.size(), "\r\n");
  }
  return out + "\r\n" + request.body;
}

}  // namespace

Client::Client(asio::any_io_executor executor, ClientOptions options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

Client::~Client() { close(); }

void Client::close() {
  if (transport_) transport_->close();
  transport_ = nullptr;
}

Error Client::lost(const std::string& why) {
  close();
  return {ErrorCode::kUnavailable, concat("ask ", options_.host, ":", options_.port, ": ", why)};
}

asio::awaitable<Status> Client::connect() {
  close();
  input_.clear();
  parser_ = nullptr;
  if (options_.port < 1 || options_.port > 65535) co_return lost("not a port");
  if (options_.tls && !tls_) {
    auto made = TlsContext::for_client(options_.verify, options_.roots);
    if (!made.ok()) co_return made.error();
    tls_ = std::move(made).value();
  }
  const auto socket = std::make_shared<tcp::socket>(executor_);
  Cutoff cutoff(executor_, [socket] {
    ErrorStatus ignored;
    socket->close(ignored);
  });
  cutoff.arm(options_.connect_time);
  const ErrorStatus error = co_await connect_socket(socket, options_.host, options_.port);
  cutoff.disarm();
  if (cutoff.passed()) co_return lost("no connection in time");
  if (error) co_return lost(error.message());
  transport_ = tls_ ? tls_->transport(std::move(*socket), TlsContext::Role::kClient, options_.host)
                    : plain_transport(std::move(*socket));
  const Status opened = co_await open_transport();
  co_return opened;
}

asio::awaitable<Status> Client::open_transport() {
  const std::shared_ptr<Transport> transport = transport_;
  Cutoff cutoff(executor_, [transport] { transport->close(); });
  cutoff.arm(options_.connect_time);
  const ErrorStatus error = co_await transport->open();
  if (cutoff.passed()) co_return lost("no TLS handshake in time");
  if (error) co_return lost(error.message());
  co_return Done{};
}

asio::awaitable<Status> Client::write_all(std::string bytes) {
  const std::shared_ptr<Transport> transport = transport_;
  if (!transport) co_return lost("the connection is closed");
  Cutoff cutoff(executor_, [transport] { transport->close(); });
  std::string_view rest = bytes;
  while (!rest.empty()) {
    cutoff.arm(options_.wait_time);
    const Transfer written = co_await transport->write_some(rest);
    rest.remove_prefix(written.bytes);
    if (cutoff.passed()) co_return lost("it takes no bytes");
    if (written.error) {  // what the server has said before is still read
      co_return Error(ErrorCode::kUnavailable, concat("ask ", options_.host, ":", options_.port,
                                                      ": ", written.error.message()));
    }
  }
  co_return Done{};
}

// More bytes for the parser, or its end.
asio::awaitable<Status> Client::read_some() {
  const std::shared_ptr<Transport> transport = transport_;
  if (!transport) co_return lost("the connection is closed");
  Cutoff cutoff(executor_, [transport] { transport->close(); });
  cutoff.arm(options_.wait_time);
  const Transfer read = co_await transport->read_some(bytes_);
  if (cutoff.passed()) co_return lost("no answer in time");
  if (read.error && !transport_) co_return lost("the connection was closed here");
  if (read.error) {
    const Status whole = parser_->put_end();
    if (!whole.ok()) co_return lost(read.error.message());
    close();
    co_return Done{};
  }
  input_.append(bytes_.data(), read.bytes);
  auto used = parser_->put(input_);
  if (!used.ok()) {
    close();
    co_return used.error();
  }
  input_.erase(0, *used);
  co_return Done{};
}

asio::awaitable<Result<ResponseHead>> Client::send(ClientRequest request) {
  const bool reusable = connected() && (!parser_ || (parser_->done() && parser_->keep_alive()));
  if (!reusable) {
    const Status made = co_await connect();
    if (!made.ok()) co_return made.error();
  }
  std::string bytes = request_bytes(request, options_.host, options_.port);
  parser_ = std::make_unique<ResponseParser>(request.method == "HEAD");
  const Status written = co_await write_all(std::move(bytes));
  if (!written.ok() && !connected()) co_return written.error();
  for (;;) {
    if (parser_->header_done() && parser_->head().status >= 200) co_return parser_->head();
    if (parser_->header_done()) {  // 100 Continue and the like
      parser_ = std::make_unique<ResponseParser>(request.method == "HEAD");
      auto used = parser_->put(input_);
      if (!used.ok()) co_return used.error();
      input_.erase(0, *used);
      continue;
    }
    const Status more = co_await read_some();
    if (!more.ok()) co_return more.error();
  }
}

asio::awaitable<Result<std::string>> Client::read_piece() {
  if (!parser_) co_return lost("nothing was asked");
  for (;;) {
    std::string piece = parser_->take_body();
    if (!piece.empty() || parser_->done()) co_return piece;
    const Status more = co_await read_some();
    if (!more.ok()) co_return more.error();
  }
}

asio::awaitable<Result<std::string>> Client::read_body() {
  std::string body;
  for (;;) {
    const Result<std::string> piece = co_await read_piece();
    if (!piece.ok() || piece->empty()) {
      if (!piece.ok()) co_return piece.error();
      co_return body;
    }
    body += *piece;
  }
}

}  // namespace redknot::http
