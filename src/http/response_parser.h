// SPDX-License-Identifier: Apache-2.0
// Bytes to one response, its body in the pieces that arrive.
//
// The Client owns the parser of the response that it waits for, and calls it on its strand. The
// parser owns what it has read; take_body() moves out what has come since the last call.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "http/exchange.h"
#include "redknot/result.h"

namespace redknot::http {

struct ResponseHead {
  int status = 0;
  Headers headers{};  // names in lower case

  // The value of the first header of this name (lower case); empty if there is none.
  std::string_view header(std::string_view name) const;
};

class ResponseParser {
 public:
  // `to_head`: the request was HEAD, so there is no body whatever the headers say.
  explicit ResponseParser(bool to_head);
  ~ResponseParser();
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  // How many of the bytes, which begin where the last call stopped, are needed no more. kCorrupt if
  // this is no HTTP.
  Result<std::size_t> put(std::string_view bytes);
  // The connection has ended. kCorrupt if that cuts the response short.
  Status put_end();

  bool header_done() const;
  bool done() const;
  bool keep_alive() const;
  const ResponseHead& head() const;
  std::string take_body();  // what has come since the last call

 private:
  class Messages;
  std::unique_ptr<Messages> messages_;
};

}  // namespace redknot::http
