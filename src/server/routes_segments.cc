// SPDX-License-Identifier: Apache-2.0
// Routes of reusable parts: put, list, pin and drop. An id is made of the part's tokens, so that
// the same text has the same id wherever it was put.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "server/fields.h"
#include "server/piece_feed.h"
#include "server/service.h"
#include "server/workers.h"

namespace redknot::server {
namespace {

constexpr double kMaxTtlSeconds = 30.0 * 24 * 3600;
constexpr char kPrefix[] = "seg_";
constexpr std::chrono::seconds kLookEvery{60};

// The engine's name of a part; empty for what cannot be an id.
std::string engine_id(const std::string& id) {
  const bool is_one = id.size() == 36 && id.rfind(kPrefix, 0) == 0;
  return is_one ? id.substr(4) : std::string();
}

ApiError no_such_segment(const std::string& id) {
  return {.status = 404,
          .message = "segment \"" + id + "\" is not here: PUT /v1/segments its text first",
          .param = "id",
          .code = "segment_not_found"};
}

Json segment_json(const SegmentInfo& segment, bool has_text) {
  return {{"id", kPrefix + segment.id}, {"object", "segment"},
          {"tokens", segment.tokens},   {"resident", true},
          {"bytes", segment.bytes},     {"copies", segment.copies},
          {"uses", segment.uses},       {"pinned_seconds", segment.pinned_seconds},
          {"has_text", has_text}};
}

// Its pages have made room for others; they are computed again when somebody refers to it.
Json absent_json(const std::string& id, int tokens) {
  return {{"id", id},
          {"object", "segment"},
          {"tokens", tokens},
          {"resident", false},
          {"has_text", true}};
}

struct PutSegment {
  std::string id{};
  int tokens = 0;
  std::string text{};
  double ttl_seconds = 0;
  std::vector<Generation> building{};  // one, unless building ended in an error
};

double read_ttl(const Value& body) { return body["ttl_seconds"].number(0, kMaxTtlSeconds, 0); }

Read<PutSegment> begin_put(Engine& engine, const std::string& salt, const std::string& body) {
  Read<Json> json = parse_json(body);
  if (!json.ok()) return json.error();
  Refusal refusal;
  const Value fields(&*json, "", refusal);
  PutSegment put;
  if (!fields.expect_object()) refusal.refuse("body", "is not an object");
  put.text = fields["text"].required().text();
  put.ttl_seconds = read_ttl(fields);
  if (!refusal.first() && put.text.empty()) refusal.refuse("text", "is empty");
  if (refusal.first()) return *refusal.first();
  if (engine.tokenizer() == nullptr) {
    return ApiError{.message = "this model file has no tokenizer", .param = "text"};
  }
  auto tokens = engine.tokenizer()->tokenize(put.text, false, false);
  if (!tokens.ok()) return api_error(tokens.error());
  put.tokens = static_cast<int>(tokens->size());
  put.id = kPrefix + Engine::segment_id(*tokens);
  PromptPart part{.text = put.text, .parse_special = false, .reusable = true};
  std::vector<PromptPart> prompt;
  prompt.push_back(std::move(part));
  auto building = engine.preload(
      std::move(prompt), {.canonical_context = CanonicalContext::kBare, .cache_salt = salt});
  if (!building.ok()) return api_error(building.error());
  put.building.push_back(std::move(*building));
  return put;
}

}  // namespace

Service::Answered Service::put_segment(Call& call) {
  std::function<Read<PutSegment>()> begin = [this, &call] {
    return begin_put(engine_, call.tenant.salt, call.request.body);
  };
  Read<PutSegment> put = co_await run_on(workers_, std::move(begin));
  if (!put.ok()) {
    ApiError error = put.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  std::optional<Error> failed;
  bool was_built = false;
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
    failed = feed.generation(0).error();
    was_built = feed.generation(0).usage().built_tokens > 0;
  }
  Status kept = Done{};
  if (failed) kept = *failed;
  if (!failed) {
    kept =
        segment_texts_.put(call.tenant.salt, put->id, {.text = put->text, .tokens = put->tokens});
  }
  if (!kept.ok()) {
    ApiError error = api_error(kept.error());
    co_await fail(call, std::move(error));
    co_return;
  }
  std::function<bool()> pin = [this, &call, &put] {
    return engine_.pin_segment(call.tenant.salt, engine_id(put->id), put->ttl_seconds);
  };
  bool pinned = false;
  if (put->ttl_seconds > 0) pinned = co_await run_on(workers_, std::move(pin));
  const Json json = {{"id", put->id},
                     {"object", "segment"},
                     {"tokens", put->tokens},
                     {"built", was_built},
                     {"pinned_seconds", pinned ? put->ttl_seconds : 0}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::list_segments(Call& call) {
  std::function<std::vector<SegmentInfo>()> list = [this, &call] {
    return engine_.segments(call.tenant.salt);
  };
  const std::vector<SegmentInfo> segments = co_await run_on(workers_, std::move(list));
  const std::vector<std::string> with_text = segment_texts_.ids(call.tenant.salt);
  std::set<std::string> absent(with_text.begin(), with_text.end());
  Json data = Json::array();
  for (const SegmentInfo& segment : segments) {
    const bool has_text = absent.erase(kPrefix + segment.id) > 0;
    data.push_back(segment_json(segment, has_text));
  }
  for (const std::string& id : absent) {
    const auto text = segment_texts_.find(call.tenant.salt, id);
    if (text) data.push_back(absent_json(id, text->tokens));
  }
  const Json json = {{"object", "list"}, {"data", std::move(data)}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::show_segment(Call& call) {
  std::function<std::vector<SegmentInfo>()> list = [this, &call] {
    return engine_.segments(call.tenant.salt);
  };
  const std::vector<SegmentInfo> segments = co_await run_on(workers_, std::move(list));
  const auto text = segment_texts_.find(call.tenant.salt, call.parameter);
  const auto found = std::find_if(segments.begin(), segments.end(), [&](const SegmentInfo& one) {
    return kPrefix + one.id == call.parameter;
  });
  if (found == segments.end() && !text) {
    ApiError error = no_such_segment(call.parameter);
    co_await fail(call, std::move(error));
    co_return;
  }
  const Json json = found != segments.end() ? segment_json(*found, text.has_value())
                                            : absent_json(call.parameter, text->tokens);
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::pin_segment(Call& call) {
  Read<Json> body = parse_json(call.request.body);
  Refusal refusal;
  double ttl_seconds = 0;
  if (!body.ok()) refusal.refuse(body.error());
  if (body.ok()) {
    const Value fields(&*body, "", refusal);
    if (fields.expect_object()) fields["ttl_seconds"].required();
    ttl_seconds = read_ttl(fields);
  }
  if (refusal.first()) {
    ApiError error = *refusal.first();
    co_await fail(call, std::move(error));
    co_return;
  }
  const std::string id = engine_id(call.parameter);
  std::function<bool()> pin = [this, &call, &id, ttl_seconds] {
    return !id.empty() && engine_.pin_segment(call.tenant.salt, id, ttl_seconds);
  };
  const bool pinned = co_await run_on(workers_, std::move(pin));
  if (!pinned) {
    ApiError error = no_such_segment(call.parameter);
    error.message = "segment \"" + call.parameter +
                    "\" cannot be pinned: it is not at hand, or half of the KV memory is pinned";
    co_await fail(call, std::move(error));
    co_return;
  }
  const Json json = {
      {"id", call.parameter}, {"object", "segment"}, {"pinned_seconds", ttl_seconds}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::drop_segment(Call& call) {
  const std::string id = engine_id(call.parameter);
  std::function<int()> drop = [this, &call, &id] {
    return id.empty() ? 0 : engine_.drop_segments(call.tenant.salt, id);
  };
  const int dropped = co_await run_on(workers_, std::move(drop));
  const int erased = id.empty() ? 0 : segment_texts_.erase(call.tenant.salt, call.parameter);
  if (dropped == 0 && erased == 0) {
    ApiError error = no_such_segment(call.parameter);
    co_await fail(call, std::move(error));
    co_return;
  }
  const Json json = {{"id", call.parameter}, {"object", "segment"}, {"deleted", true}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::drop_segments(Call& call) {
  std::function<int()> drop = [this, &call] { return engine_.drop_segments(call.tenant.salt, ""); };
  const int dropped = co_await run_on(workers_, std::move(drop));
  segment_texts_.erase(call.tenant.salt, "");
  const Json json = {{"object", "list"}, {"deleted", dropped}};
  http::Reply answer{.body = dump_json(json)};
  co_await reply(call, std::move(answer));
}

}  // namespace redknot::server
