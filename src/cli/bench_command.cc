// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_command.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "cli/bench_pictures.h"
#include "cli/chart.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/replaced_file.h"
#include "engine/step_bench.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kDescription[] =
    "Measure the speed of a model on this machine\n"
    "\n"
    "Usage: redknot bench -m MODEL [-p LIST] [-n LIST] [-d LIST] [OPTIONS]\n"
    "       redknot bench rag --help\n"
    "       redknot bench serve --help\n"
    "\n"
    "Every length of -p (prefill) and of -n (decode) is timed at every depth of\n"
    "-d with every format of --kv: once to warm up, then -r times. A line shows the\n"
    "median of tokens per second, the slowest and the fastest of them, GB/s (weights\n"
    "and KV read once per step), GFLOP/s, and how much of the machine's measured\n"
    "limit that is: the least time that memory and arithmetic would allow, divided by\n"
    "the time taken.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot bench -m model.gguf -p 512,4096 -n 64 -d 0,8192 -t 2\n"
    "  redknot bench -m model.gguf -p 0 -n 128 -d 32768 --kv f16,q8\n"
    "  redknot bench -m model.gguf -d 0,8192 --json --svg bench.svg > bench.jsonl\n"
    "\n";

// One line of the output before it is timed.
struct Test {
  bool decode = false;
  int tokens = 0;
  int depth = 0;
  const char* name() const { return decode ? "decode" : "prefill"; }
};

struct TimedTest {
  Test test;
  std::vector<double> samples;  // tokens per second, in the order of the repetitions
  double median = 0, slowest = 0, fastest = 0;
  double bytes_per_second = 0, flops = 0;  // at the median
  double limit_share = 0;
};

std::vector<Test> tests_of(const BenchCommandOptions& options) {
  std::vector<Test> out;
  for (const int depth : options.depths) {
    for (const int tokens : options.prefill_tokens) {
      if (tokens > 0) out.push_back({/*decode=*/false, tokens, depth});
    }
  }
  for (const int depth : options.depths) {
    for (const int tokens : options.decode_tokens) {
      if (tokens > 0) out.push_back({/*decode=*/true, tokens, depth});
    }
  }
  return out;
}

Result<StepBench> open_bench(const BenchCommandOptions& options, const std::string& kv,
                             const std::vector<Test>& tests) {
  EngineOptions out = engine_options(options, options.model, options.profile);
  out.kv = kv_from_name(kv);
  out.context_tokens = 0;
  for (const Test& test : tests) {
    out.context_tokens = std::max(out.context_tokens, test.depth + test.tokens);
  }
  ProgressPrinter progress;
  out.progress = progress.callback();
  return StepBench::open(std::move(out));
}

// Memory traffic overlaps with arithmetic; the two kinds of arithmetic share the same cores.
double least_seconds(const BenchWork& work, const MachineLimits& limits) {
  return std::max(work.bytes / limits.memory_bytes_per_second,
                  work.fp32_flops / limits.fp32_flops + work.int8_ops / limits.int8_ops +
                      work.bf16_flops / limits.bf16_flops);
}

Result<TimedTest> time_test(StepBench& bench, const Test& test, int repetitions,
                            const MachineLimits& limits, const std::function<void()>& advanced) {
  TimedTest out;
  out.test = test;
  for (int repetition = 0; repetition <= repetitions; ++repetition) {
    advanced();
    REDKNOT_TRY(const double seconds, test.decode ? bench.decode_seconds(test.tokens, test.depth)
                                                  : bench.prefill_seconds(test.tokens, test.depth));
    if (repetition > 0) out.samples.push_back(test.tokens / std::max(seconds, 1e-9));
  }
  out.median = median(out.samples);
  const auto [slowest, fastest] = std::minmax_element(out.samples.begin(), out.samples.end());
  out.slowest = *slowest;
  out.fastest = *fastest;
  const BenchWork work = test.decode ? bench.decode_work(test.tokens, test.depth)
                                     : bench.prefill_work(test.tokens, test.depth);
  const double seconds = test.tokens / out.median;
  out.bytes_per_second = work.bytes / seconds;
  out.flops = (work.fp32_flops + work.int8_ops + work.bf16_flops) / seconds;
  out.limit_share = least_seconds(work, limits) / seconds;
  return out;
}

std::string heading(const StepBench& bench, const BenchCommandOptions& options,
                    const MachineLimits& limits) {
  std::string out =
      format("%s: %s kernels, activations %s, %d threads, pages of %d tokens, steps of %d\n",
             bench.model().name.c_str(), bench.kernels().c_str(), name(bench.activations()).data(),
             bench.threads(), options.page_tokens, options.max_step_tokens);
  out +=
      format("machine: memory %.1f GB/s, fp32 %.0f GFLOP/s, bf16 %.0f GFLOP/s, int8 %.0f GOP/s\n\n",
             limits.memory_bytes_per_second / 1e9, limits.fp32_flops / 1e9, limits.bf16_flops / 1e9,
             limits.int8_ops / 1e9);
  return out +
         "test     tokens    depth    kv   tokens/s       min ..      max     GB/s  GFLOP/s  of "
         "limit\n";
}

std::string row(const TimedTest& m, const std::string& kv) {
  return format("%-7s %7d %8d  %4s %10.2f %9.2f .. %8.2f %8.2f %8.1f %7.1f %%\n", m.test.name(),
                m.test.tokens, m.test.depth, kv.c_str(), m.median, m.slowest, m.fastest,
                m.bytes_per_second / 1e9, m.flops / 1e9, m.limit_share * 100);
}

