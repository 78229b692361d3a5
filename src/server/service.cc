// SPDX-License-Identifier: Apache-2.0
#include "server/service.h"

#include <chrono>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "server/web_files.h"

namespace redknot::server {
namespace {

// Whether the path is the pattern's; `parameter` is what stands for "{id}".
bool matches(std::string_view pattern, std::string_view path, std::string& parameter) {
  const std::size_t at = pattern.find("{id}");
  if (at == std::string_view::npos) return pattern == path;
  const std::string_view before = pattern.substr(0, at);
  if (path.size() <= before.size() || path.substr(0, before.size()) != before) return false;
  const std::string_view rest = path.substr(before.size());
  if (rest.find('/') != std::string_view::npos) return false;
  parameter = std::string(rest);
  return true;
}

bool is_anthropic(std::string_view path) { return path == "/v1/messages"; }

// A page of another site may send requests with what the browser remembers of ours.
bool is_forged(const http::Request& request) {
  const std::string_view site = request.header("sec-fetch-site");
  const bool remembered = request.header("authorization").substr(0, 6) == "Basic ";
  return remembered && (site == "cross-site" || site == "same-site");
}

// The model with what its chat template says, if it has one.
Result<AskableModel> askable(Engine& engine, const ServiceOptions& options) {
  AskableModel model{.engine = engine, .name = options.model_name};
  const bool is_own = options.chat_template.empty();
  const ModelInfo& info = engine.model();
  const std::string& source = is_own ? info.chat_template : options.chat_template;
  if (source.empty() || engine.tokenizer() == nullptr) return model;
  auto parsed = ChatTemplate::parse(source);
  if (!parsed.ok()) {
    return parsed.error().within(is_own ? "read the model's chat template"
                                        : "read the chat template");
  }
  model.style = answer_style(source);
  model.special = special_texts(*engine.tokenizer());
  model.chat = ChatModel{.chat_template = std::move(*parsed),
                         .specials = SpecialTexts::of(*engine.tokenizer()),
                         .bos_text = info.bos_text,
                         .eos_text = info.eos_text};
  return model;
}

http::Reply error_reply(const http::Request& request, const ApiError& error) {
  http::Reply reply{.status = error.status};
  reply.body = is_anthropic(request.path) ? anthropic_error_body(error, request.id)
                                          : openai_error_body(error);
  if (error.status == 401) {
    const bool page = request.path == "/";
    reply.headers.emplace_back(
        "WWW-Authenticate", page ? "Basic realm=\"redknot: API key as the password\"" : "Bearer");
  }
  if (error.status == 429) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

}  // namespace

const std::vector<Service::Entry>& Service::entries() {
  static const std::vector<Entry> entries = {
      {"GET", "/health", &Service::health, true},
      {"GET", "/version", &Service::version, false},
      {"GET", "/metrics", &Service::metrics, false},
      {"GET", "/redknot/status", &Service::status, false},
      {"GET", "/", &Service::web_file, false},
      {"GET", "/v1/models", &Service::models, false},
      {"GET", "/v1/models/{id}", &Service::model, false},
      {"POST", "/tokenize", &Service::tokenize, false},
      {"POST", "/detokenize", &Service::detokenize, false},
      {"PUT", "/v1/segments", &Service::put_segment, false},
      {"GET", "/v1/segments", &Service::list_segments, false},
      {"DELETE", "/v1/segments", &Service::drop_segments, false},
      {"GET", "/v1/segments/{id}", &Service::show_segment, false},
      {"PUT", "/v1/segments/{id}", &Service::pin_segment, false},
      {"DELETE", "/v1/segments/{id}", &Service::drop_segment, false},
      {"POST", "/v1/chat/completions", &Service::chat_completions, false},
      {"POST", "/v1/completions", &Service::completions, false},
      {"POST", "/v1/messages", &Service::messages, false},
  };
  return entries;
}

Service::Service(Engine& engine, ServiceOptions options, Tenants tenants, AccessLog log,
                 AskableModel model)
    : engine_(engine),
      options_(std::move(options)),
      tenants_(std::move(tenants)),
      log_(std::move(log)),
      model_(std::move(model)),
      terms_({.max_tokens = options_.max_tokens,
              .reuse = options_.reuse,
              .recovery = options_.recovery,
              .kv_quota_bytes = options_.kv_quota_bytes,
              .max_queue_seconds = options_.max_queue_seconds}),
      metrics_(options_.model_name),
      segment_texts_(options_.segment_text_bytes),
      workers_(static_cast<std::size_t>(options_.worker_threads)) {}

Service::~Service() { workers_.join(); }

Result<std::unique_ptr<Service>> Service::create(Engine& engine, ServiceOptions options) {
  REDKNOT_TRY(Tenants tenants, Tenants::create(options.tenants));
  REDKNOT_TRY(AccessLog log, AccessLog::open(options.access_log));
  REDKNOT_TRY(AskableModel model, askable(engine, options));
  return std::unique_ptr<Service>(new Service(engine, std::move(options), std::move(tenants),
                                              std::move(log), std::move(model)));
}

void Service::begin_draining() { draining_.store(true); }

http::Handler Service::handler() {
  return [this](const http::Request& request, http::Exchange& exchange) {
    return answer(request, exchange);
  };
}

void Service::refused(const http::Refusal& refusal, const std::string& request_id,
                      const std::string& peer) {
  metrics_.add_request("other", refusal.status);
  log_.write({.request_id = request_id,
              .peer = peer,
              .tenant = "-",
              .status = refusal.status,
              .error = refusal.message});
}

Service::Answered Service::answer(const http::Request& request, http::Exchange& exchange) {
  const auto started = std::chrono::steady_clock::now();
  AccessLine line{.request_id = request.id,
                  .peer = request.peer,
                  .tenant = "-",
                  .method = request.method,
                  .path = request.path};
  std::string route = "other";
  co_await dispatch(request, exchange, line, route);
  line.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  metrics_.add_request(route, line.status);
  log_.write(line);
}

Service::Answered Service::dispatch(const http::Request& request, http::Exchange& exchange,
                                    AccessLine& line, std::string& route) {
  const std::string_view authorization = request.header("authorization");
  const Tenant* tenant = tenants_.find(authorization, request.header("x-api-key"));
  if (tenant != nullptr) line.tenant = tenant->name;
  static const Tenant kNobody{};
  Call call{request, exchange, tenant != nullptr ? *tenant : kNobody, line};
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  std::string allowed;
  const Entry* found = nullptr;
  for (const Entry& entry : entries()) {
    if (!matches(entry.path, request.path, call.parameter)) continue;
    route = entry.path;
    allowed += (allowed.empty() ? "" : ", ") + std::string(entry.method);
    if (method == entry.method) found = &entry;
  }
  const bool is_open = found != nullptr && found->is_open;
  ApiError error;
  if (tenant == nullptr && !is_open) {
    error = {.status = 401,
             .message =
                 "no valid API key: send it as \"Authorization: Bearer KEY\" or \"X-Api-Key: "
                 "KEY\"",
             .code = "invalid_api_key",
             .type = "authentication_error"};
  } else if (!is_open && is_forged(request)) {
    error = {.status = 403, .message = "requests from pages of other sites are not answered"};
  } else if (found != nullptr) {
    co_await (this->*found->route)(call);
    co_return;
  } else if (method == "GET" && find_web_file(request.path) != nullptr) {
    co_await web_file(call);
    co_return;
  } else if (!allowed.empty()) {
    error = {.status = 405,
             .message = request.method + " " + request.path + ": the methods here are " + allowed};
  } else {
    error = {.status = 404, .message = request.method + " " + request.path + ": no such route"};
  }
  co_await fail(call, error);
}

Service::Answered Service::reply(Call& call, http::Reply reply) {
  call.line.status = reply.status;
  co_await call.exchange.reply(std::move(reply));
}

Service::Answered Service::fail(Call& call, ApiError error) {
  call.line.error = error.message;
  http::Reply refusal = error_reply(call.request, error);
  co_await reply(call, std::move(refusal));
}

}  // namespace redknot::server
