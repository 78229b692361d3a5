// SPDX-License-Identifier: Apache-2.0
// The options of `redknot bench serve`.
#include <charconv>
#include <cmath>

#include "cli/bench_serve_command.h"
#include "cli/option_checks.h"
#include "cli/reuse_options.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Measure a server under load\n"
    "\n"
    "Usage: redknot bench serve [--url URL | -m MODEL] [OPTIONS] [-- SERVE OPTIONS]\n"
    "\n"
    "Requests go out when they arrive, however many are not answered yet (open loop):\n"
    "arrivals are fixed before the first one, and all times count from them, so that\n"
    "a server that stalls is charged for it. Any server of OpenAI's dialect will do;\n"
    "with -m one is started with the options behind --, and stopped at the end.\n"
    "  unique      prompts that share nothing\n"
    "  shared      documents in another order in every prompt, then a question\n"
    "  multi-turn  conversations; a turn waits for the answer before it\n"
    "  questions   a JSON object a line with documents, question and answer, or with\n"
    "              turns of question and answer (build/release/corpus writes such);\n"
    "              in another order in every request\n"
    "  trace       a file in Mooncake's format: a JSON object a line with timestamp\n"
    "              (ms), input_length, output_length, hash_ids (512 tokens each)";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot bench serve --url http://127.0.0.1:8080 --request-rate 4\n"
    "  redknot bench serve -m models/redknot-reader.gguf --mix shared --check \\\n"
    "    --num-prompts 200 --request-rate 8 --reuse segment --json out.json -- -t 2\n"
    "  redknot bench serve --mix trace --trace conversation.jsonl --speed 0.1\n"
    "\n";

constexpr int kMaxRequests = 1 << 22;
constexpr int kMaxConnections = 1 << 16;
constexpr double kMaxSeconds = 1e6;

CLI::Validator named_files() {
  return {[](const std::string& given) {
            const std::size_t at = given.find('=');
            const bool whole = at != given.npos && at > 0 && at + 1 < given.size();
            return whole ? std::string() : "\"" + given + "\" is not NAME=FILE";
          },
          "", "NAME=FILE"};
}

// Adds options of one group.
class Group {
 public:
  Group(CLI::App& verb, const char* name) : verb_(verb), name_(name) {}

  CLI::Option* count(const char* option, int& value, int least, int most, const char* text,
                     const char* type = "N") {
    return verb_.add_option(option, value, text)
        ->type_name(type)
        ->transform(integer_in(least, most))
        ->capture_default_str()
        ->group(name_);
  }
  CLI::Option* real(const char* option, double& value, double least, double most, const char* type,
                    const char* text) {
    return verb_.add_option(option, value, text)
        ->type_name(type)
        ->transform(real_in(least, most))
        ->capture_default_str()
        ->group(name_);
  }
  CLI::Option* text(const char* option, std::string& value, const char* type, const char* text) {
    return verb_.add_option(option, value, text)
        ->type_name(type)
        ->capture_default_str()
        ->group(name_);
  }
  CLI::Option* flag(const char* option, bool& value, const char* text) {
    return verb_.add_flag(option, value, text)->group(name_);
  }

 private:
  CLI::App& verb_;
  const char* name_;
};

CLI::Validator address() {
  const auto check = [](std::string& text) -> std::string {
    const auto parsed = load::parse_address(text);
    return parsed.ok() ? std::string() : parsed.error().message();
  };
  return CLI::Validator(check, "");
}

CLI::Validator rate() {
  const auto check = [](std::string& text) -> std::string {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool number = error == std::errc() && end == text.data() + text.size();
    if (text == "inf" || (number && value >= 1e-6 && value <= 1e6)) return {};
    return "'" + text + "' is not inf or a number in the range 1e-6 to 1e6";
  };
  return CLI::Validator(check, "");
}

void add_server(CLI::App& verb, BenchServeOptions& o) {
  Group group(verb, "Server");
  auto* url = group.text("--url", o.url, "URL", "Where it listens.")->check(address());
  group
      .text("-m,--model", o.model, "PATH",
            "Serve this model for the time of the load: redknot serve of this binary, on a free "
            "port.")
      ->excludes(url);
  group.flag("--insecure", o.insecure, "With https: take any certificate.");
  group.text("--api-key", o.load.api_key, "KEY", "Sent as a bearer token.");
  group.text("--model-name", o.load.prompts.model, "NAME",
             "The model to ask for. Without one, the first that the server lists.");
  group
      .text("--endpoint", o.endpoint, "NAME",
            "chat: /v1/chat/completions. completions: /v1/completions, for models without a "
            "template.")
      ->check(one_of({"chat", "completions"}));
  verb.add_option("serve_options", o.serve_options)->group("")->needs("--model");
}

void add_arrivals(CLI::App& verb, BenchServeOptions& o) {
  Group group(verb, "Arrivals");
  group
      .text("--mix", o.mix, "MIX", "What is asked: unique, shared, multi-turn, questions or trace.")
      ->check(one_of({"unique", "shared", "multi-turn", "questions", "trace"}));
  group.count("-n,--num-prompts", o.workload.prompts, 1, kMaxRequests,
              "Requests in all; of a file, at most.");
  group
      .text("--request-rate", o.rate, "R",
            "Requests that arrive in a second, as a Poisson process; inf: all at once. A trace "
            "says itself.")
      ->check(rate());
  group.real("--duration", o.load.duration_s, 0, kMaxSeconds, "S",
             "Send nothing that arrives later than this many seconds; 0: send all.");
  group.count("--max-concurrency", o.load.max_concurrency, 0, kMaxConnections,
              "Requests under way at a time; others wait, and their waiting counts. 0: no limit.");
  group.real("--timeout", o.load.timeout_s, 0.001, kMaxSeconds, "S",
             "Give a request up after this many seconds.");
  verb.add_option("--seed", o.workload.seed, "Of arrivals, texts, documents and sampling.")
      ->type_name("N")
      ->transform(integer_in(0, std::int64_t{1} << 62))
      ->capture_default_str()
      ->group("Arrivals");
}

