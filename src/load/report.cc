// SPDX-License-Identifier: Apache-2.0
#include "load/report.h"

#include <algorithm>
#include <utility>

namespace redknot::load {
namespace {

constexpr double kMsPerS = 1000;

struct Samples {
  std::vector<double> ttft_ms, itl_ms, e2e_ms, waited_ms;
};

bool is_good(const Answer& answer, const Objectives& objectives) {
  const bool begins = objectives.ttft_ms == 0 || answer.ttft_s() * kMsPerS <= objectives.ttft_ms;
  const bool flows = objectives.itl_ms == 0 || answer.mean_itl_s() * kMsPerS <= objectives.itl_ms;
  return begins && flows;
}

void add_gaps(const Answer& answer, const Objectives& objectives, Samples& samples,
              Report& report) {
  for (std::size_t event = 1; event < answer.events.size(); ++event) {
    const AnswerEvent& now = answer.events[event];
    const double gap_ms = (now.at_s - answer.events[event - 1].at_s) * kMsPerS;
    if (now.tokens > 0) {
      samples.itl_ms.insert(samples.itl_ms.end(), static_cast<std::size_t>(now.tokens),
                            gap_ms / now.tokens);
    }
    report.longest_stall_ms = std::max(report.longest_stall_ms, gap_ms);
    if (gap_ms > objectives.stall_ms) ++report.stalls;
  }
}

void add_completed(const Answer& answer, const Objectives& objectives, Samples& samples,
                   Report& report) {
  ++report.completed;
  report.prompt_tokens += answer.prompt_tokens;
  report.output_tokens += answer.output_tokens;
  report.cached_tokens += answer.cached_tokens;
  report.has_reuse |= answer.has_reuse;
  report.reuse.exact_tokens += answer.reuse.exact_tokens;
  report.reuse.adopted_tokens += answer.reuse.adopted_tokens;
  report.reuse.recovered_tokens += answer.reuse.recovered_tokens;
  report.reuse.new_tokens += answer.reuse.new_tokens;
  samples.ttft_ms.push_back(answer.ttft_s() * kMsPerS);
  samples.e2e_ms.push_back(answer.e2e_s() * kMsPerS);
  samples.waited_ms.push_back((answer.sent_s - answer.scheduled_s) * kMsPerS);
  add_gaps(answer, objectives, samples, report);
  if (is_good(answer, objectives)) ++report.good;
}

}  // namespace

Report make_report(const std::vector<Answer>& answers, const Objectives& objectives) {
  Report report;
  Samples samples;
  if (answers.empty()) return report;
  double first_s = answers.front().scheduled_s, last_s = 0;
  for (const Answer& answer : answers) {
    ++report.requests;
    first_s = std::min(first_s, answer.scheduled_s);
    last_s = std::max(last_s, answer.end_s);
    if (answer.ok()) {
      add_completed(answer, objectives, samples, report);
    } else {
      ++report.failures[answer.failure];
      report.causes.emplace(answer.failure, answer.cause);
    }
  }
  report.wall_s = std::max(last_s - first_s, 1e-9);
  report.requests_per_s = report.completed / report.wall_s;
  report.output_tokens_per_s = static_cast<double>(report.output_tokens) / report.wall_s;
  report.good_share = static_cast<double>(report.good) / report.requests;
  report.good_per_s = report.good / report.wall_s;
  report.ttft_ms = summarize(std::move(samples.ttft_ms));
  report.itl_ms = summarize(std::move(samples.itl_ms));
  report.e2e_ms = summarize(std::move(samples.e2e_ms));
  report.waited_ms = summarize(std::move(samples.waited_ms));
  return report;
}

}  // namespace redknot::load
