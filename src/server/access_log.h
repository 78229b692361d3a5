// SPDX-License-Identifier: Apache-2.0
// The access log: one line of JSON for each request, written when it has been answered.
//
// The Service owns the log and is its only caller: it writes a line when a route has ended, and
// when a request was refused before a route was found. Any thread may write, several at a time.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "redknot/result.h"

namespace redknot::server {

// What was answered, where tokens were.
struct AnsweredTokens {
  int prompt_tokens = 0, generated_tokens = 0;
  int exact_tokens = 0, adopted_tokens = 0, recovered_tokens = 0, new_tokens = 0;
  double queue_seconds = 0, ttft_seconds = 0;
  std::string finish{};
};

struct AccessLine {
  std::string request_id{}, peer{}, tenant{}, method{}, path{};
  int status = 0;
  double seconds = 0;
  std::optional<AnsweredTokens> tokens{};
  std::string error{};  // what the client was told
};

class AccessLog {
 public:
  // `path`: a file, which is appended to, "-" for standard error, or "" for none. kIo.
  static Result<AccessLog> open(const std::string& path);
  AccessLog(AccessLog&&) noexcept;
  AccessLog& operator=(AccessLog&&) noexcept;
  ~AccessLog();

  void write(const AccessLine& line);

 private:
  struct Sink;
  explicit AccessLog(std::unique_ptr<Sink> sink);
  std::unique_ptr<Sink> sink_;
};

std::string to_json(const AccessLine& line);

}  // namespace redknot::server
