// SPDX-License-Identifier: Apache-2.0
#include "engine/step_loop.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "base/seconds_since.h"
#include "engine/profile_choice.h"

namespace redknot {
namespace {

// Pieces with logits that may wait for their reader before its sequence is paused.
constexpr std::size_t kPiecesAhead = 4;

}  // namespace

StepLoop::StepLoop(EngineCore& core, std::unique_ptr<Executor> executor,
                   const text::Tokenizer* tokenizer, std::shared_ptr<Inbox> inbox,
                   const StepLoopOptions& options)
    : core_(core),
      tokenizer_(tokenizer),
      inbox_(std::move(inbox)),
      options_(options),
      scheduler_(core.pages(), core.profile(),
                 {.max_step_tokens = core.max_step_tokens(),
                  .max_logit_rows = core.max_logit_rows(),
                  .max_sequences = std::min(
                      {options.max_running, core.max_logit_rows(), core.max_step_tokens()})}),
      executor_(std::move(executor)) {
  for (const HeadPolicy& policy : core.profile().policies) {
    latest_.heads.push_back(describe(policy));
  }

  publish_stats();
  thread_ = std::thread([this] { run(); });
}

StepLoop::~StepLoop() {
  inbox_->close();
  thread_.join();
}

void StepLoop::run() {
  while (!inbox_->closed()) step();
  const Error closed(ErrorCode::kCancelled, "generate: the engine was closed");
  while (!streams_.empty()) {
    const auto first = streams_.begin();
    fail(first->first, first->second, closed);
  }
  while (const std::optional<Mail> mail = inbox_->try_pop()) {
    for (const Arrival& arrival : mail->requests) end_with_error(*arrival.state, closed);
    if (mail->errand) mail->errand();
  }
  REDKNOT_CHECK(scheduler_.check());  // whatever came and went, all pages are accounted for
}

Status StepLoop::submit(std::shared_ptr<const SequenceRequest> request,
                        std::vector<Arrival> requests) {
  const int count = static_cast<int>(requests.size());
  if (count > options_.max_waiting) {
    return invalid("generate: ", count, " answers, and no more than ", options_.max_waiting,
                   " requests may wait");
  }
  const int waiting = queued_.fetch_add(count);
  if (count > options_.max_waiting - waiting) {
    queued_.fetch_sub(count);
    return unavailable("generate: ", waiting, " requests are waiting already");
  }
  if (requests.front().request.constraint) {
    REDKNOT_CHECK(tokenizer_ != nullptr);
    std::call_once(vocabulary_made_, [this] {
      vocabulary_ = std::make_unique<const ConstrainedVocabulary>(
          *tokenizer_, core_.model().config().vocabulary_size);
    });
  }
  const bool pushed =
      inbox_->push({.request = std::move(request), .requests = std::move(requests)});
  REDKNOT_CHECK(pushed);  // it has no bound, and is closed by the destructor only
  return Done{};
}

void StepLoop::step() {
  take_mail();
  drop_cancelled();
  end_late();
  scheduler_.end_pins(std::chrono::steady_clock::now());
  hold_back();
  StepPlan plan = scheduler_.next_step();
  note_admitted();
  publish_stats();
  if (plan.empty()) {
    wait_for_mail();
    return;
  }
  say_how_to_sample(plan);
  StepResult result = executor_->run(plan);
  scheduler_.computed(plan, result);
  steps_.fetch_add(1);
  deliver(plan, std::move(result));
}

void StepLoop::take_mail() {
  while (std::optional<Mail> mail = inbox_->try_pop()) {
    if (!mail->requests.empty()) {
      take_requests(std::move(mail->request), std::move(mail->requests));
    }
    if (mail->errand) mail->errand();
  }
}

void StepLoop::take_requests(std::shared_ptr<const SequenceRequest> request,
                             std::vector<Arrival> requests) {
  const std::vector<SequenceId> ids =
      scheduler_.submit(std::move(request), static_cast<int>(requests.size()));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    Stream stream(std::move(requests[i]));
    // The answer continues the prompt, so its first token keeps its leading space.
    if (tokenizer_ != nullptr) {
      const text::DetokenizeOptions options{.show_special = stream.arrival.request.show_special,
                                            .begins_text = false};
      stream.detokenizer.emplace(*tokenizer_, options);
    }
    constrain(stream);
    streams_.emplace(ids[i], std::move(stream));
  }
}

