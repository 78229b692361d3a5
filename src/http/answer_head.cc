// SPDX-License-Identifier: Apache-2.0
#include "http/answer_head.h"

#include <cstdio>
#include <ctime>
#include <random>

#include <boost/beast/http/status.hpp>

#include "http/text.h"

namespace redknot::http {

namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT", in English whatever the locale is.
std::string date_now() {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[64];
  std::snprintf(text, sizeof(text), "%s, %02d %s %d %02d:%02d:%02d GMT", kDays[utc.tm_wday],
                utc.tm_mday, kMonths[utc.tm_mon], utc.tm_year + 1900, utc.tm_hour, utc.tm_min,
                utc.tm_sec);
  return text;
}

void append_header(std::string& out, std::string_view name, std::string_view value) {
  out += name;
  out += ": ";
  for (const char c : value) {
    const bool control = (c >= 0 && c < ' ') || c == '\x7f';
    out += control ? ' ' : c;
  }
  out += "\r\n";
}

bool is_token(std::string_view name) {
  for (const char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_') return false;
  }
  return !name.empty();
}

bool written_here(std::string_view name) {
  const std::string key = lower_case(name);
  return key == "content-length" || key == "transfer-encoding" || key == "connection" ||
         key == "date" || key == "content-type" || key == "x-request-id";
}

void append_headers(std::string& out, const Headers& headers) {
  for (const auto& [name, value] : headers) {
    if (is_token(name) && !written_here(name)) append_header(out, name, value);
  }
}

}  // namespace

bool bodiless(int status) { return status < 200 || status == 204 || status == 304; }

std::string answer_head(const Reply& reply, const Headers& more, const AnswerForm& form) {
  const int status = reply.status >= 200 && reply.status <= 599 ? reply.status : 500;
  const auto reason =
      boost::beast::http::obsolete_reason(boost::beast::http::int_to_status(status));
  std::string out = "HTTP/1.1 " + std::to_string(status) + " ";
  out.append(reason.data(), reason.size());
  out += "\r\n";
  append_header(out, "Date", date_now());
  append_header(out, "X-Request-Id", form.request_id);
  if (!bodiless(status)) {
    if (!reply.content_type.empty()) append_header(out, "Content-Type", reply.content_type);
    if (form.length) {
      append_header(out, "Content-Length", std::to_string(*form.length));
    } else if (!form.http_1_0) {
      append_header(out, "Transfer-Encoding", "chunked");
    }
  }
  if (!form.keep_alive) append_header(out, "Connection", "close");
  if (form.keep_alive && form.http_1_0) append_header(out, "Connection", "keep-alive");
  append_headers(out, reply.headers);
  append_headers(out, more);
  out += "\r\n";
  return out;
}

std::string chunk(std::string_view bytes) {
  char length[32];
  std::snprintf(length, sizeof(length), "%zx\r\n", bytes.size());
  std::string out = length;
  out += bytes;
  out += "\r\n";
  return out;
}

std::string request_id(std::string_view asked) {
  constexpr std::string_view kPunctuation = "-_.:/+=@";
  bool fit = !asked.empty() && asked.size() <= 128;
  for (const char c : asked) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    const bool digit = c >= '0' && c <= '9';
    fit = fit && (letter || digit || kPunctuation.find(c) != std::string_view::npos);
  }
  if (fit) return std::string(asked);
  thread_local std::mt19937_64 random{(std::uint64_t{std::random_device{}()} << 32) ^
                                      std::random_device{}()};
  char text[40];
  std::snprintf(text, sizeof(text), "req-%016llx", static_cast<unsigned long long>(random()));
  return text;
}

}  // namespace redknot::http
