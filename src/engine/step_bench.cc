// SPDX-License-Identifier: Apache-2.0
#include "engine/step_bench.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/seconds_since.h"
#include "engine/describe_model.h"
#include "engine/engine_core.h"
#include "heads/visibility.h"
#include "runtime/single_sequence.h"

namespace redknot {
namespace {

// Weights and products of one step's linear layers.
struct LinearWork {
  double bytes = 0.0;  // of all weights, experts counted as far as they are used
  double fp32_per_token = 0.0;
  double int8_per_token = 0.0;
  double bf16_per_token = 0.0;
};

void add(const PackedMatrix& matrix, double share, ActivationFormat activations, LinearWork& work) {
  if (matrix.inputs == 0) return;
  const double operations = 2.0 * matrix.inputs * matrix.outputs * share;
  work.bytes += static_cast<double>(matrix.size_bytes()) * share;
  if (is_integer(matrix.format) && activations != ActivationFormat::kExact) {
    work.int8_per_token += operations * (activations == ActivationFormat::k16 ? 2 : 1);
  } else if (matrix.format == WeightFormat::kBF16 && activations == ActivationFormat::kBf16) {
    work.bf16_per_token += operations;
  } else {
    work.fp32_per_token += operations;
  }
}

// Of one token; with more rows other experts are read too, which is not counted.
LinearWork layers_work(const PackedWeights& weights, const ModelConfig& config,
                       ActivationFormat activations) {
  LinearWork work;
  for (const PackedLayer& layer : weights.layers()) {
    for (const Linear* linear : {&layer.query, &layer.key, &layer.value, &layer.attention_output}) {
      add(linear->matrix, 1.0, activations, work);
    }
    add(layer.router, 1.0, activations, work);
    const double share =
        config.experts == 0 ? 0.0 : 1.0 * config.experts_per_token / config.experts;
    for (const PackedFfn& expert : layer.experts) {
      for (const PackedMatrix* matrix : {&expert.gate, &expert.up, &expert.down}) {
        add(*matrix, share, activations, work);
      }
    }
    for (const PackedMatrix* matrix : {&layer.ffn.gate, &layer.ffn.up, &layer.ffn.down}) {
      add(*matrix, 1.0, activations, work);
    }
  }
  return work;
}

}  // namespace

struct StepBench::State {
  std::unique_ptr<EngineCore> core;
  ModelInfo info;
  std::string kernels;
  int context_tokens = 0;
  std::optional<SingleSequence> prefix;  // of the depth asked for last

