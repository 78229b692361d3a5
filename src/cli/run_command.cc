// SPDX-License-Identifier: Apache-2.0
#include "cli/run_command.h"

#include <cstddef>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/npy_writer.h"
#include "cli/output.h"
#include "cli/progress_printer.h"
#include "cli/run_prompt.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kRawTokens = 128;  // of an answer to raw text, which may never end

// What came back, for --json and the timings.
struct Answer {
  std::string text;
  std::vector<int> tokens;
  Json probabilities = Json::array();
  FinishReason finish = FinishReason::kNone;
  Usage usage;
  Stats stats;  // as it ended
  bool interrupted = false;
};

// Where pieces of the answer go.
struct Sinks {
  bool stream = true;
  std::optional<NpyWriter> logits;
};

Result<std::optional<Constraint>> constraint_of(const RunOptions& options) {
  if (!options.json_schema && !options.json_schema_file) return std::optional<Constraint>();
  std::string schema = options.json_schema.value_or("");
  if (options.json_schema_file) {
    REDKNOT_TRY(schema, read_input(*options.json_schema_file));
  }
  REDKNOT_TRY(Constraint constraint, Constraint::json_schema(schema));
  return std::optional(std::move(constraint));
}

Result<Request> make_request(const RunOptions& options, const ModelInfo& model, RunPrompt prompt,
                             const std::optional<Constraint>& constraint) {
  REDKNOT_TRY(const SamplingDefaults defaults,
              file_defaults(model, options.sampling.generation_config));
  if (!defaults.empty()) note("sampling, from the model's files: " + described(defaults));
  Request request;
  request.prompt = std::move(prompt.parts);
  apply_reuse(options.reuse, request);
  request.max_tokens = options.max_tokens.value_or(prompt.is_chat ? -1 : kRawTokens);
  REDKNOT_TRY(request.sampling, chosen_sampling(options.sampling, defaults));
  request.sampling.log_probabilities = options.log_probabilities;
  request.sampling.seed =
      chosen_seed(options.sampling, request.sampling.temperature > 0 && request.max_tokens != 0);
  request.constraint = constraint;
  request.stop = options.stop;
  request.ignore_end = options.ignore_eos;
  request.add_bos = prompt.add_bos;
  request.show_special = options.special;
  request.all_logits = options.logits_file.has_value();
  return request;
}

Result<Sinks> open_sinks(const RunOptions& options) {
  Sinks sinks;
  sinks.stream = !options.json;
  if (options.logits_file) {
    REDKNOT_TRY(sinks.logits, NpyWriter::open(*options.logits_file));
  }
  return sinks;
}

void describe(const Engine& engine) {
  const ModelInfo& model = engine.model();
  const Stats stats = engine.stats();
  note(format("%s: %s, %s, %d layers, %d query and %d KV heads of %d, vocabulary %d",
              model.name.c_str(), model.architecture.c_str(), model.format.c_str(), model.layers,
              model.query_heads, model.kv_heads, model.head_dim, model.vocabulary_size));
  note(format("%s kernels, activations %s, %d threads; weights %s, KV %s in %d pages",
              stats.kernels.c_str(), name(stats.activations).data(), stats.threads,
              human_bytes(stats.weight_bytes).c_str(), human_bytes(stats.kv_bytes).c_str(),
              stats.total_pages));
  const ProfileSummary* profile = engine.profile();
  if (profile == nullptr) return;
  note(format("head profile: %d global, %d local and %d retrieval heads", profile->global_heads,
              profile->local_heads, profile->retrieval_heads));
  if (!profile->validated) return;
  note(format("head profile: validated up to %d tokens: mean KL %.5f nats, %s of %s KV",
              profile->context_tokens, profile->kl_mean, human_bytes(profile->kv_bytes).c_str(),
              human_bytes(profile->dense_kv_bytes).c_str()));
}

// What a user should know of the profile before the answer.
void warn_of_profile(const Engine& engine, const RunOptions& options) {
  const ProfileSummary* profile = engine.profile();
  const int tokens =
      options.context_tokens > 0 ? options.context_tokens : engine.model().context_tokens;
  if (profile == nullptr) return;
  if (!profile->validated) {
    note("the head profile is not validated: what it costs in quality has not been measured");
  } else if (tokens > profile->context_tokens) {
    note(format("the head profile is validated up to %d tokens; this context holds %d",
                profile->context_tokens, tokens));
  }
  if (options.reuse.reuse == "segment" && !profile->reuse_validated) {
    note(
        "what reused documents cost under the head profile has not been measured: redknot bench "
        "rag --profile does so");
  }
}

Json probability_json(const TokenProbability& probability) {
  return {{"token", probability.token},
          {"text", probability.text},
          {"logprob", probability.log_probability}};
}

Status take(const Piece& piece, Sinks& sinks, Answer& answer) {
  if (sinks.logits) {
    REDKNOT_RETURN_IF_ERROR(sinks.logits->append(piece.logits, piece.logit_rows));
  }
  if (piece.token >= 0) answer.tokens.push_back(piece.token);
  if (piece.probability) {
    Json entry = probability_json(*piece.probability);
    entry["top"] = Json::array();
    for (const TokenProbability& other : piece.top) entry["top"].push_back(probability_json(other));
    answer.probabilities.push_back(std::move(entry));
  }
  answer.text += piece.text;
  answer.finish = piece.finish;
  return sinks.stream ? print(piece.text) : Status(Done{});
}

