// SPDX-License-Identifier: Apache-2.0
#include "http/request_parser.h"

#include <algorithm>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/error.hpp>

#include "http/text.h"

namespace redknot::http {

namespace beast = boost::beast;
namespace bhttp = boost::beast::http;

using Text = beast::string_view;
using ErrorCode = beast::error_code;

namespace {

bool all_digits(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

Refusal refusal_of(const ErrorCode& error) {
  if (error == bhttp::error::body_limit) {
    return {.status = 413, .message = "The body is too large", .code = "body_too_large"};
  }
  if (error == bhttp::error::header_limit) {
    return {.status = 431, .message = "The headers are too large", .code = "header_too_large"};
  }
  return {.status = 400, .message = "Malformed HTTP: " + error.message(), .code = "malformed"};
}

}  // namespace

// Beast's events, gathered into a Request. A callback that refuses sets an error, which ends put().
class RequestParser::Messages final : public bhttp::basic_parser<true> {
 public:
  explicit Messages(const Limits& limits) : limits_(limits) {
    header_limit(static_cast<std::uint32_t>(std::min<std::size_t>(limits.header_bytes, 1u << 30)));
    body_limit(limits.body_bytes);
  }

  std::size_t put_some(std::string_view bytes);

  Request request{};
  std::optional<Refusal> refusal{};
  bool in_body = false;  // the headers are complete
  bool http_1_0 = false;
  bool expects_continue = false;

 private:
  std::size_t put_once(std::string_view bytes);
  void refuse(int status, std::string message, std::string code, ErrorCode& error) {
    refusal = Refusal{.status = status, .message = std::move(message), .code = std::move(code)};
    error = bhttp::error::bad_value;
  }
  void check_field(std::string_view name, std::string_view value, ErrorCode& error);
  void check_transfer_encoding(std::string_view value, ErrorCode& error);
  void set_target(std::string_view target, ErrorCode& error);
  void append_body(Text body, ErrorCode& error);

  void on_request_impl(bhttp::verb verb, Text method, Text target, int version,
                       ErrorCode& error) override;
  void on_response_impl(int status, Text reason, int version, ErrorCode& error) override;
  void on_field_impl(bhttp::field field, Text name, Text value, ErrorCode& error) override;
  void on_header_impl(ErrorCode& error) override;
  void on_body_init_impl(const boost::optional<std::uint64_t>& length, ErrorCode& error) override;
  std::size_t on_body_impl(Text body, ErrorCode& error) override;
  void on_chunk_header_impl(std::uint64_t size, Text extensions, ErrorCode& error) override;
  std::size_t on_chunk_body_impl(std::uint64_t remain, Text body, ErrorCode& error) override;
  void on_finish_impl(ErrorCode& error) override;

