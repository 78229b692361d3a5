// SPDX-License-Identifier: Apache-2.0
#include "http/response_parser.h"

#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "base/error.h"
#include "http/text.h"

namespace redknot::http {

namespace bhttp = boost::beast::http;
using Text = boost::beast::string_view;
using BeastError = boost::beast::error_code;

namespace {

constexpr std::uint32_t kHeaderBytes = 64 * 1024;

}  // namespace

class ResponseParser::Messages final : public bhttp::basic_parser<false> {
 public:
  ResponseHead head{};
  std::string body{};
  bool header_done = false;

 private:
  void on_request_impl(bhttp::verb, Text, Text, int, BeastError& error) override {
    error = bhttp::error::bad_status;
  }
  void on_response_impl(int status, Text, int, BeastError&) override { head.status = status; }
  void on_field_impl(bhttp::field, Text name, Text value, BeastError&) override {
    if (!header_done) head.headers.emplace_back(lower_case(view(name)), view(value));
  }
  void on_header_impl(BeastError&) override { header_done = true; }
  void on_body_init_impl(const boost::optional<std::uint64_t>&, BeastError&) override {}
  std::size_t on_body_impl(Text piece, BeastError&) override {
    body += view(piece);
    return piece.size();
  }
  void on_chunk_header_impl(std::uint64_t, Text, BeastError&) override {}
  std::size_t on_chunk_body_impl(std::uint64_t, Text piece, BeastError&) override {
    body += view(piece);
    return piece.size();
  }
  void on_finish_impl(BeastError&) override {}
};

std::string_view ResponseHead::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (key == name) return value;
  }
  return {};
}

ResponseParser::ResponseParser(bool to_head) : messages_(std::make_unique<Messages>()) {
  messages_->header_limit(kHeaderBytes);
  messages_->body_limit(boost::none);
  messages_->skip(to_head);
}
ResponseParser::~ResponseParser() = default;

Result<std::size_t> ResponseParser::put(std::string_view bytes) {
  std::size_t used = 0;
  while (!messages_->is_done() && used < bytes.size()) {
    BeastError error;
    const std::string_view rest = bytes.substr(used);
    const std::size_t step = messages_->put(boost::asio::buffer(rest.data(), rest.size()), error);
    used += step;
    if (error == bhttp::error::need_more) break;
    if (error) return corrupt("read response: ", error.message());
  }
  if (!messages_->is_done() && bytes.size() - used > kHeaderBytes) {
    return corrupt("read response: a line is too long");
  }
  return used;
}

Status ResponseParser::put_end() {
  BeastError error = bhttp::error::partial_message;
  if (messages_->got_some() && !messages_->is_done()) messages_->put_eof(error);
  if (messages_->is_done()) return Done{};
  return corrupt("read response: the connection ended before it was complete");
}

bool ResponseParser::header_done() const { return messages_->header_done; }
bool ResponseParser::done() const { return messages_->is_done(); }
bool ResponseParser::keep_alive() const { return messages_->keep_alive(); }
const ResponseHead& ResponseParser::head() const { return messages_->head; }
std::string ResponseParser::take_body() { return std::exchange(messages_->body, {}); }

}  // namespace redknot::http