// Ends those that have waited for their turn as long as they wanted to.
void StepLoop::end_late() {
  std::vector<SequenceId> late;
  for (const auto& [id, stream] : streams_) {
    const double most = stream.arrival.request.max_queue_seconds;
    if (stream.has_begun || most <= 0) continue;
    if (seconds_since(stream.arrival.submitted) >= most) late.push_back(id);
  }
  for (const SequenceId id : late) {
    Stream& stream = streams_.at(id);
    fail(id, stream,
         unavailable("generate: it has not begun after ", stream.arrival.request.max_queue_seconds,
                     " seconds (max_queue_seconds)"));
  }
}

// Until there is mail, or something to be done whose time is known.
void StepLoop::wait_for_mail() {
  std::optional<std::chrono::steady_clock::time_point> next = scheduler_.next_pin_end();
  for (const auto& [id, stream] : streams_) {
    const double most = stream.arrival.request.max_queue_seconds;
    if (stream.has_begun || most <= 0) continue;
    const auto late =
        stream.arrival.submitted + std::chrono::duration_cast<std::chrono::steady_clock::duration>(
                                       std::chrono::duration<double>(most));
    next = std::min(next.value_or(late), late);
  }
  if (next) {
    inbox_->wait_until(*next);
  } else {
    inbox_->wait();
  }
}

void StepLoop::drop_cancelled() {
  std::erase_if(streams_, [this](const auto& entry) {
    if (!entry.second.arrival.state->cancelled.load()) return false;
    if (!entry.second.has_begun) queued_.fetch_sub(1);
    scheduler_.cancel(entry.first);
    return true;
  });
}

void StepLoop::note_admitted() {
  for (const SequenceId id : scheduler_.admitted()) {
    Stream& stream = streams_.at(id);
    if (std::exchange(stream.has_begun, true)) continue;
    queued_.fetch_sub(1);
    stream.queue_seconds = seconds_since(stream.arrival.submitted);
  }
}

void StepLoop::hold_back() {
  for (const auto& [id, stream] : streams_) {
    if (!stream.arrival.request.all_logits) continue;
    scheduler_.pause(id, stream.arrival.state->pieces.size() >= kPiecesAhead);
  }
}

// Of each row that is sampled: by its request, and by what its constraint allows.
void StepLoop::say_how_to_sample(StepPlan& plan) {
  auto slice = plan.slices.begin();
  for (RowSample& sample : plan.samples) {
    while (sample.row >= slice->first_row + slice->rows) ++slice;
    Stream& stream = streams_.at(slice->sequence);
    sample.sampling = stream.arrival.request.sampling;
    const auto history = penalised_tokens(scheduler_.tokens(slice->sequence), sample.sampling);
    sample.history.assign(history.begin(), history.end());
    if (!stream.constraint) continue;
    const auto allowed = stream.constraint->allowed();
    stream.constrained = Done{};
    if (allowed.ok()) {
      sample.allowed.assign(allowed->begin(), allowed->end());
    } else {
      stream.constrained = allowed.error();
    }
  }
}

void StepLoop::deliver(const StepPlan& plan, StepResult result) {
  std::size_t next = 0;  // of the samples
  for (std::size_t i = 0; i < plan.slices.size(); ++i) {
    const StepSlice& slice = plan.slices[i];
    const bool sampled =
        next < plan.samples.size() && plan.samples[next].row < slice.first_row + slice.rows;
    const SampledToken* token = sampled ? &result.sampled[next++] : nullptr;
    if (!scheduler_.is_submitted(slice.sequence)) {
      prompt_tokens_.fetch_add(static_cast<std::uint64_t>(slice.rows));
      continue;
    }
    deliver_slice(slice, std::move(result.slices[i]), token);
  }
}