// Takes the answer piece by piece. Ctrl-C ends the engine, which ends the wait for the next piece.
Result<Answer> receive(Engine engine, Request request, Sinks& sinks) {
  const int columns = engine.model().vocabulary_size;
  std::optional<Engine> running(std::move(engine));
  REDKNOT_TRY(Generation generation, running->generate(std::move(request)));
  Answer answer;
  {
    InterruptScope interrupt([&running, &answer] {
      answer.stats = running->stats();
      running.reset();
    });
    while (!interrupt.interrupted()) {
      const std::optional<Piece> piece = generation.next();
      if (!piece || interrupt.interrupted()) break;
      REDKNOT_RETURN_IF_ERROR(take(*piece, sinks, answer));
    }
    answer.interrupted = interrupt.interrupted();
  }
  if (running) answer.stats = running->stats();
  answer.usage = generation.usage();
  if (answer.interrupted) answer.finish = FinishReason::kNone;
  if (answer.finish == FinishReason::kError) {
    if (generation.error()) return generation.error()->within("generate");
    return Error(ErrorCode::kIo, "generate: the engine gave no reason");
  }
  if (sinks.logits) REDKNOT_RETURN_IF_ERROR(sinks.logits->finish(columns));
  return answer;
}

double rate(int count, double seconds) { return seconds > 0 ? count / seconds : 0; }

double answer_rate(const Usage& usage) {
  return rate(usage.generated_tokens - 1, usage.generation_seconds);
}

void print_timings(const Usage& usage) {
  std::string text = format("prompt %d tokens, %.2f s (%.1f tokens/s)", usage.prompt_tokens,
                            usage.prompt_seconds, rate(usage.prompt_tokens, usage.prompt_seconds));
  if (usage.adopted_tokens > 0) {
    text += format("; of documents %d, %d computed again", usage.adopted_tokens,
                   usage.recovered_tokens);
  }
  text += format("; answer %d tokens, %.2f s", usage.generated_tokens, usage.generation_seconds);
  if (usage.generated_tokens > 1) text += format(" (%.1f tokens/s)", answer_rate(usage));
  note(text);
}

std::string finish_name(const Answer& answer) {
  if (answer.interrupted) return "cancelled";
  return answer.finish == FinishReason::kStop ? "stop" : "length";
}

std::string to_json(const Answer& answer, const RunOptions& options, std::uint64_t seed) {
  const Usage& usage = answer.usage;
  Json out = {{"text", answer.text},
              {"tokens", answer.tokens},
              {"finish_reason", finish_name(answer)},
              {"seed", seed},
              {"usage",
               {{"prompt_tokens", usage.prompt_tokens},
                {"prefix_tokens", usage.prefix_tokens},
                {"adopted_tokens", usage.adopted_tokens},
                {"new_tokens", usage.new_tokens},
                {"recovered_tokens", usage.recovered_tokens},
                {"built_tokens", usage.built_tokens},
                {"generated_tokens", usage.generated_tokens},
                {"flops", usage.flops},
                {"kv_private_bytes", usage.kv_private_bytes},
                {"kv_shared_bytes", usage.kv_shared_bytes},
                {"prompt_seconds", usage.prompt_seconds},
                {"generation_seconds", usage.generation_seconds},
                {"prompt_tokens_per_second", rate(usage.prompt_tokens, usage.prompt_seconds)},
                {"generated_tokens_per_second", answer_rate(usage)}}}};
  if (options.log_probabilities >= 0) out["logprobs"] = answer.probabilities;
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

Result<ExitCode> run(const RunOptions& options) {
  REDKNOT_TRY(RunInput input, read_run_input(options));
  const Result<std::optional<Constraint>> constraint = constraint_of(options);
  if (!constraint.ok()) return constraint.error();
  REDKNOT_TRY(Sinks sinks, open_sinks(options));
  std::optional<Engine> engine;
  {
    ProgressPrinter progress;
    EngineOptions engine_options = own_engine(options, progress);
    engine_options.record = options.record;
    REDKNOT_TRY(engine, Engine::open(engine_options));
  }
  if (options.verbose) describe(*engine);
  warn_of_profile(*engine, options);
  REDKNOT_TRY(RunPrompt prompt, run_prompt(options, std::move(input), *engine));
  const std::string echoed = prompt.text;
  REDKNOT_TRY(Request request,
              make_request(options, engine->model(), std::move(prompt), *constraint));
  const std::uint64_t seed = request.sampling.seed;
  if (options.echo) REDKNOT_RETURN_IF_ERROR(print(echoed));

  REDKNOT_TRY(const Answer answer, receive(std::move(*engine), std::move(request), sinks));
  if (options.json) {
    REDKNOT_RETURN_IF_ERROR(print(to_json(answer, options, seed)));
  } else if (!answer.text.empty() && answer.text.back() != '\n') {
    REDKNOT_RETURN_IF_ERROR(print("\n"));
  }
  if (answer.interrupted) note("interrupted");
  const bool first_token_came = !answer.interrupted || answer.usage.generated_tokens > 0;
  if (!options.no_perf && first_token_came) print_timings(answer.usage);
  note_recording(answer.stats);
  return answer.interrupted ? ExitCode::kInterrupted : ExitCode::kSuccess;
}

}  // namespace redknot::cli
