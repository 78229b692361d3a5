// SPDX-License-Identifier: Apache-2.0
#include "cli/capacity_command.h"

#include <nlohmann/json.hpp>

#include "cli/option_checks.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "engine/capacity.h"

namespace redknot::cli {
namespace {

constexpr char kDescription[] =
    "Count the sessions that fit into so much KV memory\n"
    "\n"
    "Usage: redknot capacity -m MODEL --profile FILE --context TOKENS\n"
    "                        --kv-memory BYTES [OPTIONS]\n"
    "\n"
    "Takes the memory, allocates sessions of the context's length in it, chunk by\n"
    "chunk as prompts are computed, until no more fit, and decodes a token from each:\n"
    "once dense in --kv, once with the profile. What the pages hold is not computed\n"
    "but for that token, so the time does not grow with the model's prefill.";

constexpr char kFooter[] =
    "Examples:\n"
    "  redknot capacity -m model.gguf --profile p.json --context 32768 --kv-memory 4G\n"
    "\n";

std::string report(const CapacityCommandOptions& options, const Capacity& dense,
                   const Capacity& profile) {
  std::string out = format("%s of KV memory, sessions of %d tokens\n\n",
                           human_bytes(options.kv_bytes).c_str(), options.context_tokens);
  out += "           sessions   bytes of a session\n";
  out += format("dense %-4s %9d %20s\n", options.kv.c_str(), dense.sessions,
                human_bytes(dense.bytes_per_session).c_str());
  out += format("profile    %9d %20s\n", profile.sessions,
                human_bytes(profile.bytes_per_session).c_str());
  if (dense.sessions == 0) return out;
  return out + format("\n%.2f times the sessions\n",
                      static_cast<double>(profile.sessions) / dense.sessions);
}

std::string report_json(const CapacityCommandOptions& options, const Capacity& dense,
                        const Capacity& profile) {
  const nlohmann::ordered_json out = {
      {"context_tokens", options.context_tokens},
      {"kv_memory_bytes", options.kv_bytes},
      {"dense_kv", options.kv},
      {"dense_sessions", dense.sessions},
      {"profile_sessions", profile.sessions},
      {"bytes_per_session",
       {{"dense", dense.bytes_per_session}, {"profile", profile.bytes_per_session}}}};
  return out.dump(2) + "\n";
}

}  // namespace

CLI::App* add_capacity(CLI::App& app, CapacityCommandOptions& options) {
  CLI::App* verb = app.add_subcommand("capacity", kDescription);
  add_model(*verb, options.model);
  add_profile_file(*verb, options.profile);
  verb->get_option("--profile")->required();
  verb->add_option("-c,--context", options.context_tokens, "Tokens of each session.")
      ->type_name("TOKENS")
      ->transform(integer_in(1, kMaxTokens))
      ->required()
      ->group("Memory");
  verb->add_option("--kv-memory", options.kv_bytes,
                   "Memory for the KV cache, in bytes; K, M, G and T stand for powers of 1024.")
      ->type_name("BYTES")
      ->transform(bytes())
      ->required()
      ->group("Memory");
  verb->add_option("--kv", options.kv, "Format of the dense sessions: f16, q8, k8v4 or f32.")
      ->type_name("FORMAT")
      ->check(one_of(kv_names()))
      ->capture_default_str()
      ->group("Memory");
  add_computation(*verb, options);
  verb->get_option("--page-tokens")->group("Memory");
  verb->add_flag("--json", options.json,
                 "Print one JSON object: context_tokens, kv_memory_bytes, dense_kv, "
                 "dense_sessions, profile_sessions, bytes_per_session (dense, profile).")
      ->group("Output");
  verb->footer(std::string(kFooter) + kExitCodesHelp);
  return verb;
}

Result<ExitCode> capacity(const CapacityCommandOptions& options) {
  ProgressPrinter progress;
  EngineOptions engine = engine_options(options, options.model, options.profile);
  engine.context_tokens = options.context_tokens;
  engine.kv_bytes = options.kv_bytes;
  engine.progress = progress.callback();
  REDKNOT_TRY(const Capacity with_profile, measure_capacity(engine));
  engine.profile.clear();
  engine.kv = kv_from_name(options.kv);
  REDKNOT_TRY(const Capacity dense, measure_capacity(engine));
  REDKNOT_RETURN_IF_ERROR(print(options.json ? report_json(options, dense, with_profile)
                                             : report(options, dense, with_profile)));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
