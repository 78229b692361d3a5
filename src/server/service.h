// SPDX-License-Identifier: Apache-2.0
// The routes of `redknot serve`, over one engine: who may call them, what they answer, and what is
// counted and logged of it. Transport is http/server.h's.
//
// handler() may run for any number of requests at a time, each on its own strand.
#pragma once

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/exchange.h"
#include "http/refusal.h"
#include "redknot/redknot.h"
#include "server/access_log.h"
#include "server/api_error.h"
#include "server/metrics.h"
#include "server/segment_texts.h"
#include "server/start_request.h"
#include "server/tenants.h"
#include "server/under_way.h"

namespace redknot::server {

struct ServiceOptions {
  std::string model_name{};     // as clients call it
  std::string version{};        // of redknot
  std::string chat_template{};  // Jinja source; empty: the model's own
  std::string access_log = "-";
  TenantOptions tenants{};
  std::vector<std::string> allowed_origins{};  // of pages, besides our own; "*" is any
  std::size_t kv_quota_bytes = 0;              // of a tenant's running requests; 0: no limit
  double max_queue_seconds = 0;  // a request that has not begun by then is refused; 0: never
  int max_tokens = -1;           // of an answer whose request does not say; -1: context's end
  // Of requests that do not say.
  Sampling sampling = openai_sampling();
  Reuse reuse = Reuse::kPrefix;
  RecoveryOptions recovery{};
  std::size_t segment_text_bytes = std::size_t{256} << 20;  // of texts that all tenants put
  int worker_threads = 2;                                   // that parse, template and tokenize
};

// One request on its way through a route.
struct Call {
  const http::Request& request;
  http::Exchange& exchange;
  const Tenant& tenant;
  AccessLine& line;
  std::string parameter{};  // what stands for {id} in the route
};

class Service {
 public:
  // The engine must outlive it. kInvalidArgument for API keys or a chat template that cannot be
  // used, kIo for the access log.
  static Result<std::unique_ptr<Service>> create(Engine& engine, ServiceOptions options);
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;
  ~Service();

  http::Handler handler();
  // Refuses, by its headers, what need not be read: no key, no such route. Any thread.
  std::optional<http::Reply> turn_away(const http::Request& request);
  // What a client is told of a refusal, in the dialect of the path.
  static http::Reply refusal_reply(const http::Refusal& refusal, const std::string& path,
                                   const std::string& request_id);
  // Counts and logs what was refused before it came here. Any thread.
  void refused(const http::Refusal& refusal, const std::string& request_id,
               const std::string& peer);

  // From now on /health says 503, so that nothing new is sent here, and what comes all the same is
  // refused with 503.
  void begin_draining();
  int answers_under_way() const { return under_way_.count(); }
  // Those, and what comes later, end with an error that says why.
  void cut_answers() { under_way_.cut(); }

 private:
  using Answered = boost::asio::awaitable<void>;
  using Route = Answered (Service::*)(Call& call);
  struct Entry {
    const char* method;
    const char* path;  // "{id}" stands for one part of a path
    Route route;
    enum class Needs { kNothing, kKey, kKeyAndTime } needs;  // kKeyAndTime: not while we end
  };
  static const std::vector<Entry>& entries();
  // What a request's headers say.
  struct Found {
    const Entry* entry = nullptr;
    const Tenant* tenant = nullptr;  // null: no valid key
    std::string pattern{};           // of the path; empty: there is none
    std::string parameter{};
    std::string allowed{};  // methods of the path
    std::optional<ApiError> error{};
  };
  Found look_up(const http::Request& request) const;

  Service(Engine& engine, ServiceOptions options, Tenants tenants, AccessLog log, ApiModel model);

  Answered answer(const http::Request& request, http::Exchange& exchange);
  Answered dispatch(const http::Request& request, http::Exchange& exchange, AccessLine& line,
                    std::string& route);

  // routes_status.cc
  Answered health(Call& call);
  Answered version(Call& call);
  Answered metrics(Call& call);
  Answered status(Call& call);
  Answered web_file(Call& call);
  Answered models(Call& call);
  Answered model(Call& call);

  // routes_tokens.cc
  using MakeBody = ApiResult<std::string> (*)(const RequestContext& context,
                                              const std::string& body);
  Answered reply_made(Call& call, MakeBody make);
  Answered tokenize(Call& call);
  Answered detokenize(Call& call);

  // routes_segments.cc
  Answered put_segment(Call& call);
  Answered list_segments(Call& call);
  Answered show_segment(Call& call);
  Answered pin_segment(Call& call);
  Answered drop_segment(Call& call);
  Answered drop_segments(Call& call);
  // Null, or why they cannot be pinned.
  const char* pin_all(const std::string& salt, const std::vector<std::string>& engine_ids,
                      double seconds);

  // routes_answers.cc
  using StartRequest = ApiResult<StartedRequest> (*)(const RequestContext& context,
                                                     std::string_view body);
  Answered answer_with(Call& call, StartRequest start);
  Answered chat_completions(Call& call);
  Answered completions(Call& call);
  Answered messages(Call& call);

  Answered reply(Call& call, http::Reply reply);
  Answered fail(Call& call, ApiError error);

  Engine& engine_;
  const ServiceOptions options_;
  const Tenants tenants_;
  AccessLog log_;
  const ApiModel model_;
  const RequestTerms terms_;
  Metrics metrics_;
  SegmentTexts segment_texts_;
  std::atomic<bool> draining_{false};
  UnderWay under_way_;
  boost::asio::thread_pool workers_;
  boost::asio::thread_pool errands_;  // one thread, for what waits for the engine's step
};

}  // namespace redknot::server