// Sends what one step gave one sequence: its rows of logits if asked for, and the next token if the
// whole of what it had has been computed.
void StepLoop::deliver_slice(const StepSlice& slice, SliceResult result,
                             const SampledToken* sampled) {
  Stream& stream = streams_.at(slice.sequence);
  if (stream.generated == 0) prompt_tokens_.fetch_add(static_cast<std::uint64_t>(slice.rows));
  const auto vocabulary = static_cast<std::size_t>(core_.model().config().vocabulary_size);
  Piece piece;
  if (stream.arrival.request.all_logits) {
    piece.logit_rows = static_cast<int>(result.logits.size() / vocabulary);
    piece.logits = std::move(result.logits);
  }
  if (sampled != nullptr) {
    add_token(slice.sequence, stream, *sampled, piece);
  } else if (scheduler_.ended(slice.sequence)) {
    stream.prompt_seconds = stream.last_seconds = seconds_since(stream.arrival.submitted);
    count_prompt(slice.sequence);
    piece.finish = FinishReason::kLength;
  } else if (piece.logit_rows == 0) {
    return;  // a part of the prompt, and nobody asked for its logits
  }
  send(slice.sequence, stream, std::move(piece));
}

bool StepLoop::ends(const Stream& stream, TokenId token) const {
  return !stream.arrival.request.ignore_end && tokenizer_ != nullptr &&
         tokenizer_->contains(token) && tokenizer_->is_end_of_generation(token);
}

std::string StepLoop::token_text(TokenId token) const {
  if (tokenizer_ == nullptr || !tokenizer_->contains(token)) return {};
  return std::string(tokenizer_->bytes_of(token));
}

void StepLoop::constrain(Stream& stream) {
  const Request& request = stream.arrival.request;
  if (!request.constraint) return;
  stream.constraint.emplace(*request.constraint, *vocabulary_, /*may_stop=*/!request.ignore_end);
}

// An error if no token can follow the one at a position.
Status StepLoop::why_none(const Stream& stream, const SampledToken& sampled, std::size_t position) {
  REDKNOT_RETURN_IF_ERROR(stream.constrained);
  if (sampled.usable) return Done{};
  if (stream.constraint) {
    return invalid("generate: no token can follow position ", position,
                   ": none that the constraint allows is possible");
  }
  return corrupt("generate: no token can follow position ", position,
                 ": every logit is NaN or -infinity");
}

// Appends the sampled token to the sequence and fills in its piece.
void StepLoop::add_token(SequenceId id, Stream& stream, const SampledToken& sampled, Piece& piece) {
  const Status none = why_none(stream, sampled, scheduler_.tokens(id).size() - 1);
  if (!none.ok()) {
    piece.finish = FinishReason::kError;
    stream.arrival.state->error = none.error();
    return;
  }
  stream.last_seconds = seconds_since(stream.arrival.submitted);
  if (stream.generated++ == 0) {
    stream.prompt_seconds = stream.last_seconds;
    count_prompt(id);
  }
  generated_tokens_.fetch_add(1);
  if (ends(stream, sampled.token)) {
    piece.finish = FinishReason::kStop;
    if (stream.detokenizer) piece.text = stream.stop.add(stream.detokenizer->flush());
    piece.text += stream.stop.flush();
    return;
  }
  scheduler_.append(id, sampled.token);
  piece.token = static_cast<int>(sampled.token);
  add_probabilities(sampled, stream, piece);
  if (stream.detokenizer && tokenizer_->contains(sampled.token)) {
    piece.text = stream.stop.add(stream.detokenizer->push(sampled.token));
  }
  if (stream.constraint) stream.constraint->take(sampled.token);
  const bool complete = stream.constraint && stream.constraint->is_complete();
  if (stream.stop.stopped()) {
    piece.finish = FinishReason::kStop;
    piece.stopped_by = stream.stop.stopped_by();
  } else if (complete || scheduler_.ended(id)) {
    piece.finish = complete ? FinishReason::kStop : FinishReason::kLength;
    if (stream.detokenizer) piece.text += stream.stop.add(stream.detokenizer->flush());
    piece.text += stream.stop.flush();
  }
}

void StepLoop::add_probabilities(const SampledToken& sampled, const Stream& stream,
                                 Piece& piece) const {
  if (stream.arrival.request.sampling.log_probabilities < 0) return;
  piece.probability = TokenProbability{static_cast<int>(sampled.token), token_text(sampled.token),
                                       sampled.log_probability};
  for (const TokenLogProbability& one : sampled.top) {
    piece.top.push_back({static_cast<int>(one.token), token_text(one.token), one.log_probability});
  }
}

