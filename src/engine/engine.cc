// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "engine/describe_model.h"
#include "engine/engine_core.h"
#include "engine/executors.h"
#include "engine/generation_state.h"
#include "engine/inbox.h"
#include "engine/request_spec.h"
#include "engine/step_loop.h"
#include "engine/tokenizer_state.h"
#include "redknot/redknot.h"
#include "runtime/cpu_executor.h"

namespace redknot {

struct Engine::State {
  std::unique_ptr<EngineCore> core;
  ModelInfo info;
  std::optional<Tokenizer> tokenizer;  // absent if the model has none
  // Made on the thread of the first request that needs it, so that no step waits for it.
  std::once_flag vocabulary_made;
  std::unique_ptr<const ConstrainedVocabulary> vocabulary;
  std::shared_ptr<Inbox> inbox;
  const RecordingExecutor* recording = nullptr;  // the loop's, if it records
  std::unique_ptr<StepLoop> loop;                // last: ends first

  Result<std::shared_ptr<const SequenceRequest>> sequence(const Request& request,
                                                          int answers) const;
  const ConstrainedVocabulary& constrained_vocabulary();
};

// What the request means to the scheduler, if it can be run at all.
Result<std::shared_ptr<const SequenceRequest>> Engine::State::sequence(const Request& request,
                                                                       int answers) const {
  if (request.constraint && !tokenizer) {
    return unsupported("generate: constraint: this model file has no tokenizer");
  }
  SequenceSpec spec{.prompt = {},
                    .all_logits = request.all_logits,
                    .recovery = request.recovery,
                    .salt = request.cache_salt,
                    .uses_prefixes = request.reuse != Reuse::kNone,
                    .shares_prompt = answers > 1,
                    .priority = request.priority,
                    .quota_bytes = request.kv_quota_bytes,
                    .sampling = request.sampling,
                    .domain = core->domain()};
  REDKNOT_TRY(spec.prompt,
              prompt_of(request, core->model().vocabulary(), core->model().config().vocabulary_size,
                        tokenizer ? &*tokenizer : nullptr));
  const int prompt_tokens = static_cast<int>(spec.prompt.tokens.size());
  const int room = core->context_tokens() - prompt_tokens;
  if (room < 0 || (room == 0 && request.max_tokens != 0)) {
    return Error(
        ContextFull{.prompt_tokens = prompt_tokens, .context_tokens = core->context_tokens()},
        concat("generate: prompt has ", prompt_tokens, " tokens, the context holds ",
               core->context_tokens()));
  }
  spec.max_tokens = request.max_tokens < 0 ? room : std::min(request.max_tokens, room);
  // "Until the context is full" is until memory is.
  const auto make = request.max_tokens < 0 ? make_longest_request : make_request;
  auto made = make(core->pages(), core->profile(), std::move(spec), core->max_step_tokens());
  if (!made.ok()) return made.error().within("generate");
  return made;
}

Engine::Engine(std::unique_ptr<State> state) : state_(std::move(state)) {}
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;
Engine::~Engine() = default;

Result<Engine> Engine::open(const EngineOptions& options) {
  auto state = std::make_unique<State>();
  REDKNOT_TRY(state->core, EngineCore::open(options));
  const Model& model = state->core->model();
  state->info = describe(model);
  const text::Tokenizer* text = nullptr;
  if (model.vocabulary().kind != TokenizerKind::kNone) {
    auto tokenizer = text::Tokenizer::create(model.vocabulary());
    if (!tokenizer.ok()) return tokenizer.error().within(concat("open ", options.model));
    auto shared = std::make_shared<const Tokenizer::State>(Tokenizer::State{std::move(*tokenizer)});
    text = &shared->tokenizer;
    state->tokenizer = Tokenizer(std::move(shared));
  }
  state->inbox =
      std::make_shared<Inbox>(limits_of(options.max_waiting, options.tenants, options.max_running));
  REDKNOT_TRY(LoopExecutor executor, make_executor(*state->core, options));
  state->recording = executor.recording;
  state->loop = std::make_unique<StepLoop>(*state->core, std::move(executor.executor), text,
                                           state->inbox, options.max_running);
  return Engine(std::move(state));
}

const ConstrainedVocabulary& Engine::State::constrained_vocabulary() {
  std::call_once(vocabulary_made, [this] {
    vocabulary = std::make_unique<const ConstrainedVocabulary>(
        tokenizer->state_->tokenizer, core->model().config().vocabulary_size);
  });
  return *vocabulary;
}

Result<Generation> Engine::generate(Request request) {
  REDKNOT_TRY(std::vector<Generation> generations, generate_several(std::move(request), 1));
  return std::move(generations.front());
}

Result<std::vector<Generation>> Engine::generate_several(Request request, int answers) {
  if (answers < 1) return invalid("generate: ", answers, " answers, less than 1");
  REDKNOT_RETURN_IF_ERROR(check_request(request, state_->core->model().config().vocabulary_size));
  const auto submitted = std::chrono::steady_clock::now();
  REDKNOT_TRY(auto sequence, state_->sequence(request, answers));
  request.prompt.clear();
  const int prompt_tokens = sequence->prompt_tokens();
  const ConstrainedVocabulary* vocabulary =
      request.constraint ? &state_->constrained_vocabulary() : nullptr;
  NewRequests requests{.sequence = std::move(sequence)};
  std::vector<std::shared_ptr<Generation::State>> states;
  for (int i = 0; i < answers; ++i) {
    states.push_back(std::make_shared<Generation::State>(state_->inbox));
    states.back()->salt = request.cache_salt;
    requests.arrivals.push_back({.request = request,
                                 .prompt_tokens = prompt_tokens,
                                 .submitted = submitted,
                                 .state = states.back(),
                                 .vocabulary = vocabulary});
  }
  REDKNOT_RETURN_IF_ERROR(state_->inbox->submit(std::move(requests)));
  std::vector<Generation> generations;
  generations.reserve(states.size());
  for (std::shared_ptr<Generation::State>& state : states) {
    generations.push_back(Generation(std::move(state)));
  }
  return generations;
}

// A prompt of the parts and one token behind them, so that it goes the way of every request.
Result<Generation> Engine::preload(std::vector<PromptPart> prompt, PreloadOptions options) {
  prompt.push_back(token_part({0}));
  Request request{.prompt = std::move(prompt),
                  .reuse = Reuse::kSegment,
                  .canonical_context = options.canonical_context,
                  .recovery = {.policy = RecoveryPolicy::kNone},
                  .cache_salt = std::move(options.cache_salt),
                  .max_tokens = 0,
                  .kv_quota_bytes = options.kv_quota_bytes};
  auto generation = generate(std::move(request));
  if (!generation.ok()) return generation.error().within("preload");
  return generation;
}

Result<Generation> Engine::preload(std::vector<PromptPart> prompt) {
  return preload(std::move(prompt), PreloadOptions{});
}

const ModelInfo& Engine::model() const { return state_->info; }

std::string Engine::segment_id(std::span<const int> tokens) {
  std::vector<TokenId> ids;
  ids.reserve(tokens.size());
  for (const int token : tokens) ids.push_back(TokenId{token});
  return redknot::segment_id(ids);
}

std::vector<SegmentInfo> Engine::segments(const std::string& cache_salt) {
  auto uses = state_->inbox->ask(ListSegments{.salt = cache_salt}).value_or(ListSegments::Answer());
  const auto now = std::chrono::steady_clock::now();
  std::vector<SegmentInfo> out;
  out.reserve(uses.size());
  for (SegmentUse& use : uses) {
    const auto pinned = use.pinned_until.value_or(now) - now;
    out.push_back({.id = std::move(use.id),
                   .tokens = use.tokens,
                   .bytes = state_->core->pages().shape().bytes(use.pages),
                   .copies = use.copies,
                   .uses = use.uses,
                   .pinned_seconds = std::max(0.0, std::chrono::duration<double>(pinned).count())});
  }
  return out;
}

int Engine::drop_segments(const std::string& cache_salt, const std::string& id) {
  return state_->inbox->ask(DropSegments{.name = {cache_salt, id}}).value_or(0);
}

bool Engine::pin_segment(const std::string& cache_salt, const std::string& id, double seconds,
                         std::size_t kv_quota_bytes) {
  return state_->inbox
      ->ask(PinSegment{.name = {cache_salt, id}, .seconds = seconds, .quota_bytes = kv_quota_bytes})
      .value_or(false);
}

int Engine::context_tokens() const { return state_->core->context_tokens(); }

const Tokenizer* Engine::tokenizer() const {
  return state_->tokenizer ? &*state_->tokenizer : nullptr;
}

const ProfileSummary* Engine::profile() const {
  const auto& summary = state_->core->profile_summary();
  return summary ? &*summary : nullptr;
}

Stats Engine::stats() const {
  const EngineCore& core = *state_->core;
  Stats stats = state_->loop->stats();
  stats.layers = core.profile().layers;
  stats.kv_heads = core.profile().kv_heads;
  stats.weight_bytes = core.weights().bytes();
  stats.kernels = std::string(core.kernels().name);
  stats.activations = core.activations();
  stats.threads = core.threads();
  if (state_->recording != nullptr) {
    stats.recorded_steps = state_->recording->recorded_steps();
    stats.recording_stopped = state_->recording->why_stopped();
  }
  return stats;
}

}  // namespace redknot
