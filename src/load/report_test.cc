// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include <gtest/gtest.h>

#include <numeric>

#include "load/agreement.h"
#include "load/metrics_text.h"

namespace redknot::load {
namespace {

TEST(Statistics, PercentilesAreOfNearestRank) {
  std::vector<double> values(10);
  std::iota(values.begin(), values.end(), 1);
  EXPECT_EQ(percentile(values, 0.5), 5);
  EXPECT_EQ(percentile(values, 0.9), 9);
  EXPECT_EQ(percentile(values, 0.91), 10);
  EXPECT_EQ(percentile(values, 0.99), 10);
  EXPECT_EQ(percentile(values, 1), 10);
  EXPECT_EQ(percentile(values, 1e-6), 1);
  EXPECT_EQ(percentile({3}, 0.5), 3);
}

TEST(Statistics, ASummarySortsItsValues) {
  const Summary all = summarize({4, 1, 3, 2});
  EXPECT_EQ(all.count, 4u);
  EXPECT_EQ(all.mean, 2.5);
  EXPECT_EQ(all.p50, 2);
  EXPECT_EQ(all.max, 4);
  EXPECT_EQ(summarize({}).count, 0u);
}

// Scheduled at `at_s`, sent a tenth of a second later, with a token at each of the times.
Answer answer(double at_s, const std::vector<double>& times) {
  Answer out{.scheduled_s = at_s, .sent_s = at_s + 0.1, .output_tokens = 0};
  for (const double time : times) {
    out.text += "ab ";
    out.events.push_back({.at_s = time, .tokens = 1, .text_end = out.text.size()});
    ++out.output_tokens;
  }
  out.end_s = times.back();
  return out;
}

TEST(LoadReport, CountsFromTheScheduledArrival) {
  const Report report = make_report({answer(1, {1.5, 1.6, 2.6})}, {});
  EXPECT_NEAR(report.ttft_ms.p50, 500, 1e-6);
  EXPECT_NEAR(report.e2e_ms.p50, 1600, 1e-6);
  EXPECT_NEAR(report.waited_ms.p50, 100, 1e-6);
  EXPECT_EQ(report.itl_ms.count, 2u);
  EXPECT_NEAR(report.itl_ms.p50, 100, 1e-6);
  EXPECT_NEAR(report.itl_ms.max, 1000, 1e-6);
  EXPECT_NEAR(report.wall_s, 1.6, 1e-9);
  EXPECT_NEAR(report.output_tokens_per_s, 3 / 1.6, 1e-9);
}

TEST(LoadReport, TokensOfOneEventShareItsTime) {
  Answer one = answer(0, {1, 2});
  one.events[1].tokens = 4;
  const Report report = make_report({one}, {});
  EXPECT_EQ(report.itl_ms.count, 4u);
  EXPECT_NEAR(report.itl_ms.max, 250, 1e-6);
  EXPECT_NEAR(report.longest_stall_ms, 1000, 1e-6);
}

TEST(LoadReport, GoodputNeedsBothObjectives) {
  const std::vector<Answer> answers = {answer(0, {0.2, 0.3}), answer(0, {0.9, 1.0}),
                                       answer(0, {0.2, 0.9})};
  EXPECT_EQ(make_report(answers, {}).good, 3);
  EXPECT_EQ(make_report(answers, {.ttft_ms = 500}).good, 2);
  const Report both = make_report(answers, {.ttft_ms = 500, .itl_ms = 200});
  EXPECT_EQ(both.good, 1);
  EXPECT_NEAR(both.good_share, 1 / 3.0, 1e-9);
  EXPECT_NEAR(both.good_per_s, 1, 1e-9);
}

TEST(LoadReport, FailedRequestsCountAgainstGoodputAndByKind) {
  Answer failed{.end_s = 3, .failure = "HTTP 429", .cause = "full"};
  const Report report = make_report({answer(0, {1, 2}), failed, failed}, {});
  EXPECT_EQ(report.requests, 3);
  EXPECT_EQ(report.completed, 1);
  EXPECT_EQ(report.failures.at("HTTP 429"), 2);
  EXPECT_EQ(report.causes.at("HTTP 429"), "full");
  EXPECT_NEAR(report.good_share, 1 / 3.0, 1e-9);
}

TEST(LoadReport, StallsAreGapsBetweenEvents) {
  const Report report = make_report({answer(0, {5, 5.4, 7, 7.1})}, {.stall_ms = 300});
  EXPECT_EQ(report.stalls, 2);
  EXPECT_NEAR(report.longest_stall_ms, 1600, 1e-6);
}

TEST(LoadReport, OfNothingIsNothing) {
  EXPECT_EQ(make_report({}, {}).requests, 0);
  EXPECT_EQ(make_report({}, {}).requests_per_s, 0);
}

TEST(LoadAgreement, EqualAnswersAgree) {
  Agreement all;
  compare(answer(0, {1, 2, 3}), answer(4, {5, 6, 7}), all);
  EXPECT_EQ(all.identical_share(), 1);
  EXPECT_EQ(all.token_share(), 1);
}

TEST(LoadAgreement, TokensAgreeUpToTheFirstDifference) {
  Answer other = answer(0, {1, 2, 3, 4});
  other.text[7] = 'x';  // in the third token; the fourth is equal again
  Agreement all;
  compare(other, answer(0, {1, 2, 3, 4}), all);
  EXPECT_EQ(all.identical, 0);
  EXPECT_EQ(all.agreed_tokens, 2);
  EXPECT_EQ(all.tokens, 4);
}

TEST(LoadAgreement, AShorterAnswerIsAnotherAnswer) {
  Agreement all;
  compare(answer(0, {1, 2}), answer(0, {1, 2, 3, 4}), all);
  EXPECT_EQ(all.identical, 0);
  EXPECT_EQ(all.token_share(), 0.5);
  Answer stopped = answer(0, {1, 2});
  stopped.finish_reason = "stop";
  Agreement by_reason;
  compare(stopped, answer(0, {1, 2}), by_reason);
  EXPECT_EQ(by_reason.identical, 0);
}

TEST(MetricsText, SumsASampleOverItsLabels) {
  const char* text =
      "# HELP a:b words\n# TYPE a:b gauge\na:b{x=\"1 }\"} 2\na:b{x=\"2\"} 3.5 1700000000\n"
      "a:bc 7\na:total 1e3\na:bad NaN\n";
  EXPECT_EQ(metric_value(text, "a:b"), 5.5);
  EXPECT_EQ(metric_value(text, "a:total"), 1000);
  EXPECT_EQ(metric_value(text, "a:bad"), std::nullopt);
  EXPECT_EQ(metric_value(text, "a"), std::nullopt);
  EXPECT_EQ(metric_value("", "a:b"), std::nullopt);
  EXPECT_EQ(metric_value("a:b", "a:b"), std::nullopt);
}

}  // namespace
}  // namespace redknot::load