void add_prompts(CLI::App& verb, BenchServeOptions& o) {
  Group group(verb, "Prompts");
  const auto tokens = [&group](const char* option, int& value, const char* text) {
    group.count(option, value, 1, kMaxTokens, text, "TOKENS");
  };
  tokens("--input-len", o.workload.input_tokens, "Of a unique prompt, and of a first turn.");
  tokens("--output-len", o.workload.output_tokens, "Of an answer, at most. A trace says itself.");
  tokens("--question-len", o.workload.question_tokens,
         "Of a question behind documents, and of later turns.");
  group.count("--documents", o.workload.documents, 1, kMaxRequests, "shared: documents there are.");
  tokens("--document-len", o.workload.document_tokens, "shared: of a document.");
  group.count("--per-prompt", o.workload.documents_per_prompt, 1, 4096,
              "shared: documents of a prompt.");
  group.real("--zipf", o.workload.zipf, 0, 10, "EXPONENT",
             "shared: how much some documents are asked for more often; 0: all alike.");
  group.count("--turns", o.workload.turns, 1, 4096, "multi-turn: of a conversation.");
  group.real("--think-time", o.workload.think_s, 0, kMaxSeconds, "S",
             "multi-turn: mean time between turns.");
  group.text("--questions", o.questions, "FILE", "questions: what to ask.");
  group
      .text("--order", o.order, "ORDER",
            "questions: new, documents in another order in every prompt; file, in the file's.")
      ->check(one_of({"new", "file"}));
  group.flag("--known", o.workload.first_sights,
             "questions: before the load, send all documents once, in the file's order.");
  group
      .text("--documents-in", o.documents_in, "PLACE",
            "questions: field, as the field documents; message, in front of the question, for "
            "servers that have no such field.")
      ->check(one_of({"field", "message"}));
  group.text("--trace", o.trace, "FILE", "trace: what to play.");
  group.real("--speed", o.workload.speed, 1e-6, 1e6, "FACTOR",
             "trace: how many times as fast as it was recorded.");
  group.count("--max-input-len", o.workload.max_input_tokens, 0, kMaxTokens,
              "trace: leave longer prompts out; 0: none.", "TOKENS");
}

void add_answers(CLI::App& verb, BenchServeOptions& o) {
  Group group(verb, "Answers");
  group.real("--temperature", o.load.prompts.temperature, 0, 10, "T",
             "Of sampling; above 0 every request has a seed of its own.");
  group.flag("--ignore-eos", o.load.prompts.ignore_eos,
             "Ask for answers of the whole --output-len.");
  group
      .text("--reuse", o.load.prompts.reuse, "MODE",
            "none, prefix or segment, sent as redknot.reuse. Without it, the server's default; so "
            "are the next two.")
      ->check(one_of({"none", "prefix", "segment"}));
  group
      .text("--recovery", o.load.prompts.recovery, "POLICY",
            "What is computed again of reused documents: none, boundary, deviation, elastic or "
            "knot.")
      ->check(one_of(kRecoveryNames));
  verb.add_option("--ratio", o.load.prompts.ratio, "The share of them that is computed again.")
      ->type_name("SHARE")
      ->transform(real_in(0, 1))
      ->group("Answers");
}

void add_measurement(CLI::App& verb, BenchServeOptions& o) {
  Group group(verb, "Measurement");
  group.real("--slo-ttft-ms", o.objectives.ttft_ms, 0, 1e9, "MS",
             "Goodput counts answers whose first token comes within this time; 0: any.");
  group.real("--slo-itl-ms", o.objectives.itl_ms, 0, 1e9, "MS",
             "And whose mean time between tokens is within this; 0: any.");
  group.real("--stall-ms", o.objectives.stall_ms, 0, 1e9, "MS",
             "Count longer silences within an answer as stalls.");
  group.flag("--check", o.load.check,
             "Afterwards ask every prompt again, alone and with reuse none, and say how far the "
             "answers agree.");
  group.count("--idle-connections", o.load.idle_connections, 0, kMaxConnections,
              "Beside the load, keep so many connections open that send nothing.");
  group.count("--slow-readers", o.load.slow_readers, 0, kMaxConnections,
              "Beside the load, so many clients ask for a stream of 16 tokens and read a byte a "
              "second.");
  verb.add_option("--json", o.json, "Write all numbers and every request to a JSON file.")
      ->type_name("FILE")
      ->group("Measurement");
  CLI::Option* svg = verb.add_option("--svg", o.svg,
                                     "Draw the answers' tokens per second against the number of "
                                     "requests, and the time to the first token.")
                         ->type_name("FILE")
                         ->group("Measurement");
  verb.add_option("--beside", o.beside,
                  "In that picture draw the runs of these files of --json as a line of that name, "
                  "beside this run; may be repeated.")
      ->type_name("NAME=FILE,FILE")
      ->allow_extra_args(false)
      ->check(named_files())
      ->needs(svg)
      ->group("Measurement");
}

}  // namespace

CLI::App* add_bench_serve(CLI::App& bench, BenchServeOptions& options) {
  CLI::App* verb = bench.add_subcommand("serve", kDescription);
  verb->preparse_callback([&bench](std::size_t) { bench.get_option("--model")->required(false); });
  add_server(*verb, options);
  add_arrivals(*verb, options);
  add_prompts(*verb, options);
  add_answers(*verb, options);
  add_measurement(*verb, options);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
