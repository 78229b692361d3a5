// SPDX-License-Identifier: Apache-2.0
#include "server/service.h"

#include <algorithm>
#include <chrono>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"
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
  parameter = std::string(rest);
  return true;
}

bool is_anthropic(std::string_view path) { return path == "/v1/messages"; }

// "example.org:8080" of "https://example.org:8080".
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

// Whether the host of "host:port" can be no other machine's name: an address, or localhost. A name
// may be made to lead here by whoever owns it, while its pages are another site's (DNS rebinding).
bool is_surely_ours(std::string_view host) {
  const std::string_view name = host.substr(0, host.rfind(':'));
  return host.starts_with('[') || name == "localhost" || name.ends_with(".localhost") ||
         name.find_first_not_of("0123456789.") == std::string_view::npos;
}

// A page of another site may have a browser send requests, with what it remembers of us; what it
// cannot have it send are keys in headers. What a browser remembers goes by the name of the host,
// so where keys are wanted a name is as good as an address.
bool is_forged(const http::Request& request, const std::vector<std::string>& allowed_origins,
               bool keys_are_wanted) {
  const bool has_key = !request.header("x-api-key").empty() ||
                       request.header("authorization").substr(0, 7) == "Bearer ";
  const std::string_view origin = request.header("origin");
  const std::string_view host = request.header("host");
  if (has_key || origin.empty()) return false;
  if (authority_of(origin) == host && (keys_are_wanted || is_surely_ours(host))) return false;
  return std::none_of(allowed_origins.begin(), allowed_origins.end(),
                      [&](const auto& allowed) { return allowed == "*" || allowed == origin; });
}

// The model with what its chat template says, if it has one.
Result<ApiModel> api_model(Engine& engine, const ServiceOptions& options) {
  ApiModel model{.engine = engine, .name = options.model_name};
  REDKNOT_TRY(model.chat,
              chat::chat_model(engine.model(), engine.tokenizer(), options.chat_template));
  if (model.chat) model.style = chat::answer_style(model.chat->chat_template.source());
  if (model.chat) model.special = chat::special_markers(model.chat->specials.all());
  return model;
}

std::string error_body(const ApiError& error, const std::string& path,
                       const std::string& request_id) {
  return is_anthropic(path) ? anthropic_error_body(error, request_id) : openai_error_body(error);
}

http::Reply error_reply(const http::Request& request, const ApiError& error,
                        const std::string& allowed_methods) {
  http::Reply reply{.status = error.status, .body = error_body(error, request.path, request.id)};
  if (error.status == 401) {
    const bool page = request.path == "/";
    reply.headers.emplace_back(
        "WWW-Authenticate", page ? "Basic realm=\"redknot: API key as the password\"" : "Bearer");
  }
  if (error.status == 405) reply.headers.emplace_back("Allow", allowed_methods);
  if (error.status == 429 || error.status == 503) reply.headers.emplace_back("Retry-After", "1");
  return reply;
}

}  // namespace

const std::vector<Service::Entry>& Service::entries() {
  using Needs = Entry::Needs;
  static const std::vector<Entry> entries = {
      {"GET", "/health", &Service::health, Needs::kNothing},
      {"GET", "/version", &Service::version, Needs::kKey},
      {"GET", "/metrics", &Service::metrics, Needs::kKey},
      {"GET", "/redknot/status", &Service::status, Needs::kKey},
      {"GET", "/", &Service::web_file, Needs::kKey},
      {"GET", "/v1/models", &Service::models, Needs::kKey},
      {"GET", "/v1/models/{id}", &Service::model, Needs::kKey},
      {"POST", "/tokenize", &Service::tokenize, Needs::kKey},
      {"POST", "/detokenize", &Service::detokenize, Needs::kKey},
      {"PUT", "/v1/segments", &Service::put_segment, Needs::kKeyAndTime},
      {"GET", "/v1/segments", &Service::list_segments, Needs::kKey},
      {"DELETE", "/v1/segments", &Service::drop_segments, Needs::kKey},
      {"GET", "/v1/segments/{id}", &Service::show_segment, Needs::kKey},
      {"PUT", "/v1/segments/{id}", &Service::pin_segment, Needs::kKey},
      {"DELETE", "/v1/segments/{id}", &Service::drop_segment, Needs::kKey},
      {"POST", "/v1/chat/completions", &Service::chat_completions, Needs::kKeyAndTime},
      {"POST", "/v1/completions", &Service::completions, Needs::kKeyAndTime},
      {"POST", "/v1/messages", &Service::messages, Needs::kKeyAndTime},
  };
  return entries;
}

Service::Service(Engine& engine, ServiceOptions options, Tenants tenants, AccessLog log,
                 ApiModel model)
    : engine_(engine),
      options_(std::move(options)),
      tenants_(std::move(tenants)),
      log_(std::move(log)),
      model_(std::move(model)),
      terms_({.max_tokens = options_.max_tokens,
              .sampling = options_.sampling,
              .reuse = options_.reuse,
              .recovery = options_.recovery,
              .kv_quota_bytes = options_.kv_quota_bytes,
              // Of several tenants none goes before the others.
              .most_priority = options_.tenants.api_keys.size() > 1 ? 0 : kMostPriority,
              .max_queue_seconds = options_.max_queue_seconds}),
      metrics_(options_.model_name),
      segment_texts_(options_.segment_text_bytes / tenants_.count()),
      workers_(static_cast<std::size_t>(options_.worker_threads)),
      errands_(1) {}

