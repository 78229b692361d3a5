// SPDX-License-Identifier: Apache-2.0
#include "cli/serve_command.h"

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <semaphore>
#include <string>
#include <thread>
#include <utility>

#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/reuse_options.h"
#include "cli/sampling_options.h"
#include "http/server.h"
#include "server/service.h"
#include "server/tenants.h"

namespace redknot::cli {
namespace {

constexpr int kDefaultSequences = 4;  // that the KV memory holds if nobody says how much

EngineOptions served_engine(const ServeOptions& options, std::size_t tenants,
                            ProgressPrinter& progress) {
  EngineOptions out = engine_options(options, options.model, options.profile);
  out.context_tokens = options.context_tokens;
  out.max_sequences = std::min(kDefaultSequences, options.parallel);
  if (options.reuse == "segment") out.segment_tokens = -1;
  out.kv_bytes = options.kv_bytes;
  out.kv = kv_from_name(options.kv);
  out.max_running = options.parallel;
  out.max_waiting = options.max_queue;
  out.tenants = static_cast<int>(tenants);
  out.record = options.record;
  out.progress = progress.callback();
  return out;
}

Reuse default_reuse(const std::string& name) {
  return name == "none" ? Reuse::kNone : reuse_from_name(name);
}

Result<server::ServiceOptions> service_options(const ServeOptions& options) {
  server::ServiceOptions out;
  out.model_name = options.alias;
  if (out.model_name.empty()) {
    out.model_name = std::filesystem::path(options.model).lexically_normal().stem().string();
  }
  out.version = REDKNOT_VERSION;
  if (!options.chat_template_file.empty()) {
    REDKNOT_TRY(out.chat_template, read_input(options.chat_template_file));
  }
  out.access_log = options.access_log == "off" ? "" : options.access_log;
  out.tenants.api_keys = options.api_keys;
  if (!options.api_key_file.empty()) {
    REDKNOT_TRY(const std::vector<std::string> keys, server::read_api_keys(options.api_key_file));
    out.tenants.api_keys.insert(out.tenants.api_keys.end(), keys.begin(), keys.end());
  }
  out.tenants.share_cache = options.share_cache;
  out.allowed_origins = options.cors_origins;
  out.kv_quota_bytes = options.tenant_kv_bytes;
  out.max_queue_seconds = options.queue_timeout_seconds;
  out.max_tokens = options.max_tokens;
  out.reuse = default_reuse(options.reuse);
  out.recovery = recovery_from_name(options.recovery, options.ratio);
  return out;
}

http::ServerOptions http_options(const ServeOptions& options) {
  http::ServerOptions out;
  out.hosts = {options.host};
  out.port = options.port;
  out.tls = {.certificates = options.certificate_file, .key = options.key_file};
  out.origins = options.cors_origins;
  out.limits.header_bytes = options.max_header_bytes;
  out.limits.body_bytes = options.max_body_bytes;
  out.limits.bodies_bytes = std::max(out.limits.bodies_bytes, options.max_body_bytes);
  out.limits.connections = options.max_connections;
  out.limits.streams = options.max_streams;
  out.limits.idle_time = std::chrono::seconds(options.idle_seconds);
  out.limits.write_time = std::chrono::seconds(options.write_seconds);
  return out;
}

std::string url(const ServeOptions& options, int port) {
  const bool needs_brackets = options.host.find(':') != std::string::npos;
  return format("%s://%s%s%s:%d", options.certificate_file.empty() ? "http" : "https",
                needs_brackets ? "[" : "", options.host.c_str(), needs_brackets ? "]" : "", port);
}

// What the sessions have, on one line.
std::string summary(const Engine& engine, const std::string& model_name) {
  const Stats stats = engine.stats();
  return format("%s: context of %d tokens, %s of KV memory, %d threads, kernels %s, activations %s",
                model_name.c_str(), engine.context_tokens(), human_bytes(stats.kv_bytes).c_str(),
                stats.threads, stats.kernels.c_str(), name(stats.activations).data());
}

// Lets what is under way finish while others are told to go elsewhere; what is not done in time is
// cut, with a word to its client.
void drain(server::Service& service, http::Server& http_server, std::chrono::seconds time) {
  constexpr std::chrono::milliseconds kLookEvery{20};
  constexpr std::chrono::seconds kLastWords{1};
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + time;
  service.begin_draining();
  while (service.answers_under_way() > 0 && Clock::now() < deadline) {
    std::this_thread::sleep_for(kLookEvery);
  }
  service.cut_answers();
  http_server.drain(kLastWords);
  http_server.stop();
}

}  // namespace

Result<ExitCode> serve(const ServeOptions& options) {
  REDKNOT_TRY(server::ServiceOptions service_choice, service_options(options));
  const std::string model_name = service_choice.model_name;
  REDKNOT_TRY(const server::Tenants tenants, server::Tenants::create(service_choice.tenants));
  std::binary_semaphore told_to_end{0};
  const InterruptScope interrupt([&told_to_end] { told_to_end.release(); },
                                 Signals::kInterruptAndTerminate);
  auto engine = [&] {
    ProgressPrinter progress;
    return Engine::open(served_engine(options, tenants.count(), progress));
  }();
  if (!engine.ok()) return engine.error();
  REDKNOT_TRY(const SamplingDefaults defaults,
              file_defaults(engine->model(), options.generation_config));
  service_choice.sampling = with_defaults(service_choice.sampling, defaults);
  REDKNOT_TRY(const std::unique_ptr<server::Service> service,
              server::Service::create(*engine, std::move(service_choice)));
  http::ServerOptions http_choice = http_options(options);
  http_choice.on_refusal = [&service](const http::Refusal& refusal, const std::string& request_id,
                                      const std::string& peer) {
    service->refused(refusal, request_id, peer);
  };
  http_choice.refusal_reply = server::Service::refusal_reply;
  http_choice.gate = [&service](const http::Request& request) {
    return service->turn_away(request);
  };
  http::Server http_server(std::move(http_choice));
  REDKNOT_RETURN_IF_ERROR(http_server.start(service->handler()));
  note(summary(*engine, model_name));
  if (!defaults.empty()) {
    note("sampling of requests that do not say, from the model's files: " + described(defaults));
  }
  note("listening on " + url(options, http_server.port()));
  told_to_end.acquire();
  note(format("ending: requests under way have %d seconds", options.drain_seconds));
  drain(*service, http_server, std::chrono::seconds(options.drain_seconds));
  note_recording(engine->stats());
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
