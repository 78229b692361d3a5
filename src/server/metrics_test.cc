// SPDX-License-Identifier: Apache-2.0
#include "server/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace redknot::server {
namespace {

using testing::HasSubstr;

TEST(Metrics, CountsAnswersAndRequests) {
  Metrics metrics("m");
  metrics.add_answer({.queue_seconds = 0.5,
                      .ttft_seconds = 2,
                      .e2e_seconds = 3,
                      .finish = "stop",
                      .generated_tokens = 2});
  metrics.add_answer({.finish = "abort"});
  metrics.add_inter_token(0.5);
  metrics.add_request("/health", 200);
  const std::string text = metrics.text({});
  EXPECT_THAT(text, HasSubstr("redknot:time_to_first_token_seconds_count{model_name=\"m\"} 1"));
  EXPECT_THAT(text, HasSubstr("redknot:time_to_first_token_seconds_sum{model_name=\"m\"} 2"));
  EXPECT_THAT(text, HasSubstr("redknot:request_queue_time_seconds_sum{model_name=\"m\"} 0.5"));
  EXPECT_THAT(text, HasSubstr("finished_reason=\"abort\"} 1"));
  EXPECT_THAT(text, HasSubstr("route=\"/health\",status=\"200\"} 1"));
}

TEST(Metrics, CountersOfTheEngineAreTakenOnce) {
  Metrics metrics("m");
  Stats stats;
  stats.preemptions = 3;
  stats.prefix_hits = 2;
  stats.prefix_misses = 5;
  metrics.text(stats);
  const std::string text = metrics.text(stats);
  EXPECT_THAT(text, HasSubstr("redknot:num_preemptions_total{model_name=\"m\"} 3"));
  EXPECT_THAT(text, HasSubstr("redknot:cache_queries_total{model_name=\"m\",kind=\"prefix\"} 7"));
  EXPECT_THAT(text, HasSubstr("redknot:cache_hits_total{model_name=\"m\",kind=\"prefix\"} 2"));
}

TEST(Metrics, PagesAreThoseOfHeadsByClass) {
  Metrics metrics("m");
  Stats stats;
  stats.pool = {{.dtype = KvFormat::kQ8, .page_bytes = 100, .total_pages = 10, .free_pages = 4}};
  stats.heads = {{.dtype = KvFormat::kQ8, .bytes = 300, .shared_bytes = 100},
                 {.dtype = KvFormat::kQ8, .local = true, .bytes = 200}};
  const std::string text = metrics.text(stats);
  EXPECT_THAT(text, HasSubstr("format=\"q8\",head_class=\"global\",sharing=\"own\"} 2"));
  EXPECT_THAT(text, HasSubstr("head_class=\"global\",sharing=\"shared\"} 1"));
  EXPECT_THAT(text, HasSubstr("head_class=\"local\",sharing=\"own\"} 2"));
  EXPECT_THAT(text, HasSubstr("redknot:kv_cache_usage_perc{model_name=\"m\"} 0.6"));
  EXPECT_THAT(text, HasSubstr("format=\"q8\",state=\"free\"} 4"));
}

}  // namespace
}  // namespace redknot::server
