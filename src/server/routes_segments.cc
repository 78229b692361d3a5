// SPDX-License-Identifier: Apache-2.0
// Routes of reusable parts: put, list, pin and drop. An id is made of the part's tokens, so that
// the same text has the same id wherever it was put.
#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "server/json_fields.h"
#include "server/piece_feed.h"
#include "server/service.h"
#include "server/workers.h"

namespace redknot::server {
namespace {

constexpr double kMaxTtlSeconds = 30.0 * 24 * 3600;
using PreloadTerms = Engine::PreloadOptions;

constexpr char kPrefix[] = "seg_";
constexpr std::chrono::seconds kLookEvery{60};

ApiError no_such_segment(const std::string& id) {
  return {.status = 404,
          .message = "segment \"" + id + "\" is not here: PUT /v1/segments its text first",
          .param = "id",
          .code = "segment_not_found"};
}

// A text that was put, in all forms that the engine has of it, or a part of some prompt.
struct Shown {
  std::string id{};
  int tokens = 0;
  bool has_text = false;
  bool is_resident = false;
  std::size_t bytes = 0;
  int copies = 0, uses = 0;
  double pinned_seconds = 0;
  std::vector<std::string> engine_ids{};

  void add(const SegmentInfo& info) {
    is_resident = true;
    bytes += info.bytes;
    copies += info.copies;
    uses += info.uses;
    pinned_seconds = std::max(pinned_seconds, info.pinned_seconds);
  }
};

std::vector<Shown> shown(const std::vector<SegmentInfo>& infos,
                         const std::map<std::string, SegmentText>& texts) {
  std::map<std::string, const SegmentInfo*> left;
  for (const SegmentInfo& info : infos) left[info.id] = &info;
  std::vector<Shown> out;
  out.reserve(infos.size() + texts.size());
  for (const auto& [id, text] : texts) {
    Shown& one = out.emplace_back();
    one.id = id;
    one.tokens = text.tokens;
    one.has_text = true;
    one.engine_ids = text.engine_ids;
    for (const std::string& engine_id : text.engine_ids) {
      const auto info = left.find(engine_id);
      if (info == left.end()) continue;
      one.add(*info->second);
      left.erase(info);
    }
  }
  for (const auto& [engine_id, info] : left) {
    Shown& one = out.emplace_back();
    one.id = kPrefix + engine_id;
    one.tokens = info->tokens;
    one.engine_ids = {engine_id};
    one.add(*info);
  }
  return out;
}

// One of them; nothing if it is not here.
std::optional<Shown> find(const std::vector<Shown>& segments, const std::string& id) {
  for (const Shown& one : segments) {
    if (one.id == id) return one;
  }
  return std::nullopt;
}

Json segment_json(const Shown& segment) {
  return {{"id", segment.id},
          {"object", "segment"},
          {"tokens", segment.tokens},
          {"has_text", segment.has_text},
          {"resident", segment.is_resident},
          {"bytes", segment.bytes},
          {"copies", segment.copies},
          {"uses", segment.uses},
          {"pinned_seconds", segment.pinned_seconds}};
}

struct PutSegment {
  std::string id{};
  SegmentText text{};
  double ttl_seconds = 0;
  std::vector<Generation> building{};  // a form each
};

// As requests will have it: as a part of a message, and as a document.
std::vector<PromptPart> parts_to_build(const ApiModel& model, const std::string& text) {
  std::vector<PromptPart> parts;
  if (model.chat) parts = chat::preload_parts(text, *model.chat, unix_seconds());
  if (!parts.empty()) return parts;
  parts.resize(1);
  parts.front() = {.text = text, .parse_special = false, .reusable = true};
  return parts;
}

double read_ttl(const Value& body) { return body["ttl_seconds"].number(0, kMaxTtlSeconds, 0); }

ApiResult<PutSegment> begin_put(const ApiModel& model, const PreloadTerms& terms,
                                const std::string& body) {
  Engine& engine = model.engine;
  Read<Json> json = parse_json(body);
  if (!json.ok()) return api_error(json.error());
  Refusal refusal;
  const Value fields(&*json, "", refusal);
  PutSegment put;
  if (!fields.expect_object()) refusal.refuse("body", "is not an object");
  std::string& text = put.text.text;
  text = fields["text"].required().text();
  put.ttl_seconds = read_ttl(fields);
  if (!refusal.first() && text.empty()) refusal.refuse("text", "is empty");
  if (refusal.first()) return api_error(*refusal.first());
  if (engine.tokenizer() == nullptr) {
    return ApiError{.message = "this model file has no tokenizer", .param = "text"};
  }
  auto tokens = engine.tokenizer()->tokenize(text, false, false);
  if (!tokens.ok()) return api_error(tokens.error());
  put.text.tokens = static_cast<int>(tokens->size());
  put.id = kPrefix + Engine::segment_id(*tokens);
  for (const PromptPart& part : parts_to_build(model, text)) {
    auto own = engine.tokenizer()->tokenize(part.text, false, part.parse_special);
    if (!own.ok()) return api_error(own.error());
    put.text.engine_ids.push_back(Engine::segment_id(*own));
    auto building = engine.preload({part}, terms);
    if (!building.ok()) return api_error(building.error());
    put.building.push_back(std::move(*building));
  }
  return put;
}

}  // namespace

Service::Answered Service::put_segment(Call& call) {
  const UnderWay::Answer self(under_way_);
  std::function<ApiResult<PutSegment>()> begin = [this, &call] {
    const PreloadTerms terms{.canonical_context = CanonicalContext::kBare,
                             .cache_salt = call.tenant.salt,
                             .kv_quota_bytes = options_.kv_quota_bytes};
    return begin_put(model_, terms, call.request.body);
  };
  ApiResult<PutSegment> put = co_await run_on(workers_, std::move(begin));
  if (!put.ok()) {
    ApiError error = put.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  std::optional<Error> failed;
  bool was_built = false, is_done = false;
  {
    PieceFeed feed(call.exchange.executor(), std::move(put->building));
    call.exchange.on_gone([&feed] { feed.wake(); });
    bool waits = true;
    while (waits) {
      while (feed.take()) {
      }
      waits = !feed.ended() && !call.exchange.gone();
      if (waits) co_await feed.wait(kLookEvery);
    }
    call.exchange.on_gone(nullptr);
    is_done = feed.ended();
    for (std::size_t i = 0; i < feed.size(); ++i) {
      if (!failed) failed = feed.generation(i).error();
      was_built |= feed.generation(i).usage().built_tokens > 0;
    }
  }
  if (!is_done) {
    call.line.status = 499;  // the client has left
    co_return;
  }
  if (!failed) {
    const Status kept = segment_texts_.put(call.tenant.salt, put->id, put->text);
    if (!kept.ok()) failed = kept.error();
  }
  if (failed) {
    ApiError error = api_error(*failed);
    co_await fail(call, std::move(error));
    co_return;
  }
  std::function<bool()> pin = [this, &call, &put] {
    return pin_all(call.tenant.salt, put->text.engine_ids, put->ttl_seconds) == nullptr;
  };
  bool pinned = false;
  if (put->ttl_seconds > 0) pinned = co_await run_on(errands_, std::move(pin));
  const Json json = {{"id", put->id},
                     {"object", "segment"},
                     {"tokens", put->text.tokens},
                     {"built", was_built},
                     {"pinned_seconds", pinned ? put->ttl_seconds : 0}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

const char* Service::pin_all(const std::string& salt, const std::vector<std::string>& engine_ids,
                             double seconds) {
  if (options_.kv_quota_bytes > 0 && seconds > 0) {
    std::size_t bytes = 0;
    for (const SegmentInfo& one : engine_.segments(salt)) {
      const bool wanted =
          std::find(engine_ids.begin(), engine_ids.end(), one.id) != engine_ids.end();
      if (wanted || one.pinned_seconds > 0) bytes += one.bytes;
    }
    if (bytes > options_.kv_quota_bytes) return "the tenant's quota has no room for its pages";
  }
  bool pinned = false;
  for (const std::string& id : engine_ids) {
    pinned |= engine_.pin_segment(salt, id, seconds, options_.kv_quota_bytes);
  }
  if (pinned || seconds == 0) return nullptr;
  return "its pages have made room for others, or half of the KV memory is pinned already";
}

Service::Answered Service::list_segments(Call& call) {
  std::function<std::vector<Shown>()> list = [this, &call] {
    return shown(engine_.segments(call.tenant.salt), segment_texts_.all(call.tenant.salt));
  };
  const std::vector<Shown> segments = co_await run_on(errands_, std::move(list));
  Json data = Json::array();
  for (const Shown& segment : segments) data.push_back(segment_json(segment));
  const Json json = {{"object", "list"}, {"data", std::move(data)}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::show_segment(Call& call) {
  std::function<std::optional<Shown>()> look = [this, &call] {
    return find(shown(engine_.segments(call.tenant.salt), segment_texts_.all(call.tenant.salt)),
                call.parameter);
  };
  const std::optional<Shown> found = co_await run_on(errands_, std::move(look));
  if (!found) {
    ApiError error = no_such_segment(call.parameter);
    co_await fail(call, std::move(error));
    co_return;
  }
  http::Reply answer{.body = dump_json(segment_json(*found))};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::pin_segment(Call& call) {
  std::function<ApiResult<std::string>()> pin = [this, &call]() -> ApiResult<std::string> {
    Read<Json> body = parse_json(call.request.body);
    if (!body.ok()) return api_error(body.error());
    Refusal refusal;
    const Value fields(&*body, "", refusal);
    if (fields.expect_object()) fields["ttl_seconds"].required();
    const double ttl_seconds = read_ttl(fields);
    if (refusal.first()) return api_error(*refusal.first());
    const std::string& salt = call.tenant.salt;
    const auto found =
        find(shown(engine_.segments(salt), segment_texts_.all(salt)), call.parameter);
    if (!found) return no_such_segment(call.parameter);
    if (const char* refused = pin_all(salt, found->engine_ids, ttl_seconds)) {
      return ApiError{.status = 409,
                      .message = "segment \"" + call.parameter + "\" cannot be pinned: " + refused,
                      .param = "id"};
    }
    return dump_json(
        {{"id", call.parameter}, {"object", "segment"}, {"pinned_seconds", ttl_seconds}});
  };
  ApiResult<std::string> body = co_await run_on(errands_, std::move(pin));
  if (!body.ok()) {
    ApiError error = body.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  http::Reply answer{.body = std::move(*body)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::drop_segment(Call& call) {
  std::function<bool()> drop = [this, &call] {
    const std::string& salt = call.tenant.salt;
    const auto found =
        find(shown(engine_.segments(salt), segment_texts_.all(salt)), call.parameter);
    if (!found) return false;
    for (const std::string& id : found->engine_ids) engine_.drop_segments(salt, id);
    segment_texts_.erase(salt, call.parameter);
    return true;
  };
  const bool dropped = co_await run_on(errands_, std::move(drop));
  if (!dropped) {
    ApiError error = no_such_segment(call.parameter);
    co_await fail(call, std::move(error));
    co_return;
  }
  const Json json = {{"id", call.parameter}, {"object", "segment"}, {"deleted", true}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::drop_segments(Call& call) {
  std::function<int()> drop = [this, &call] {
    segment_texts_.erase(call.tenant.salt, "");
    return engine_.drop_segments(call.tenant.salt, "");
  };
  const int dropped = co_await run_on(errands_, std::move(drop));
  const Json json = {{"object", "list"}, {"deleted", dropped}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

}  // namespace redknot::server
