// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "engine/describe_model.h"
#include "engine/engine_core.h"
#include "engine/generation_state.h"
#include "engine/profile_choice.h"
#include "engine/request_spec.h"
#include "engine/step_loop.h"
#include "engine/tokenizer_state.h"
#include "redknot/redknot.h"

namespace redknot {
struct Engine::State {
  std::unique_ptr<EngineCore> core;
  ModelInfo info;
  std::optional<Tokenizer> tokenizer;  // absent if the model has none
  std::shared_ptr<Inbox> inbox;
  std::unique_ptr<StepLoop> loop;  // last: ends first

  Result<SequenceSpec> sequence(const Request& request) const;
};

// What the request means to the scheduler, if it can be run at all.
Result<SequenceSpec> Engine::State::sequence(const Request& request) const {
  if (request.constraint && !tokenizer) {
    return unsupported("generate: constraint: this model file has no tokenizer");
  }
  SequenceSpec spec{.prompt = {},
                    .all_logits = request.all_logits,
                    .recovery = recovery_of(request.recovery),
                    .salt = request.cache_salt,
                    .uses_prefixes = request.reuse != Reuse::kNone};
  REDKNOT_TRY(spec.prompt,
              prompt_of(request, core->model().vocabulary(), core->model().config().vocabulary_size,
                        tokenizer ? &*tokenizer : nullptr));
  const int prompt_tokens = static_cast<int>(spec.prompt.tokens.size());
  const int room = core->context_tokens() - prompt_tokens;
  if (room < 0 || (room == 0 && request.max_tokens != 0)) {
    return invalid("generate: prompt has ", prompt_tokens, " tokens, the context holds ",
                   core->context_tokens());
  }
  spec.max_tokens = request.max_tokens < 0 ? room : std::min(request.max_tokens, room);
  const std::vector<SequencePart> parts = parts_of(spec.prompt, "");
  const auto fits_with = [&](int max_tokens) {
    spec.max_tokens = max_tokens;
    return fits_alone(core->pool(), core->profile(), spec, parts, core->max_step_tokens());
  };
  const int wanted = spec.max_tokens;
  Status fits = fits_with(wanted);
  // "Until the context is full" is until memory is: parts begin pages of their own.
  if (!fits.ok() && request.max_tokens < 0 && fits_with(0).ok()) {
    int holds = 0, too_many = wanted;
    while (holds + 1 < too_many) {
      const int middle = holds + (too_many - holds) / 2;
      (fits_with(middle).ok() ? holds : too_many) = middle;
    }
    if (holds > 0) fits = fits_with(holds);
  }
  if (!fits.ok()) return fits.error().within("generate");
  return spec;
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
  state->inbox = std::make_shared<Inbox>(std::numeric_limits<std::size_t>::max());
  state->loop = std::make_unique<StepLoop>(
      *state->core, text, state->inbox,
      StepLoopOptions{.max_running = options.max_running, .max_waiting = options.max_waiting});
  return Engine(std::move(state));
}

Result<Generation> Engine::generate(Request request) {
  REDKNOT_RETURN_IF_ERROR(check_request(request, state_->core->model().config().vocabulary_size));
  Arrival arrival;
  arrival.submitted = std::chrono::steady_clock::now();
  REDKNOT_TRY(arrival.spec, state_->sequence(request));
  request.prompt.clear();
  arrival.request = std::move(request);
  arrival.state = std::make_shared<Generation::State>(state_->inbox);
  Generation generation(arrival.state);
  std::vector<Arrival> arrivals;
  arrivals.push_back(std::move(arrival));
  REDKNOT_RETURN_IF_ERROR(state_->loop->submit(std::move(arrivals)));
  return generation;
}

// A prompt of the parts and one token behind them, so that it goes the way of every request.
Result<Generation> Engine::preload(std::vector<PromptPart> prompt, PreloadOptions options) {
  prompt.push_back(token_part({0}));
  Request request{.prompt = std::move(prompt),
                  .reuse = Reuse::kSegment,
                  .canonical_context = options.canonical_context,
                  .recovery = {.policy = RecoveryPolicy::kNone},
                  .cache_salt = std::move(options.cache_salt),
                  .max_tokens = 0};
  auto generation = generate(std::move(request));
  if (!generation.ok()) return generation.error().within("preload");
  return generation;
}

Result<Generation> Engine::preload(std::vector<PromptPart> prompt) {
  return preload(std::move(prompt), PreloadOptions{});
}

const ModelInfo& Engine::model() const { return state_->info; }

int Engine::context_tokens() const { return state_->core->context_tokens(); }

const Tokenizer* Engine::tokenizer() const {
  return state_->tokenizer ? &*state_->tokenizer : nullptr;
}

const ProfileSummary* Engine::profile() const {
  const auto& summary = state_->core->profile_summary();
  return summary ? &*summary : nullptr;
}

Stats Engine::stats() const {
  EngineCore& core = *state_->core;
  Stats stats;
  const PageShape& shape = core.pool().shape();
  for (const KvFormat format : kKvFormats) {
    const int pages = core.pool().total_pages(format);
    stats.total_pages += pages;
    stats.kv_bytes += static_cast<std::size_t>(pages) * shape.bytes(format);
  }
  const HeadProfile& profile = core.profile();
  stats.layers = profile.layers;
  stats.kv_heads = profile.kv_heads;
  for (const HeadPolicy& policy : profile.policies) {
    stats.heads.push_back(describe(policy));
  }
  stats.weight_bytes = core.weights().bytes();
  stats.kernels = std::string(core.kernels().name);
  stats.threads = core.threads();
  state_->loop->add_to(stats);
  return stats;
}

}  // namespace redknot