  const Limits& limits_;
  std::size_t header_bytes_ = 0;
  int headers_ = 0;
  int hosts_ = 0;
  bool has_length_ = false;
  bool has_encoding_ = false;
};

void RequestParser::Messages::on_request_impl(bhttp::verb, Text method, Text target, int version,
                                              ErrorCode& error) {
  request.method = view(method);
  http_1_0 = version == 10;
  set_target(view(target), error);
}

void RequestParser::Messages::on_response_impl(int, Text, int, ErrorCode& error) {
  error = bhttp::error::bad_method;
}

void RequestParser::Messages::set_target(std::string_view target, ErrorCode& error) {
  const std::size_t scheme = target.find("://");
  if (!target.empty() && target.front() != '/' &&
      scheme != std::string_view::npos) {  // as proxies are asked
    const std::size_t path = target.find_first_of("/?", scheme + 3);
    target = path == std::string_view::npos ? "/" : target.substr(path);
  }
  target = target.substr(0, target.find('#'));
  const std::size_t question = target.find('?');
  if (question != std::string_view::npos) request.query = target.substr(question + 1);
  std::optional<std::string> path = decode_path(target.substr(0, question));
  if (!path) return refuse(400, "The path is not properly encoded", "malformed", error);
  request.path = path->empty() ? "/" : std::move(*path);
}

void RequestParser::Messages::on_field_impl(bhttp::field, Text name, Text value, ErrorCode& error) {
  if (++headers_ > limits_.headers) {
    return refuse(431, "There are too many headers", "header_too_large", error);
  }
  if (in_body) return;  // a trailer
  std::string key = lower_case(view(name));
  check_field(key, view(value), error);
  if (!error) request.headers.emplace_back(std::move(key), view(value));
}

void RequestParser::Messages::check_field(std::string_view name, std::string_view value,
                                          ErrorCode& error) {
  if (name == "content-length") {
    if (std::exchange(has_length_, true) || !all_digits(value)) {
      refuse(400, "Content-Length must be one number", "malformed", error);
    }
  } else if (name == "transfer-encoding") {
    check_transfer_encoding(value, error);
  } else if (name == "host") {
    ++hosts_;
  } else if (name == "expect") {
    expects_continue = !http_1_0 && lower_case(value) == "100-continue";
    if (!http_1_0 && !expects_continue) {
      refuse(417, "Only Expect: 100-continue is known", "unknown_expectation", error);
    }
  }
}

void RequestParser::Messages::check_transfer_encoding(std::string_view value, ErrorCode& error) {
  if (std::exchange(has_encoding_, true) || http_1_0) {
    return refuse(400, "Transfer-Encoding is ambiguous", "malformed", error);
  }
  if (lower_case(value) != "chunked") {
    refuse(501, "Only Transfer-Encoding: chunked is known", "unknown_encoding", error);
  }
}

void RequestParser::Messages::on_header_impl(ErrorCode& error) {
  in_body = true;
  headers_ = 0;
  if (hosts_ > 1 || (hosts_ == 0 && !http_1_0)) {
    refuse(400, "One Host header is required", "malformed", error);
  }
}

void RequestParser::Messages::append_body(Text body, ErrorCode& error) {
  if (request.body.size() + body.size() > limits_.body_bytes) {
    error = bhttp::error::body_limit;
    return;
  }
  request.body.append(body.data(), body.size());
}

void RequestParser::Messages::on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) {
}

std::size_t RequestParser::Messages::on_body_impl(Text body, ErrorCode& error) {
  append_body(body, error);
  return body.size();
}

void RequestParser::Messages::on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) {}

std::size_t RequestParser::Messages::on_chunk_body_impl(std::uint64_t, Text body,
                                                        ErrorCode& error) {
  append_body(body, error);
  return body.size();
}

void RequestParser::Messages::on_finish_impl(ErrorCode&) {}

// One step of Beast's machine: a line, the headers, or a run of body bytes.
std::size_t RequestParser::Messages::put_once(std::string_view bytes) {
  ErrorCode error;
  const std::size_t used = put(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == bhttp::error::need_more) error = {};
  if (error && !refusal) refusal = refusal_of(error);
  return used;
}

std::size_t RequestParser::Messages::put_some(std::string_view bytes) {
  std::size_t used = 0;
  while (!refusal && !is_done() && used < bytes.size()) {
    const bool before_body = !in_body;
    const std::size_t step = put_once(bytes.substr(used));
    used += step;
    if (before_body) {
      header_bytes_ += step;
      const std::size_t pending = in_body ? 0 : bytes.size() - used;
      if (!refusal && header_bytes_ + pending > limits_.header_bytes) {
        refusal = refusal_of(bhttp::error::header_limit);
      }
    }
    if (step == 0 || (before_body && in_body)) break;
  }
  return used;
}

RequestParser::RequestParser(const Limits& limits)
    : messages_(std::make_unique<Messages>(limits)) {}
RequestParser::~RequestParser() = default;

std::size_t RequestParser::put(std::string_view bytes) { return messages_->put_some(bytes); }
bool RequestParser::header_done() const { return messages_->in_body; }
bool RequestParser::done() const { return !messages_->refusal && messages_->is_done(); }
const std::optional<Refusal>& RequestParser::refusal() const { return messages_->refusal; }
std::size_t RequestParser::body_bytes() const { return messages_->request.body.size(); }
bool RequestParser::keep_alive() const { return messages_->keep_alive(); }
bool RequestParser::version_1_0() const { return messages_->http_1_0; }
bool RequestParser::expects_continue() const { return messages_->expects_continue; }
const Request& RequestParser::head() const { return messages_->request; }

Request RequestParser::take() { return std::move(messages_->request); }

std::optional<std::string> decode_path(std::string_view path) {
  std::string out;
  out.reserve(path.size());
  for (std::size_t i = 0; i < path.size(); ++i) {
    char c = path[i];
    if (c == '%') {
      const int high = i + 2 < path.size() ? hex_value(path[i + 1]) : -1;
      const int low = i + 2 < path.size() ? hex_value(path[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if ((c >= 0 && c < ' ') || c == '\x7f') return std::nullopt;
    out += c;
  }
  return out;
}

}  // namespace redknot::http