void StepLoop::update_usage(SequenceId id, const Stream& stream, bool with_pages) {
  Generation::State& state = *stream.arrival.state;
  const std::lock_guard lock(state.mutex);
  const PromptTokens prompt = scheduler_.prompt_tokens(id);
  Usage& usage = state.usage;
  usage.prompt_tokens = stream.arrival.prompt_tokens;
  usage.prefix_tokens = prompt.prefix;
  usage.adopted_tokens = prompt.adopted;
  usage.new_tokens = prompt.computed;
  usage.recovered_tokens = prompt.recovered;
  usage.built_tokens = prompt.built;
  usage.generated_tokens = stream.generated;
  usage.flops = prompt.flops;
  usage.queue_seconds = stream.queue_seconds;
  usage.prompt_seconds = stream.prompt_seconds;
  usage.generation_seconds = stream.last_seconds - stream.prompt_seconds;
  if (!with_pages) return;
  const KvPages pages = scheduler_.kv_pages(id);
  usage.kv_private_bytes = core_.pages().shape().bytes(pages.own);
  usage.kv_shared_bytes = core_.pages().shape().bytes(pages.shared);
}

// Queues a piece; the last one ends the sequence.
void StepLoop::send(SequenceId id, Stream& stream, Piece piece) {
  Generation::State& state = *stream.arrival.state;
  const bool last = piece.finish != FinishReason::kNone;
  update_usage(id, stream, last || stream.generated <= 1);
  // Others may look as soon as the last piece is there.
  if (last && !stream.has_begun) queued_.fetch_sub(1);
  state.push(std::move(piece));
  if (!last) return;
  scheduler_.cancel(id);
  streams_.erase(id);
}

void StepLoop::fail(SequenceId id, Stream& stream, Error error) {
  stream.arrival.state->error = std::move(error);
  send(id, stream, {.finish = FinishReason::kError});
}

// Adds what a prompt that is whole was made of.
void StepLoop::count_prompt(SequenceId id) {
  const PromptTokens prompt = scheduler_.prompt_tokens(id);
  prompts_.prefix += prompt.prefix;
  prompts_.adopted += prompt.adopted;
  prompts_.recovered += prompt.recovered;
  prompts_.computed += prompt.computed;
}

void StepLoop::publish_stats() {
  const PageAllocator& pool = core_.pages();
  const std::vector<HeadPolicy>& policies = core_.profile().policies;
  std::vector<int> head_pages(policies.size());
  scheduler_.count_pages(head_pages);
  const int shared_pages = scheduler_.segments().pages_per_head();
  const SchedulerCounts& counts = scheduler_.counts();
  const std::lock_guard lock(mutex_);
  latest_.sequences = scheduler_.running();
  latest_.waiting = scheduler_.waiting();
  latest_.heads.resize(policies.size());
  for (std::size_t i = 0; i < policies.size(); ++i) {
    const std::size_t page_bytes = pool.shape().bytes(policies[i].kv_format);
    latest_.heads[i].bytes = static_cast<std::size_t>(head_pages[i]) * page_bytes;
    latest_.heads[i].shared_bytes = static_cast<std::size_t>(shared_pages) * page_bytes;
  }
  for (const KvFormat format : kKvFormats) {
    free_pages_[index_of(format)] = pool.free_pages(format);
  }
  latest_.preemptions = counts.preemptions;
  latest_.segment_hits = counts.segment_hits;
  latest_.segment_misses = counts.segment_misses;
  latest_.prefix_hits = counts.prefix_hits;
  latest_.prefix_misses = counts.prefix_misses;
  latest_.prefix_tokens = prompts_.prefix;
  latest_.adopted_tokens = prompts_.adopted;
  latest_.recovered_tokens = prompts_.recovered;
  latest_.new_tokens = prompts_.computed;
  latest_.segments = scheduler_.segments().segments();
  latest_.segment_evictions = scheduler_.segments().evictions();
}

Stats StepLoop::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = latest_;
  for (const KvFormat format : kKvFormats) {
    const PageAllocator& pool = core_.pages();
    const int total = pool.total_pages(format), free = free_pages_[index_of(format)];
    if (total == 0) continue;
    stats.pool.push_back({.dtype = format,
                          .page_bytes = pool.shape().bytes(format),
                          .total_pages = total,
                          .free_pages = free});
    stats.total_pages += total;
    stats.free_pages += free;
    stats.kv_bytes += static_cast<std::size_t>(total) * pool.shape().bytes(format);
  }
  stats.steps = steps_.load();
  stats.prompt_tokens = prompt_tokens_.load();
  stats.generated_tokens = generated_tokens_.load();
  return stats;
}

}  // namespace redknot
