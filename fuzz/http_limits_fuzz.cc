// SPDX-License-Identifier: Apache-2.0
// What a client says, in pieces, to a connection with small limits. Whatever that is, it hears a
// sequence of whole HTTP responses.
//
// The first byte is the size of the pieces in which the rest arrives.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "http/connection.h"
#include "http/response_parser.h"
#include "http/transport.h"

namespace {

namespace asio = boost::asio;
using namespace redknot::http;  // NOLINT(google-build-using-namespace): one file, one target

// Says the bytes and then no more; remembers what it is told.
class SpokenTransport final : public Transport {
 public:
  SpokenTransport(asio::any_io_executor executor, std::string_view said, std::size_t piece_bytes,
                  std::string& heard)
      : executor_(std::move(executor)), said_(said), piece_bytes_(piece_bytes), heard_(heard) {}

  asio::awaitable<ErrorStatus> open() override { co_return ErrorStatus{}; }
  asio::awaitable<Transfer> read_some(std::span<char> into) override {
    co_await asio::post(executor_, asio::use_awaitable);
    Transfer read;
    if (closed_ || said_.empty()) {
      read.error = asio::error::eof;
      co_return read;
    }
    read.bytes = std::min({into.size(), said_.size(), piece_bytes_});
    std::copy_n(said_.begin(), read.bytes, into.begin());
    said_.remove_prefix(read.bytes);
    co_return read;
  }
  asio::awaitable<Transfer> write_some(std::string_view bytes) override {
    co_await asio::post(executor_, asio::use_awaitable);
    Transfer written;
    if (closed_) {
      written.error = asio::error::broken_pipe;
      co_return written;
    }
    written.bytes = bytes.size();
    heard_ += bytes;
    co_return written;
  }
  asio::awaitable<void> finish() override { co_return; }
  void close() override { closed_ = true; }

 private:
  asio::any_io_executor executor_;
  std::string_view said_;
  std::size_t piece_bytes_;
  std::string& heard_;
  bool closed_ = false;
};

struct Listener {
  std::vector<bool> to_head{};  // of the requests, in order

  asio::awaitable<void> answer(const Request& request, Exchange& exchange) {
    to_head.push_back(request.method == "HEAD");
    Reply reply;
    reply.body = request.body + request.path;
    if (request.path.size() % 2 != 0 || !exchange.claim_stream()) {
      co_await exchange.reply(std::move(reply));
      co_return;
    }
    co_await exchange.begin_stream(std::move(reply));
    std::string piece = request.query;
    co_await exchange.write(std::move(piece));
    co_await exchange.end_stream();
  }
};

// The responses, and at most one refusal at the end.
void check(std::string_view heard, const std::vector<bool>& to_head) {
  std::size_t answers = 0;
  while (!heard.empty()) {
    ResponseParser parser(answers < to_head.size() && to_head[answers]);
    const auto used = parser.put(heard);
    if (!used.ok()) std::abort();
    if (!parser.done() && !parser.put_end().ok()) std::abort();
    heard.remove_prefix(parser.done() ? *used : heard.size());
    if (parser.head().status >= 200) ++answers;
  }
  if (answers < to_head.size() || answers > to_head.size() + 1) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view said(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Limits limits{.header_bytes = 512, .headers = 8, .body_bytes = 200, .bodies_bytes = 150};
  Listener listener;
  ServiceTerms terms(limits, [&](const Request& request, Exchange& exchange) {
    return listener.answer(request, exchange);
  });
  std::string heard;
  asio::io_context io(1);
  const asio::any_io_executor executor = io.get_executor();
  auto transport =
      std::make_unique<SpokenTransport>(executor, said, std::size_t{data[0]} + 1, heard);
  auto connection =
      std::make_shared<Connection>(terms, executor, std::move(transport), "127.0.0.1");
  asio::co_spawn(
      executor, [connection] { return connection->run(); }, asio::detached);
  connection = nullptr;
  io.run();
  check(heard, listener.to_head);
  return 0;
}
