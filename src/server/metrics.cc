// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include "server/head_words.h"

namespace redknot::server {
namespace {

using Buckets = prometheus::Histogram::BucketBoundaries;
using Labels = std::map<std::string, std::string>;

const Buckets kRequestBuckets = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1,  2.5,
                                 5,     10,   20,    40,   80,  160,  320, 640};
const Buckets kTokenBuckets = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1,
                               0.15,  0.2,    0.3,   0.5,  0.75,  1,    2.5,   5};

}  // namespace

struct Metrics::Families {
  using Counters = prometheus::Family<prometheus::Counter>;
  using Gauges = prometheus::Family<prometheus::Gauge>;

  explicit Families(const std::string& model_name) : model(model_name) {}

  Counters& counters(const char* name, const char* help) {
    return prometheus::BuildCounter().Name(name).Help(help).Labels(labels()).Register(registry);
  }
  Gauges& gauges(const char* name, const char* help) {
    return prometheus::BuildGauge().Name(name).Help(help).Labels(labels()).Register(registry);
  }
  prometheus::Histogram& histogram(const char* name, const char* help, const Buckets& buckets) {
    return prometheus::BuildHistogram()
        .Name(name)
        .Help(help)
        .Labels(labels())
        .Register(registry)
        .Add({}, buckets);
  }
  Labels labels() const { return {{"model_name", model}}; }

  // A counter of the engine's, which it counts itself.
  static void set(Counters& family, const Labels& labels, std::uint64_t value) {
    prometheus::Counter& counter = family.Add(labels);
    counter.Increment(static_cast<double>(value) - counter.Value());
  }
  static void set(Gauges& family, const Labels& labels, double value) {
    family.Add(labels).Set(value);
  }

  void take(const Stats& stats);
  void take_pages(const Stats& stats);

  std::string model;
  prometheus::Registry registry;

  prometheus::Histogram& ttft =
      histogram("redknot:time_to_first_token_seconds",
                "From submission to the first token of an answer.", kRequestBuckets);
  prometheus::Histogram& inter_token = histogram("redknot:inter_token_latency_seconds",
                                                 "Between two tokens of an answer.", kTokenBuckets);
  prometheus::Histogram& e2e =
      histogram("redknot:e2e_request_latency_seconds",
                "From submission to the last token of an answer.", kRequestBuckets);
  prometheus::Histogram& queue = histogram("redknot:request_queue_time_seconds",
                                           "From submission to the first step.", kRequestBuckets);
  Counters& finished =
      counters("redknot:request_success_total", "Answers that ended, by how they ended.");
  Counters& requests =
      counters("redknot:http_requests_total", "HTTP requests by route and status.");

  Gauges& running = gauges("redknot:num_requests_running", "Sequences that run.");
  Gauges& waiting = gauges("redknot:num_requests_waiting", "Requests that wait for their turn.");
  Counters& preemptions =
      counters("redknot:num_preemptions_total", "Sequences that gave their pages to others.");
  Counters& steps = counters("redknot:steps_total", "Steps of the engine.");
  Counters& prompt =
      counters("redknot:prompt_tokens_total", "Rows of prompts computed, recovered ones too.");
  Counters& generated = counters("redknot:generation_tokens_total", "Tokens generated.");
  Counters& reuse = counters("redknot:prompt_tokens_by_reuse_total",
                             "Tokens of prompts: exact (as dense attention would have them), "
                             "adopted (of reusable parts), recovered (of the adopted ones, "
                             "computed again), new.");
  Counters& queries = counters("redknot:cache_queries_total",
                               "Prompts that could begin with an earlier one (prefix), reusable "
                               "parts that were asked for (segment).");
  Counters& hits = counters("redknot:cache_hits_total", "Of the queries, what was at hand.");
  Counters& evictions =
      counters("redknot:segment_evictions_total", "Reusable parts that had to make room.");
  Gauges& segments = gauges("redknot:segments", "Reusable parts at hand.");
  Gauges& pages =
      gauges("redknot:kv_pages", "Pages that heads hold, by head class, format and sharing.");
  Gauges& pool = gauges("redknot:kv_pool_pages", "Pages of the pool, by format and state.");
  Gauges& pool_use =
      gauges("redknot:kv_cache_usage_perc", "Share of the pool's bytes that are not free, 0 to 1.");
  Gauges& kv_bytes = gauges("redknot:kv_cache_bytes", "Bytes of the pool.");
};