Service::~Service() {
  workers_.join();
  errands_.join();
}

Result<std::unique_ptr<Service>> Service::create(Engine& engine, ServiceOptions options) {
  REDKNOT_TRY(Tenants tenants, Tenants::create(options.tenants));
  REDKNOT_TRY(AccessLog log, AccessLog::open(options.access_log));
  REDKNOT_TRY(ApiModel model, api_model(engine, options));
  return std::unique_ptr<Service>(new Service(engine, std::move(options), std::move(tenants),
                                              std::move(log), std::move(model)));
}

void Service::begin_draining() { draining_.store(true); }

http::Handler Service::handler() {
  return [this](const http::Request& request, http::Exchange& exchange) {
    return answer(request, exchange);
  };
}

http::Reply Service::refusal_reply(const http::Refusal& refusal, const std::string& path,
                                   const std::string& request_id) {
  http::Reply reply = http::error_reply(refusal);
  if (is_anthropic(path)) {
    const ApiError error{.status = refusal.status, .message = refusal.message};
    reply.body = anthropic_error_body(error, request_id);
  }
  return reply;
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
  line.seconds = seconds_since(started);
  metrics_.add_request(route, line.status);
  log_.write(line);
}

// Who asks for what, or why there is no answer. Looks at the headers alone.
Service::Found Service::look_up(const http::Request& request) const {
  Found found;
  found.tenant = tenants_.find(request.header("authorization"), request.header("x-api-key"));
  const std::string method = request.method == "HEAD" ? "GET" : request.method;
  for (const Entry& entry : entries()) {
    if (!matches(entry.path, request.path, found.parameter)) continue;
    found.pattern = entry.path;
    found.allowed += (found.allowed.empty() ? "" : ", ") + std::string(entry.method);
    if (method == entry.method) found.entry = &entry;
  }
  static constexpr Entry kWebFile = {"GET", "/{file}", &Service::web_file, Entry::Needs::kKey};
  if (found.pattern.empty() && method == "GET" && find_web_file(request.path) != nullptr) {
    found.entry = &kWebFile;
    found.pattern = kWebFile.path;
  }
  const bool is_open = found.entry != nullptr && found.entry->needs == Entry::Needs::kNothing;
  if (found.tenant == nullptr && !is_open) {
    found.error = {.status = 401,
                   .message =
                       "no valid API key: send one as \"Authorization: Bearer KEY\" or "
                       "\"X-Api-Key: KEY\"",
                   .code = "invalid_api_key",
                   .type = "authentication_error"};
  } else if (!is_open && is_forged(request, options_.allowed_origins, tenants_.asks_for_keys())) {
    found.error = {
        .status = 403,
        .message = "pages of other sites are not answered, unless --cors-origin names them"};
  } else if (found.entry == nullptr && !found.allowed.empty()) {
    found.error = {.status = 405,
                   .message = request.method + ": the methods here are " + found.allowed};
  } else if (found.entry == nullptr) {
    found.error = {.status = 404, .message = request.method + ": no such route"};
  } else if (found.entry->needs == Entry::Needs::kKeyAndTime && draining_.load()) {
    found.error = ending_error();
  }
  return found;
}

std::optional<http::Reply> Service::turn_away(const http::Request& request) {
  const Found found = look_up(request);
  if (!found.error) return std::nullopt;
  metrics_.add_request(found.pattern.empty() ? "other" : found.pattern, found.error->status);
  log_.write({.request_id = request.id,
              .tenant = found.tenant != nullptr ? found.tenant->name : "-",
              .method = request.method,
              .path = request.path,
              .status = found.error->status,
              .error = found.error->message});
  return error_reply(request, *found.error, found.allowed);
}

Service::Answered Service::dispatch(const http::Request& request, http::Exchange& exchange,
                                    AccessLine& line, std::string& route) {
  Found found = look_up(request);
  if (!found.pattern.empty()) route = found.pattern;
  if (found.tenant != nullptr) line.tenant = found.tenant->name;
  static const Tenant kNobody{};
  Call call{request, exchange, found.tenant != nullptr ? *found.tenant : kNobody, line,
            std::move(found.parameter)};
  if (!found.error) {
    co_await (this->*found.entry->route)(call);
    co_return;
  }
  line.error = found.error->message;
  http::Reply refusal = error_reply(request, *found.error, found.allowed);
  co_await reply(call, std::move(refusal));
}

Service::Answered Service::reply(Call& call, http::Reply reply) {
  call.line.status = reply.status;
  co_await call.exchange.reply(std::move(reply));
}

Service::Answered Service::fail(Call& call, ApiError error) {
  call.line.error = error.message;
  http::Reply refusal = error_reply(call.request, error, {});
  co_await reply(call, std::move(refusal));
}

}  // namespace redknot::server
