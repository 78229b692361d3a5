// SPDX-License-Identifier: Apache-2.0
#include "load/server_probe.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/json_fields.h"
#include "load/answer.h"
#include "load/connection.h"
#include "load/metrics_text.h"
#include "load/text.h"

namespace redknot::load {
namespace {

namespace asio = boost::asio;
using Json = nlohmann::json;

constexpr auto kPatience = std::chrono::seconds(30);

asio::awaitable<Result<WholeAnswer>> fetch_now(Address address, OutgoingRequest request) {
  const auto deadline = Connection::Clock::now() + kPatience;
  Result<WholeAnswer> out = co_await fetch(std::move(address), std::move(request), deadline);
  co_return out;
}

Result<std::string> model_of(const WholeAnswer& answer) {
  if (answer.status != 200) {
    return Error(ErrorCode::kUnavailable,
                 concat("HTTP ", answer.status, ": ", error_message(answer.body)));
  }
  const Json object = Json::parse(answer.body, nullptr, /*allow_exceptions=*/false);
  const Json& list = member_of(object, "data");
  if (list.is_array() && !list.empty()) {
    const Json& id = member_of(list.front(), "id");
    if (id.is_string()) return id.get<std::string>();
  }
  return Error(ErrorCode::kUnavailable, "the server names no model; give one by name");
}

// vLLM says a count, llama.cpp and others list the tokens.
std::optional<double> tokens_of(const std::string& body) {
  const Json object = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  for (const char* name : {"count", "token_count"}) {
    const Json& count = member_of(object, name);
    if (count.is_number_unsigned()) return count.get<double>();
  }
  const Json& tokens = member_of(object, "tokens");
  if (!tokens.is_array()) return std::nullopt;
  return static_cast<double>(tokens.size());
}

std::optional<double> first_value(const std::string& text, const char* ours, const char* theirs) {
  const auto value = metric_value(text, ours);
  return value ? value : metric_value(text, theirs);
}

}  // namespace

asio::awaitable<Result<std::string>> first_model(Address address, std::string api_key) {
  const std::string place = concat("ask ", address.text(), " for its models");
  OutgoingRequest request{.method = "GET", .path = "/v1/models", .api_key = std::move(api_key)};
  const Result<WholeAnswer> answer = co_await fetch_now(std::move(address), std::move(request));
  if (!answer.ok())
    co_return Error(ErrorCode::kUnavailable, answer.error().message()).within(place);
  Result<std::string> model = model_of(*answer);
  if (!model.ok()) co_return model.error().within(place);
  co_return model;
}

asio::awaitable<std::optional<double>> tokens_per_word(Address address, std::string api_key,
                                                       std::string model) {
  const std::string text = calibration_text();
  // vLLM calls the text "prompt", llama.cpp "content".
  const Json body = {{"model", std::move(model)},
                     {"prompt", text},
                     {"content", text},
                     {"add_special_tokens", false},
                     {"add_special", false}};
  OutgoingRequest request{.path = "/tokenize", .body = body.dump(), .api_key = std::move(api_key)};
  const Result<WholeAnswer> answer = co_await fetch_now(std::move(address), std::move(request));
  if (!answer.ok() || answer->status != 200) co_return std::nullopt;
  const std::optional<double> tokens = tokens_of(answer->body);
  if (!tokens || *tokens < 1) co_return std::nullopt;
  co_return *tokens / kCalibrationWords;
}

asio::awaitable<ServerGauges> read_gauges(Address address, std::string api_key) {
  OutgoingRequest request{.method = "GET", .path = "/metrics", .api_key = std::move(api_key)};
  const Result<WholeAnswer> answer = co_await fetch_now(std::move(address), std::move(request));
  ServerGauges out;
  if (!answer.ok() || answer->status != 200) co_return out;
  out.running =
      first_value(answer->body, "redknot:num_requests_running", "vllm:num_requests_running");
  out.preemptions =
      first_value(answer->body, "redknot:num_preemptions_total", "vllm:num_preemptions_total");
  co_return out;
}

}  // namespace redknot::load
