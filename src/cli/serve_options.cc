// SPDX-License-Identifier: Apache-2.0
#include "cli/serve_options.h"

#include "cli/exit_code.h"
#include "cli/option_checks.h"
#include "cli/reuse_options.h"
#include "cli/sampling_options.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Serve a model over HTTP, in the dialects of OpenAI and Anthropic\n"
    "\n"
    "Usage: redknot serve -m MODEL [--profile FILE] [--port N] [OPTIONS]\n"
    "\n"
    "Answers POST /v1/chat/completions, /v1/completions and /v1/messages, serves a\n"
    "page at / and metrics at /metrics; docs/API.md has all routes. Says on standard\n"
    "error where it listens; access is logged there too, one line of JSON a request.\n"
    "SIGTERM or Ctrl-C: takes no more requests, finishes those under way, and ends;\n"
    "a second one ends it at once.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot serve -m model.gguf\n"
    "  redknot serve -m model.gguf --profile model.profile.json -c 32768 \\\n"
    "      --kv-memory 8G --reuse segment\n"
    "  redknot serve -m model.gguf --host 0.0.0.0 --api-key-file keys.txt \\\n"
    "      --ssl-cert-file chain.pem --ssl-key-file key.pem\n"
    "\n";

constexpr int kMaxSeconds = 24 * 3600;

void add_count(CLI::App& app, const char* name, int& value, int least, int most, const char* unit,
               const char* group, const char* description) {
  app.add_option(name, value, description)
      ->type_name(unit)
      ->transform(integer_in(least, most))
      ->capture_default_str()
      ->group(group);
}

void add_listening(CLI::App& app, ServeOptions& o) {
  constexpr char kGroup[] = "Listening";
  app.add_option("--host", o.host,
                 "Address or name to listen on; 0.0.0.0 or :: for all. Without API keys whoever "
                 "reaches it may ask.")
      ->type_name("ADDRESS")
      ->capture_default_str()
      ->group(kGroup);
  add_count(app, "--port", o.port, 0, 65535, "N", kGroup, "Port; 0: any that is free.");
  auto* certificate =
      app.add_option("--ssl-cert-file", o.certificate_file,
                     "PEM file with the certificate and its chain: TLS instead of plain HTTP.");
  auto* key = app.add_option("--ssl-key-file", o.key_file, "PEM file with its private key.");
  certificate->type_name("FILE")->needs(key)->group(kGroup);
  key->type_name("FILE")->needs(certificate)->group(kGroup);
  app.add_option("--cors-origin", o.cors_origins,
                 "Pages of this origin may ask too, such as https://app.example, or \"*\" for any. "
                 "May be given several times. Default: none.")
      ->type_name("ORIGIN")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_option("--access-log", o.access_log,
                 "Append a line of JSON for each request to this file; \"-\" is standard error, "
                 "\"off\" none.")
      ->type_name("FILE")
      ->capture_default_str()
      ->group(kGroup);
}

void add_tenants(CLI::App& app, ServeOptions& o) {
  constexpr char kGroup[] = "Tenants";
  app.add_option("--api-key", o.api_keys,
                 "Answer only with this key; may be given several times. Each key is a tenant: "
                 "what one has had computed no other can reuse.")
      ->type_name("KEY")
      ->allow_extra_args(false)
      ->group(kGroup);
  app.add_option("--api-key-file", o.api_key_file, "The same, one key a line.")
      ->type_name("FILE")
      ->group(kGroup);
  app.add_flag("--share-cache", o.share_cache,
               "All tenants share one KV cache: they reuse, see and drop each other's "
               "segments, and share one quota.")
      ->group(kGroup);
  app.add_option("--tenant-quota", o.tenant_kv_bytes,
                 "Most KV memory that the running requests of one tenant hold, and that its "
                 "pinned segments do; further requests of its wait. Default: no limit.")
      ->type_name("BYTES")
      ->transform(bytes())
      ->group(kGroup);
}

