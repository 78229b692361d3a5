// SPDX-License-Identifier: Apache-2.0
#include "server/access_log.h"

#include <spdlog/logger.h>
#include <spdlog/sinks/basic_file_sink.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <chrono>
#include <cmath>
#include <ctime>
#include <utility>

#include "base/error.h"
#include "server/json_fields.h"

namespace redknot::server {
namespace {

std::string utc_time() {
  const auto now = std::chrono::system_clock::now();
  const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
  const auto since = now.time_since_epoch();
  const long long milliseconds =
      std::chrono::duration_cast<std::chrono::milliseconds>(since).count() % 1000;
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char date[32], text[48];
  std::strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &utc);
  std::snprintf(text, sizeof(text), "%s.%03lldZ", date, milliseconds);
  return text;
}

double rounded(double seconds) { return std::round(seconds * 1e6) / 1e6; }

}  // namespace

struct AccessLog::Sink {
  std::shared_ptr<spdlog::logger> logger;  // null: nothing is written
};

AccessLog::AccessLog(std::unique_ptr<Sink> sink) : sink_(std::move(sink)) {}
AccessLog::AccessLog(AccessLog&&) noexcept = default;
AccessLog& AccessLog::operator=(AccessLog&&) noexcept = default;
AccessLog::~AccessLog() = default;

Result<AccessLog> AccessLog::open(const std::string& path) {
  auto sink = std::make_unique<Sink>();
  if (path.empty()) return AccessLog(std::move(sink));
  try {
    std::shared_ptr<spdlog::sinks::sink> output;
    if (path == "-") {
      output = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    } else {
      output = std::make_shared<spdlog::sinks::basic_file_sink_mt>(path);
    }
    sink->logger = std::make_shared<spdlog::logger>("access", std::move(output));
    sink->logger->set_pattern("%v");
    sink->logger->flush_on(spdlog::level::info);
    sink->logger->set_error_handler([](const std::string&) {});  // a full disk ends no request
  } catch (const spdlog::spdlog_ex& error) {
    return io_error("open access log ", path, ": ", error.what());
  }
  return AccessLog(std::move(sink));
}

void AccessLog::write(const AccessLine& line) {
  if (sink_->logger) sink_->logger->info(to_json(line));
}

std::string to_json(const AccessLine& line) {
  Json json = {{"time", utc_time()},    {"request_id", line.request_id},   {"peer", line.peer},
               {"tenant", line.tenant}, {"method", line.method},           {"path", line.path},
               {"status", line.status}, {"seconds", rounded(line.seconds)}};
  if (line.tokens) {
    const AnsweredTokens& tokens = *line.tokens;
    json["prompt_tokens"] = tokens.prompt_tokens;
    json["generated_tokens"] = tokens.generated_tokens;
    json["exact_tokens"] = tokens.exact_tokens;
    json["adopted_tokens"] = tokens.adopted_tokens;
    json["recovered_tokens"] = tokens.recovered_tokens;
    json["new_tokens"] = tokens.new_tokens;
    json["queue_seconds"] = rounded(tokens.queue_seconds);
    json["ttft_seconds"] = rounded(tokens.ttft_seconds);
    json["finish"] = tokens.finish;
  }
  if (!line.error.empty()) json["error"] = line.error;
  return dump_json(json);
}

}  // namespace redknot::server