void Metrics::Families::take(const Stats& stats) {
  set(running, {}, stats.sequences);
  set(waiting, {}, stats.waiting);
  set(preemptions, {}, stats.preemptions);
  set(steps, {}, stats.steps);
  set(prompt, {}, stats.prompt_tokens);
  set(generated, {}, stats.generated_tokens);
  set(reuse, {{"kind", "exact"}}, stats.prefix_tokens);
  set(reuse, {{"kind", "adopted"}}, stats.adopted_tokens);
  set(reuse, {{"kind", "recovered"}}, stats.recovered_tokens);
  set(reuse, {{"kind", "new"}}, stats.new_tokens);
  set(queries, {{"kind", "prefix"}}, stats.prefix_hits + stats.prefix_misses);
  set(queries, {{"kind", "segment"}}, stats.segment_hits + stats.segment_misses);
  set(hits, {{"kind", "prefix"}}, stats.prefix_hits);
  set(hits, {{"kind", "segment"}}, stats.segment_hits);
  set(evictions, {}, stats.segment_evictions);
  set(segments, {}, stats.segments);
  take_pages(stats);
}

void Metrics::Families::take_pages(const Stats& stats) {
  double used_bytes = 0, all_bytes = 0;
  std::map<KvFormat, double> page_bytes;
  for (const PoolUse& use : stats.pool) {
    const auto bytes = static_cast<double>(use.page_bytes);
    page_bytes[use.dtype] = bytes;
    all_bytes += bytes * use.total_pages;
    used_bytes += bytes * (use.total_pages - use.free_pages);
    set(pool, {{"format", std::string(name(use.dtype))}, {"state", "free"}}, use.free_pages);
    set(pool, {{"format", std::string(name(use.dtype))}, {"state", "used"}},
        use.total_pages - use.free_pages);
  }
  set(pool_use, {}, all_bytes > 0 ? used_bytes / all_bytes : 0);
  set(kv_bytes, {}, all_bytes);
  std::map<Labels, double> by_class;
  for (const HeadKv& head : stats.heads) {
    const double bytes = page_bytes[head.dtype];
    if (bytes == 0) continue;
    Labels own = {{"head_class", class_of(head)}, {"format", std::string(name(head.dtype))}};
    Labels shared = own;
    own["sharing"] = "own";
    shared["sharing"] = "shared";
    by_class[own] += static_cast<double>(head.bytes - head.shared_bytes) / bytes;
    by_class[shared] += static_cast<double>(head.shared_bytes) / bytes;
  }
  for (const auto& [labels, count] : by_class) set(pages, labels, count);
}

Metrics::Metrics(const std::string& model_name)
    : families_(std::make_unique<Families>(model_name)) {}

Metrics::~Metrics() = default;

void Metrics::add_answer(const AnswerTimes& times) {
  families_->finished.Add({{"finished_reason", times.finish}}).Increment();
  if (times.generated_tokens == 0) return;
  families_->queue.Observe(times.queue_seconds);
  families_->ttft.Observe(times.ttft_seconds);
  families_->e2e.Observe(times.e2e_seconds);
}

void Metrics::add_inter_token(double seconds) { families_->inter_token.Observe(seconds); }

void Metrics::add_request(const std::string& route, int status) {
  families_->requests.Add({{"route", route}, {"status", std::to_string(status)}}).Increment();
}

std::string Metrics::text(const Stats& stats) {
  const std::lock_guard lock(mutex_);
  families_->take(stats);
  return prometheus::TextSerializer().Serialize(families_->registry.Collect());
}

}  // namespace redknot::server
