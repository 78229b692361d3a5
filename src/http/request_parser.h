// SPDX-License-Identifier: Apache-2.0
// Bytes to one request, within limits. Strict where two readers could disagree about where it ends:
// one Content-Length of digits only, or Transfer-Encoding "chunked" alone.
//
// A Connection owns the parser of the request that it reads, and calls it on its strand. The parser
// owns what it has read until take() moves it out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "http/limits.h"
#include "http/refusal.h"

namespace redknot::http {

class RequestParser {
 public:
  explicit RequestParser(const Limits& limits);
  ~RequestParser();
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  // Reads from bytes that begin where the last call stopped, and says how many it needs no more;
  // the rest is given again with more after it. Stops after the headers (once), after the request,
  // and at a refusal. 0 means: more bytes are needed.
  std::size_t put(std::string_view bytes);

  bool header_done() const;
  bool done() const;
  const std::optional<Refusal>& refusal() const;
  std::size_t body_bytes() const;  // so far
  // After the headers:
  bool keep_alive() const;
  bool version_1_0() const;
  bool expects_continue() const;
  const Request& head() const;  // without peer, id and body

  // Once done(): without peer and id.
  Request take();

 private:
  class Messages;
  std::unique_ptr<Messages> messages_;
};

// Percent-decoding of a path. Nothing if it is malformed or means a control character.
std::optional<std::string> decode_path(std::string_view path);

}  // namespace redknot::http