  SingleSequence& sequence_of(int depth);
  void step(SingleSequence& sequence, int tokens) const;
  Status check(int tokens, int depth) const;
  BenchWork work(int steps, int tokens_per_step, int depth) const;
};

// Runs the next `tokens` positions of a sequence; logits of the last.
void StepBench::State::step(SingleSequence& sequence, int tokens) const {
  const int begin = sequence.length();
  const int vocabulary = core->model().config().vocabulary_size;
  std::vector<TokenId> ids;
  for (int position = begin; position < begin + tokens; ++position) {
    // Any ids will do, but not always the same row of the embedding.
    ids.push_back(TokenId{static_cast<int>((position * 7919LL + 13) % vocabulary)});
  }
  sequence.advance(ids, tokens - 1);
}

// A sequence that holds `depth` tokens. Their keys and values are whatever the pages hold: the time
// of a step does not depend on the numbers.
SingleSequence& StepBench::State::sequence_of(int depth) {
  if (prefix && prefix->length() == depth) return *prefix;
  prefix.reset();
  prefix.emplace(core->host(), core->profile());
  while (prefix->length() < depth) {
    const int chunk = std::min(depth - prefix->length(), core->max_step_tokens());
    REDKNOT_CHECK(prefix->reserve(chunk).ok());
  }
  return *prefix;
}

Status StepBench::State::check(int tokens, int depth) const {
  REDKNOT_CHECK(tokens >= 1 && depth >= 0);
  if (static_cast<long long>(tokens) + depth <= context_tokens) return Done{};
  return invalid("bench: depth ", depth, " and ", tokens, " tokens do not fit a context of ",
                 context_tokens);
}

// Keys that queries at positions [first, first + rows) attend to, one query head counted, and
// those that a step reads for all of them, if those that select pages select the same.
struct HeadWork {
  double attended = 0, read = 0;
};

HeadWork head_work(const HeadPolicy& policy, int page_tokens, double first, double rows) {
  const double end = first + rows;
  const double all = rows * first + rows * (rows + 1) / 2;
  const auto seen =
      static_cast<double>(most_attended(policy, static_cast<std::int64_t>(end), page_tokens));
  if (seen >= end) return {all, end};
  // Queries before position `seen` attend to everything, later ones to so many keys.
  const double full = std::clamp(seen - first, 0.0, rows);
  return {full * first + full * (full + 1) / 2 + (rows - full) * seen,
          std::min(end, seen + rows - 1)};
}

// Keys and values are read once per step and KV head.
BenchWork StepBench::State::work(int steps, int tokens_per_step, int depth) const {
  const ModelConfig& config = core->model().config();
  LinearWork layers = layers_work(core->weights(), config, core->activations());
  LinearWork head;
  add(core->weights().output(), 1.0, core->activations(), head);
  const PageShape& shape = core->pages().shape();
  BenchWork work;
  for (int step = 0; step < steps; ++step) {
    const double first = depth + static_cast<double>(step) * tokens_per_step;
    const double rows = tokens_per_step;
    work.bytes += layers.bytes + head.bytes;
    work.int8_ops += layers.int8_per_token * rows + head.int8_per_token;
    work.bf16_flops += layers.bf16_per_token * rows + head.bf16_per_token;
    work.fp32_flops += layers.fp32_per_token * rows + head.fp32_per_token;
    for (const HeadPolicy& policy : core->profile().policies) {
      const HeadWork least = head_work(policy, shape.page_tokens, first, rows);
      work.bytes +=
          least.read * static_cast<double>(shape.bytes(policy.kv_format)) / shape.page_tokens;
      work.fp32_flops += least.attended * 4.0 * config.group_size() * config.head_dim;
    }
  }
  return work;
}

StepBench::StepBench(std::unique_ptr<State> state) : state_(std::move(state)) {}
StepBench::StepBench(StepBench&&) noexcept = default;
StepBench& StepBench::operator=(StepBench&&) noexcept = default;
StepBench::~StepBench() = default;

Result<StepBench> StepBench::open(EngineOptions options) {
  auto state = std::make_unique<State>();
  state->context_tokens = options.context_tokens;
  // One page a head more than the context: what runs shares the prefix's pages, but for a copy of a
  // partly filled last one.
  options.context_tokens += options.page_tokens;
  // Of heads with a window, prefix and run soon share no page.
  options.max_sequences = options.profile.empty() ? 1 : 2;
  REDKNOT_TRY(state->core, EngineCore::open(options));
  state->info = describe(state->core->model());
  state->kernels = std::string(state->core->kernels().name);
  return StepBench(std::move(state));
}

Result<double> StepBench::prefill_seconds(int tokens, int depth) {
  REDKNOT_RETURN_IF_ERROR(state_->check(tokens, depth));
  SingleSequence sequence = state_->sequence_of(depth).fork();
  const auto start = std::chrono::steady_clock::now();
  for (int done = 0; done < tokens;) {
    const int chunk = std::min(tokens - done, state_->core->max_step_tokens());
    state_->step(sequence, chunk);
    done += chunk;
  }
  return seconds_since(start);
}

Result<double> StepBench::decode_seconds(int tokens, int depth) {
  REDKNOT_RETURN_IF_ERROR(state_->check(tokens, depth));
  SingleSequence sequence = state_->sequence_of(depth).fork();
  const auto start = std::chrono::steady_clock::now();
  for (int token = 0; token < tokens; ++token) state_->step(sequence, 1);
  return seconds_since(start);
}

BenchWork StepBench::prefill_work(int tokens, int depth) const {
  const int chunk = state_->core->max_step_tokens();
  BenchWork whole = state_->work(tokens / chunk, chunk, depth);
  if (tokens % chunk == 0) return whole;
  const BenchWork rest = state_->work(1, tokens % chunk, depth + tokens / chunk * chunk);
  return {whole.bytes + rest.bytes, whole.fp32_flops + rest.fp32_flops,
          whole.int8_ops + rest.int8_ops, whole.bf16_flops + rest.bf16_flops};
}

BenchWork StepBench::decode_work(int tokens, int depth) const {
  return state_->work(tokens, 1, depth);
}

const ModelInfo& StepBench::model() const { return state_->info; }
const std::string& StepBench::kernels() const { return state_->kernels; }
ActivationFormat StepBench::activations() const { return state_->core->activations(); }
int StepBench::threads() const { return state_->core->threads(); }

}  // namespace redknot
