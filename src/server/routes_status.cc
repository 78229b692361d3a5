// SPDX-License-Identifier: Apache-2.0
// Routes that say how the server is: health, version, metrics, models, what the page shows, and the
// page itself.
#include <utility>

#include "server/head_words.h"
#include "server/json_fields.h"
#include "server/service.h"
#include "server/web_files.h"

namespace redknot::server {
namespace {

std::string dump(const Json& json) { return dump_json(json) + "\n"; }

Json heads_json(const Stats& stats) {
  Json heads = Json::array();
  for (std::size_t i = 0; i < stats.heads.size(); ++i) {
    const HeadKv& head = stats.heads[i];
    const auto per_layer = static_cast<std::size_t>(stats.kv_heads);
    heads.push_back({{"layer", i / per_layer},
                     {"kv_head", i % per_layer},
                     {"class", class_of(head)},
                     {"dtype", name(head.dtype)},
                     {"sink_tokens", head.sink_tokens},
                     {"window_tokens", head.window_tokens},
                     {"top_pages", head.top_pages},
                     {"recovers", head.recovers},
                     {"bytes", head.bytes},
                     {"shared_bytes", head.shared_bytes}});
  }
  return heads;
}

Json pool_json(const Stats& stats) {
  Json pool = Json::array();
  for (const PoolUse& use : stats.pool) {
    pool.push_back({{"dtype", name(use.dtype)},
                    {"page_bytes", use.page_bytes},
                    {"total_pages", use.total_pages},
                    {"free_pages", use.free_pages}});
  }
  return pool;
}

Json profile_json(const ProfileSummary* profile) {
  if (profile == nullptr) return nullptr;
  Json json = {{"global_heads", profile->global_heads},
               {"local_heads", profile->local_heads},
               {"retrieval_heads", profile->retrieval_heads},
               {"validated", profile->validated}};
  if (!profile->validated) return json;
  json["kl_mean"] = profile->kl_mean;
  json["context_tokens"] = profile->context_tokens;
  json["kv_bytes"] = profile->kv_bytes;
  json["dense_kv_bytes"] = profile->dense_kv_bytes;
  json["reuse_validated"] = profile->reuse_validated;
  return json;
}

Json model_json(const ServiceOptions& options, const Engine& engine) {
  return {{"id", options.model_name},
          {"object", "model"},
          {"created", 0},
          {"owned_by", "redknot"},
          {"max_model_len", engine.context_tokens()}};
}

// The page may use what it brought along, and ask this server.
http::Headers page_headers() {
  return {{"Content-Security-Policy", std::string(kWebPolicy)},
          {"X-Content-Type-Options", "nosniff"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-cache"}};
}

}  // namespace

Service::Answered Service::health(Call& call) {
  http::Reply answer{.body = dump({{"status", "ok"}})};
  if (draining_.load()) answer = {.status = 503, .body = dump({{"status", "draining"}})};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::version(Call& call) {
  http::Reply answer{.body = dump({{"version", options_.version}})};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::metrics(Call& call) {
  http::Reply answer{.content_type = "text/plain; version=0.0.4; charset=utf-8",
                     .body = metrics_.text(engine_.stats())};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::status(Call& call) {
  const Stats stats = engine_.stats();
  const Json json = {{"model", options_.model_name},
                     {"context_tokens", engine_.context_tokens()},
                     {"running", stats.sequences},
                     {"waiting", stats.waiting},
                     {"layers", stats.layers},
                     {"kv_heads", stats.kv_heads},
                     {"heads", heads_json(stats)},
                     {"pool", pool_json(stats)},
                     {"segments", stats.segments},
                     {"preemptions", stats.preemptions},
                     {"profile", profile_json(engine_.profile())}};
  http::Reply answer{.body = dump(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::web_file(Call& call) {
  http::Reply answer{.status = 404, .content_type = "text/plain; charset=utf-8"};
  answer.body = "This redknot was built without its page (REDKNOT_PAGE=OFF).\n";
  if (const WebFile* file = find_web_file(call.request.path)) {
    answer = {.content_type = std::string(file->content_type),
              .headers = page_headers(),
              .body = std::string(file->bytes)};
  }
  co_await reply(call, std::move(answer));
}

Service::Answered Service::models(Call& call) {
  const Json json = {{"object", "list"}, {"data", Json::array({model_json(options_, engine_)})}};
  http::Reply answer{.body = dump(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::model(Call& call) {
  if (call.parameter != options_.model_name) {
    ApiError error = {.status = 404,
                      .message = "model \"" + call.parameter + "\": this server has \"" +
                                 options_.model_name + "\"",
                      .param = "model",
                      .code = "model_not_found"};
    co_await fail(call, std::move(error));
    co_return;
  }
  http::Reply answer{.body = dump(model_json(options_, engine_))};
  co_await reply(call, std::move(answer));
}

}  // namespace redknot::server