std::string json_row(const TimedTest& m, const std::string& kv, const StepBench& bench,
                     const BenchCommandOptions& options) {
  const Json out = {{"test", m.test.name()},
                    {"tokens", m.test.tokens},
                    {"depth", m.test.depth},
                    {"kv", kv},
                    {"threads", bench.threads()},
                    {"tokens_per_second", m.median},
                    {"samples", m.samples},
                    {"min", m.slowest},
                    {"max", m.fastest},
                    {"gb_per_second", m.bytes_per_second / 1e9},
                    {"gflop_per_second", m.flops / 1e9},
                    {"limit_share", m.limit_share},
                    {"page_tokens", options.page_tokens},
                    {"batch_size", options.max_step_tokens},
                    {"kernels", bench.kernels()},
                    {"activations", name(bench.activations())},
                    {"model", bench.model().name}};
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

MeasuredSpeed speed_of(const TimedTest& m, const std::string& kv) {
  return {.decode = m.test.decode,
          .tokens = m.test.tokens,
          .depth = m.test.depth,
          .kv = kv,
          .median = m.median,
          .slowest = m.slowest,
          .fastest = m.fastest};
}

void add_list(CLI::App& app, const char* name, std::vector<int>& values, const char* standard,
              const char* description) {
  app.add_option(name, values, description)
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->transform(integer_in(0, kMaxTokens))
      ->default_str(standard)
      ->group("Tests");
}

}  // namespace

CLI::App* add_bench(CLI::App& app, BenchCommandOptions& options) {
  CLI::App* verb = app.add_subcommand("bench", kDescription);
  add_model(*verb, options.model);
  add_profile_file(*verb, options.profile);
  add_list(*verb, "-p,--n-prompt", options.prefill_tokens, "512",
           "Prefill: lengths of prompts in tokens, separated by commas; 0: no such test.");
  add_list(*verb, "-n,--n-gen", options.decode_tokens, "64",
           "Decode: numbers of tokens generated one by one, separated by commas; 0: no such test.");
  add_list(*verb, "-d,--n-depth", options.depths, "0",
           "Depths: tokens that the KV cache holds before a test, separated by commas.");
  verb->add_option(
          "--kv", options.kv,
          "Formats of the KV cache, separated by commas: f16, q8, k8v4, f32. With --profile they "
          "take the place of the formats in it.")
      ->type_name("LIST")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->check(one_of(kv_names()))
      ->default_str("f16; with --profile, as it says")
      ->group("Tests");
  verb->add_option("-r,--repetitions", options.repetitions, "Timed repetitions of each test.")
      ->type_name("N")
      ->transform(integer_in(1, 1000))
      ->capture_default_str()
      ->group("Tests");
  add_computation(*verb, options);
  verb->add_flag(
          "--json", options.json,
          "Print one JSON object a line for each test: test, tokens, depth, kv, threads, "
          "tokens_per_second (the median), samples, min, max, gb_per_second, "
          "gflop_per_second, limit_share (0 to 1), page_tokens, batch_size, kernels, activations, "
          "model.")
      ->group("Output");
  verb->add_option("--svg", options.svg,
                   "Draw tokens per second against depth, a line a format of the KV cache.")
      ->type_name("FILE")
      ->group("Output");
  add_bench_rag(*verb, options.rag);
  add_bench_serve(*verb, options.serve);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

std::string wrong_combination(const BenchCommandOptions& options) {
  if (!tests_of(options).empty()) return {};
  return "every length of -p and -n is 0: there is nothing to measure";
}

Result<ExitCode> bench(const BenchCommandOptions& options) {
  const std::vector<Test> tests = tests_of(options);
  if (options.svg) REDKNOT_RETURN_IF_ERROR(check_replaceable(*options.svg));
  // Before the model is loaded, whose memory would come on top; a wrong path is said at once.
  REDKNOT_RETURN_IF_ERROR(ModelFile::open(options.model));
  REDKNOT_TRY(const MachineLimits limits, measure_machine_limits(options.threads));
  bool first = true;
  std::vector<MeasuredSpeed> speeds;
  WorkProgress progress;
  double done = 0;
  std::vector<std::string> formats = options.kv;
  if (formats.empty()) formats = {options.profile.empty() ? "f16" : "auto"};
  for (const std::string& kv : formats) {
    REDKNOT_TRY(StepBench bench, open_bench(options, kv, tests));
    if (first && !options.json) REDKNOT_RETURN_IF_ERROR(print(heading(bench, options, limits)));
    first = false;
    for (const Test& test : tests) {
      const std::string what =
          format("%s %d, depth %d, %s", test.name(), test.tokens, test.depth, kv.c_str());
      const auto repetitions = static_cast<double>(options.repetitions + 1);
      const double all = repetitions * static_cast<double>(tests.size() * formats.size());
      REDKNOT_TRY(const TimedTest timed, time_test(bench, test, options.repetitions, limits,
                                                   [&] { progress.show(what, done++ / all); }));
      progress.clear();
      REDKNOT_RETURN_IF_ERROR(
          print(options.json ? json_row(timed, kv, bench, options) : row(timed, kv)));
      speeds.push_back(speed_of(timed, kv));
    }
  }
  if (options.svg) REDKNOT_RETURN_IF_ERROR(replace_file(*options.svg, speed_picture(speeds)));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
