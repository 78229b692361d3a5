// SPDX-License-Identifier: Apache-2.0
#include "engine/answer_stream.h"

#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/seconds_since.h"

namespace redknot {
namespace {

// Pieces with logits that may wait for their reader before its sequence is paused.
constexpr std::size_t kPiecesAhead = 4;

}  // namespace

AnswerStream::AnswerStream(Arrival arrival, const AnswerModel& model)
    : arrival_(std::move(arrival)), model_(model), stop_(arrival_.request.stop) {
  const Request& asked = arrival_.request;
  if (model_.tokenizer != nullptr) {
    // The answer continues the prompt, so its first token keeps its leading space.
    detokenizer_.emplace(
        *model_.tokenizer,
        text::DetokenizeOptions{.show_special = asked.show_special, .begins_text = false});
  }
  if (asked.constraint) {
    constraint_.emplace(*asked.constraint, *arrival_.vocabulary, /*may_stop=*/!asked.ignore_end);
  }
}

std::optional<AnswerStream::Time> AnswerStream::latest_begin() const {
  const double most = arrival_.request.max_queue_seconds;
  if (has_begun_ || most <= 0) return std::nullopt;
  return arrival_.submitted +
         std::chrono::duration_cast<Time::duration>(std::chrono::duration<double>(most));
}

bool AnswerStream::is_ahead_of_reader() const {
  return arrival_.request.all_logits && arrival_.state->pieces.size() >= kPiecesAhead;
}

void AnswerStream::close(RowSample& sample) {
  if (!constraint_) return;
  const auto allowed = constraint_->allowed();
  constrained_ = Done{};
  if (allowed.ok()) {
    sample.allowed.assign(allowed->begin(), allowed->end());
  } else {
    constrained_ = allowed.error();
  }
}

std::optional<Piece> AnswerStream::take(SequenceEvent event) {
  Piece piece;
  const auto vocabulary = static_cast<std::size_t>(model_.vocabulary_size);
  piece.logit_rows = static_cast<int>(event.logits.size() / vocabulary);
  piece.logits = std::move(event.logits);
  switch (event.kind) {
    case SequenceEvent::Kind::kAdmitted:
      if (!std::exchange(has_begun_, true)) {
        seconds_.queue = seconds_since(arrival_.submitted);
      }
      return std::nullopt;
    case SequenceEvent::Kind::kComputed:
      if (piece.logit_rows == 0) return std::nullopt;  // and nobody asked for them
      break;
    case SequenceEvent::Kind::kToken:
    case SequenceEvent::Kind::kFailed:
      take_token(event, piece);
      break;
    case SequenceEvent::Kind::kEnded:
      note_time();
      piece.finish = FinishReason::kLength;
      break;
  }
  return piece;
}

void AnswerStream::take_token(const SequenceEvent& event, Piece& piece) {
  const Status none = why_none(event);
  if (!none.ok()) {
    piece.finish = FinishReason::kError;
    arrival_.state->error = none.error();
    return;
  }
  note_time();
  ++generated_;
  const SampledToken& sampled = event.token;
  if (is_end(sampled.token)) {
    finish(piece, FinishReason::kStop);
    return;
  }
  piece.token = static_cast<int>(sampled.token);
  add_probabilities(sampled, piece);
  if (detokenizer_ && model_.tokenizer->contains(sampled.token)) {
    piece.text = stop_.add(detokenizer_->push(sampled.token));
  }
  if (constraint_) constraint_->take(sampled.token);
  const bool is_complete = constraint_ && constraint_->is_complete();
  if (stop_.stopped()) {
    piece.finish = FinishReason::kStop;
    piece.stopped_by = stop_.stopped_by();
  } else if (is_complete || event.is_last) {
    finish(piece, is_complete ? FinishReason::kStop : FinishReason::kLength);
  }
}

Status AnswerStream::why_none(const SequenceEvent& event) const {
  REDKNOT_RETURN_IF_ERROR(constrained_);
  if (event.kind != SequenceEvent::Kind::kFailed) return Done{};
  const int position = arrival_.prompt_tokens + generated_ - 1;
  if (constraint_) {
    return invalid("generate: no token can follow position ", position,
                   ": none that the constraint allows is possible");
  }
  return corrupt("generate: no token can follow position ", position,
                 ": every logit is NaN or -infinity");
}

// The prompt is whole with the first token, or the end in place of one.
void AnswerStream::note_time() {
  seconds_.latest_token = seconds_since(arrival_.submitted);
  if (!std::exchange(has_prompt_, true)) seconds_.prompt = seconds_.latest_token;
}

bool AnswerStream::is_end(TokenId token) const {
  return !arrival_.request.ignore_end && model_.tokenizer != nullptr &&
         model_.tokenizer->contains(token) && model_.tokenizer->is_end_of_generation(token);
}

void AnswerStream::finish(Piece& piece, FinishReason reason) {
  piece.finish = reason;
  if (detokenizer_) piece.text += stop_.add(detokenizer_->flush());
  piece.text += stop_.flush();
}

void AnswerStream::add_probabilities(const SampledToken& sampled, Piece& piece) const {
  if (arrival_.request.sampling.log_probabilities < 0) return;
  piece.probability = TokenProbability{static_cast<int>(sampled.token), text_of(sampled.token),
                                       sampled.log_probability};
  for (const TokenLogProbability& one : sampled.top) {
    piece.top.push_back({static_cast<int>(one.token), text_of(one.token), one.log_probability});
  }
}

std::string AnswerStream::text_of(TokenId token) const {
  if (model_.tokenizer == nullptr || !model_.tokenizer->contains(token)) return {};
  return std::string(model_.tokenizer->bytes_of(token));
}

Piece AnswerStream::fail(Error error) {
  arrival_.state->error = std::move(error);
  Piece piece;
  piece.finish = FinishReason::kError;
  return piece;
}

bool AnswerStream::tells_pages(const Piece& piece) const {
  return piece.finish != FinishReason::kNone || generated_ <= 1;
}

void AnswerStream::send(Piece piece, const SequenceUsage& took) {
  {
    const std::lock_guard lock(arrival_.state->mutex);
    Usage& usage = arrival_.state->usage;
    usage.prompt_tokens = arrival_.prompt_tokens;
    usage.prefix_tokens = took.prompt.prefix;
    usage.adopted_tokens = took.prompt.adopted;
    usage.new_tokens = took.prompt.computed;
    usage.recovered_tokens = took.prompt.recovered;
    usage.built_tokens = took.prompt.built;
    usage.generated_tokens = generated_;
    usage.flops = took.prompt.flops;
    usage.queue_seconds = seconds_.queue;
    usage.prompt_seconds = seconds_.prompt;
    usage.generation_seconds = seconds_.latest_token - seconds_.prompt;
    if (tells_pages(piece)) {
      usage.kv_private_bytes = model_.pages.bytes(took.pages.own);
      usage.kv_shared_bytes = model_.pages.bytes(took.pages.shared);
    }
  }
  arrival_.state->push(std::move(piece));
}

}  // namespace redknot