void add_reusing(CLI::App& app, ServeOptions& o) {
  constexpr char kGroup[] = "Reuse (of requests that do not say)";
  app.add_option("--reuse", o.reuse,
                 "none; prefix: the prefix cache, what earlier prompts began with; answers stay "
                 "exact; segment: "
                 "marked parts of prompts too, wherever they stand.")
      ->type_name("MODE")
      ->check(one_of({"none", "prefix", "segment"}))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--recovery", o.recovery,
                 "Which tokens of reused parts are computed again in their place: none, boundary, "
                 "deviation, elastic or knot.")
      ->type_name("POLICY")
      ->check(one_of(kRecoveryNames))
      ->capture_default_str()
      ->group(kGroup);
  app.add_option("--ratio", o.ratio,
                 "The share of reused tokens that is computed again; of elastic, the share of "
                 "attention whose tokens pass feed-forward networks. Default: 0.08, of knot 256 "
                 "tokens where that is more and no more than an eighth; of elastic 0.5.")
      ->type_name("SHARE")
      ->transform(real_in(0, 1))
      ->group(kGroup);
  app.add_option("--chat-template-file", o.chat_template_file,
                 "Jinja source that turns messages into a prompt, instead of the model's own.")
      ->type_name("FILE")
      ->group("Model");
  app.add_option("-a,--alias", o.alias,
                 "What clients call the model. Default: the name of its file.")
      ->type_name("NAME")
      ->group("Model");
}

void add_sessions(CLI::App& app, ServeOptions& o) {
  constexpr char kGroup[] = "Sessions";
  add_count(app, "-c,--ctx-size", o.context_tokens, 0, kMaxTokens, "TOKENS", kGroup,
            "Longest sequence, prompt and answer together; 0: as long as the model was trained "
            "for.");
  app.add_option("--kv-memory", o.kv_bytes,
                 "Memory for the KV cache, taken at the start; K, M, G and T stand for powers "
                 "of 1024. Default: for four sequences of the longest length.")
      ->type_name("BYTES")
      ->transform(bytes())
      ->group(kGroup);
  add_count(app, "--parallel", o.parallel, 1, 65536, "N", kGroup,
            "Most sequences that run at a time, if the memory holds them.");
  add_count(app, "--max-queue", o.max_queue, 1, 1 << 20, "N", kGroup,
            "Most requests that wait; more are told 429.");
  app.add_option("--queue-timeout", o.queue_timeout_seconds,
                 "A request that has not begun by then is told 429; 0: it waits.")
      ->type_name("SECONDS")
      ->transform(real_in(0, kMaxSeconds))
      ->capture_default_str()
      ->group(kGroup);
  add_count(app, "-n,--predict", o.max_tokens, -1, kMaxTokens, "TOKENS", kGroup,
            "Most tokens of an answer whose request does not say; -1: until the context is full.");
}

void add_limits(CLI::App& app, ServeOptions& o) {
  constexpr char kGroup[] = "Limits";
  const auto size = [&](const char* name, std::size_t& value, const char* shown,
                        const char* description) {
    app.add_option(name, value, description)
        ->type_name("BYTES")
        ->transform(bytes())
        ->default_str(shown)
        ->group(kGroup);
  };
  size("--max-header", o.max_header_bytes, "16K", "Of a request's line and headers.");
  size("--max-body", o.max_body_bytes, "32M", "Of a request's body.");
  add_count(app, "--max-connections", o.max_connections, 1, 1 << 20, "N", kGroup,
            "More are told 503.");
  add_count(app, "--max-streams", o.max_streams, 1, 1 << 20, "N", kGroup,
            "Streaming answers at a time; more are told 503.");
  add_count(app, "--idle-timeout", o.idle_seconds, 1, kMaxSeconds, "SECONDS", kGroup,
            "Connections on which nothing comes are closed.");
  add_count(app, "--write-timeout", o.write_seconds, 1, kMaxSeconds, "SECONDS", kGroup,
            "So are those whose client takes nothing of its answer.");
  add_count(app, "--drain-timeout", o.drain_seconds, 0, kMaxSeconds, "SECONDS", kGroup,
            "How long answers under way may take to end after SIGTERM.");
}

}  // namespace

CLI::App* add_serve(CLI::App& app, ServeOptions& options) {
  CLI::App* verb = app.add_subcommand("serve", kDescription);
  add_model(*verb, options.model);
  add_profile_file(*verb, options.profile);
  add_listening(*verb, options);
  add_tenants(*verb, options);
  add_sessions(*verb, options);
  add_reusing(*verb, options);
  add_generation_config(*verb, options.generation_config);
  add_limits(*verb, options);
  add_kv(*verb, options.kv);
  add_cache_types(*verb, options.kv);
  add_computation(*verb, options);
  add_record(*verb, options.record);
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

}  // namespace redknot::cli
