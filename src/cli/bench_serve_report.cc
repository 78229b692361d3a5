// SPDX-License-Identifier: Apache-2.0
// What `redknot bench serve` prints and writes.
#include <nlohmann/json.hpp>

#include "cli/bench_serve_command.h"
#include "cli/output.h"
#include "eval/score.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;

std::string line(const char* name, const std::string& value) {
  return format("%-28s %s\n", name, value.c_str());
}

std::string whole(std::int64_t value) { return format("%lld", static_cast<long long>(value)); }

std::string latency_table(const load::Report& report) {
  std::string out =
      format("\n%-12s %10s %10s %10s %10s %10s\n", "ms", "mean", "p50", "p90", "p99", "max");
  const auto row = [&out](const char* name, const load::Summary& all) {
    if (all.count == 0) return;
    out += format("%-12s %10.1f %10.1f %10.1f %10.1f %10.1f\n", name, all.mean, all.p50, all.p90,
                  all.p99, all.max);
  };
  row("TTFT", report.ttft_ms);
  row("ITL", report.itl_ms);
  row("E2E", report.e2e_ms);
  row("sent late", report.waited_ms);
  return out + "\n";
}

std::string goal(const load::Objectives& objectives) {
  std::string out;
  if (objectives.ttft_ms > 0) out += format("TTFT <= %g ms", objectives.ttft_ms);
  if (objectives.itl_ms > 0) {
    out += format("%smean ITL <= %g ms", out.empty() ? "" : ", ", objectives.itl_ms);
  }
  return out;
}

std::string token_lines(const load::Report& report) {
  std::string out = line("prompt tokens", whole(report.prompt_tokens));
  out += line("  of those cached", whole(report.cached_tokens));
  if (report.has_reuse) {
    out += line("  exact", whole(report.reuse.exact_tokens));
    out += line("  adopted", whole(report.reuse.adopted_tokens));
    out += line("  recovered", whole(report.reuse.recovered_tokens));
    out += line("  new", whole(report.reuse.new_tokens));
  }
  return out + line("output tokens", whole(report.output_tokens));
}

std::string failure_lines(const load::Report& report) {
  std::string out;
  for (const auto& [kind, count] : report.failures) {
    const std::string& cause = report.causes.at(kind);
    out += line(("failed: " + kind).c_str(),
                format("%d%s%s", count, cause.empty() ? "" : ", the first: ", cause.c_str()));
  }
  return out;
}

std::string server_lines(const load::LoadResult& result) {
  std::string out = line("open streams, peak", format("%d", result.peak_streams));
  if (result.peak_running) out += line("sessions held, peak", format("%g", *result.peak_running));
  if (result.preemptions) out += line("preemptions", format("%g", *result.preemptions));
  const load::BystanderCounts& beside = result.bystanders;
  if (beside.idle + beside.slow + beside.lost > 0) {
    out += line("connections beside",
                format("%d idle, %d read slowly, %d lost", beside.idle, beside.slow, beside.lost));
  }
  return out;
}

std::string agreement_lines(const load::LoadResult& result) {
  if (!result.agreement) return {};
  const load::Agreement& all = *result.agreement;
  std::string out = line("as the exact run, answers",
                         format("%.2f %% of %d", 100 * all.identical_share(), all.compared));
  out += line("  tokens before they differ", format("%.2f %%", 100 * all.token_share()));
  if (result.unchecked > 0) out += line("  not compared", format("%d", result.unchecked));
  return out;
}

// Answers as a file says they should be, by eval/score.h.
struct Graded {
  int known = 0, right = 0;
};

Graded grade(const load::LoadResult& result) {
  Graded out;
  for (const load::Answer& answer : result.answers) {
    if (!answer.ok() || answer.expected.empty()) continue;
    ++out.known;
    if (eval::exact_match(answer.text, answer.expected)) ++out.right;
  }
  return out;
}

std::string grade_lines(const load::LoadResult& result) {
  const Graded found = grade(result);
  if (found.known == 0) return {};
  return line("answers right",
              format("%.2f %% of %d", 100.0 * found.right / found.known, found.known));
}

Json grade_json(const load::LoadResult& result) {
  const Graded found = grade(result);
  if (found.known == 0) return nullptr;
  return {{"known", found.known}, {"right", found.right}};
}

Json summary_json(const load::Summary& all) {
  if (all.count == 0) return nullptr;
  return {{"count", all.count}, {"mean", all.mean}, {"p50", all.p50},
          {"p90", all.p90},     {"p99", all.p99},   {"max", all.max}};
}

Json reuse_json(const load::ReuseTokens& reuse) {
  return {{"exact_tokens", reuse.exact_tokens},
          {"adopted_tokens", reuse.adopted_tokens},
          {"recovered_tokens", reuse.recovered_tokens},
          {"new_tokens", reuse.new_tokens}};
}

template <typename T>
Json or_null(const std::optional<T>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json request_json(const load::Answer& answer) {
  Json out = {{"conversation", answer.conversation},
              {"turn", answer.turn},
              {"scheduled_s", answer.scheduled_s},
              {"sent_s", answer.sent_s},
              {"end_s", answer.end_s}};
  if (!answer.ok()) {
    out["failure"] = answer.failure;
    out["cause"] = answer.cause;
    return out;
  }
  out["ttft_ms"] = 1000 * answer.ttft_s();
  out["mean_itl_ms"] = 1000 * answer.mean_itl_s();
  out["prompt_tokens"] = answer.prompt_tokens;
  out["output_tokens"] = answer.output_tokens;
  out["cached_tokens"] = answer.cached_tokens;
  out["finish_reason"] = answer.finish_reason;
  if (!answer.expected.empty()) {
    out["text"] = answer.text;
    out["expected"] = answer.expected;
  }
  if (answer.has_reuse) out["redknot"] = reuse_json(answer.reuse);
  return out;
}

Json options_json(const BenchServeOptions& options) {
  const load::WorkloadOptions& workload = options.workload;
  const load::PromptOptions& prompts = options.load.prompts;
  return {{"url", options.model.empty() ? options.url : ""},
          {"served_model", options.model},
          {"serve_options", options.serve_options},
          {"endpoint", options.endpoint},
          {"mix", options.mix},
          {"num_prompts", workload.prompts},
          {"request_rate", options.rate},
          {"duration_s", options.load.duration_s},
          {"max_concurrency", options.load.max_concurrency},
          {"timeout_s", options.load.timeout_s},
          {"seed", workload.seed},
          {"input_len", workload.input_tokens},
          {"output_len", workload.output_tokens},
          {"question_len", workload.question_tokens},
          {"documents", workload.documents},
          {"document_len", workload.document_tokens},
          {"per_prompt", workload.documents_per_prompt},
          {"zipf", workload.zipf},
          {"turns", workload.turns},
          {"think_time_s", workload.think_s},
          {"questions", options.questions},
          {"order", options.order},
          {"known", workload.first_sights},
          {"documents_in", options.documents_in},
          {"trace", options.trace},
          {"speed", workload.speed},
          {"max_input_len", workload.max_input_tokens},
          {"temperature", prompts.temperature},
          {"ignore_eos", prompts.ignore_eos},
          {"reuse", prompts.reuse},
          {"recovery", prompts.recovery},
          {"ratio", or_null(prompts.ratio)},
          {"slo_ttft_ms", options.objectives.ttft_ms},
          {"slo_itl_ms", options.objectives.itl_ms},
          {"stall_ms", options.objectives.stall_ms},
          {"idle_connections", options.load.idle_connections},
          {"slow_readers", options.load.slow_readers}};
}

Json agreement_json(const load::LoadResult& result) {
  if (!result.agreement) return nullptr;
  const load::Agreement& all = *result.agreement;
  return {{"compared", all.compared},
          {"identical", all.identical},
          {"identical_share", all.identical_share()},
          {"tokens", all.tokens},
          {"agreed_tokens", all.agreed_tokens},
          {"token_share", all.token_share()},
          {"unchecked", result.unchecked}};
}

Json numbers_json(const load::Report& report, const load::LoadResult& result) {
  return {{"requests", report.requests},
          {"completed", report.completed},
          {"failed", report.requests - report.completed},
          {"failures", report.failures},
          {"causes", report.causes},
          {"unsent", result.unsent},
          {"cut_off", result.cut_off},
          {"wall_s", report.wall_s},
          {"requests_per_s", report.requests_per_s},
          {"output_tokens_per_s", report.output_tokens_per_s},
          {"prompt_tokens", report.prompt_tokens},
          {"output_tokens", report.output_tokens},
          {"cached_tokens", report.cached_tokens},
          {"redknot", report.has_reuse ? reuse_json(report.reuse) : Json(nullptr)},
          {"ttft_ms", summary_json(report.ttft_ms)},
          {"itl_ms", summary_json(report.itl_ms)},
          {"e2e_ms", summary_json(report.e2e_ms)},
          {"sent_late_ms", summary_json(report.waited_ms)},
          {"good", report.good},
          {"good_share", report.good_share},
          {"good_per_s", report.good_per_s},
          {"longest_stall_ms", report.longest_stall_ms},
          {"stalls", report.stalls},
          {"peak_streams", result.peak_streams},
          {"peak_running", or_null(result.peak_running)},
          {"preemptions", or_null(result.preemptions)},
          {"idle_connections", result.bystanders.idle},
          {"slow_readers", result.bystanders.slow},
          {"lost_connections", result.bystanders.lost},
          {"tokens_per_word", or_null(result.tokens_per_word)},
          {"graded", grade_json(result)},
          {"agreement", agreement_json(result)}};
}

}  // namespace

std::string serve_table(const load::Report& report, const load::LoadResult& result,
                        const load::Objectives& objectives) {
  std::string out = line("model", result.model);
  out += line("requests completed", format("%d of %d", report.completed, report.requests));
  out += failure_lines(report);
  if (result.unknown_sets > 0) {
    out += line("sets not made known", format("%d", result.unknown_sets));
  }
  if (result.unsent > 0) out += line("not sent", format("%d", result.unsent));
  if (result.cut_off > 0) out += line("cut off", format("%d", result.cut_off));
  out += line("duration", format("%.2f s", report.wall_s));
  out += line("requests/s", format("%.2f", report.requests_per_s));
  out += line("output tokens/s", format("%.1f", report.output_tokens_per_s));
  out += latency_table(report);
  if (const std::string wanted = goal(objectives); !wanted.empty()) {
    out += line("goodput", format("%.2f requests/s, %.1f %% (%s)", report.good_per_s,
                                  100 * report.good_share, wanted.c_str()));
  }
  out += line("longest stall", format("%.0f ms, %d over %g ms", report.longest_stall_ms,
                                      report.stalls, objectives.stall_ms));
  out += token_lines(report) + server_lines(result) + grade_lines(result) + agreement_lines(result);
  return out;
}

std::string serve_json(const load::Report& report, const load::LoadResult& result,
                       const BenchServeOptions& options, bool interrupted) {
  Json out = {
      {"model", result.model}, {"interrupted", interrupted}, {"options", options_json(options)}};
  out.update(numbers_json(report, result));
  Json requests = Json::array();
  for (const load::Answer& answer : result.answers) requests.push_back(request_json(answer));
  out["answers"] = std::move(requests);
  return out.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace redknot::cli
