// SPDX-License-Identifier: Apache-2.0
#include "engine/step_loop.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>
#include <variant>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

SchedulerOptions scheduler_options(const EngineCore& core, int max_running) {
  return {.max_step_tokens = core.max_step_tokens(),
          .max_logit_rows = core.max_logit_rows(),
          .max_sequences = std::min({max_running, core.max_logit_rows(), core.max_step_tokens()}),
          .domain = core.domain()};
}

}  // namespace

StepLoop::StepLoop(EngineCore& core, std::unique_ptr<Executor> executor,
                   const text::Tokenizer* tokenizer, std::shared_ptr<Inbox> inbox, int max_running)
    : model_{.tokenizer = tokenizer,
             .vocabulary_size = core.model().config().vocabulary_size,
             .pages = core.pages().shape()},
      inbox_(std::move(inbox)),
      scheduler_(core.pages(), core.profile(), scheduler_options(core, max_running)),
      executor_(std::move(executor)),
      stats_(core.pages(), core.profile()) {
  stats_.publish(scheduler_);
  thread_ = std::thread([this] { run(); });
}

StepLoop::~StepLoop() {
  inbox_->close();
  thread_.join();
}

void StepLoop::run() {
  while (!inbox_->closed()) turn();
  end_all();
}

void StepLoop::turn() {
  take_messages();
  end_overdue();
  hold_back();
  deliver(scheduler_.admit());
  StepPlan plan = scheduler_.plan();
  stats_.publish(scheduler_);
  if (plan.empty()) return wait();
  close(plan);
  std::vector<SequenceEvent> events = scheduler_.finish(plan, executor_->run(plan));
  stats_.add_step(scheduler_.counts().prompt_rows);
  deliver(std::move(events));
}

// What the inbox took before it was closed is answered, too.
void StepLoop::end_all() {
  take_messages();
  while (!streams_.empty()) {
    auto& [id, stream] = *streams_.begin();
    send(id, stream, stream.fail(Error(ErrorCode::kCancelled, "generate: the engine was closed")));
  }
  REDKNOT_CHECK(scheduler_.check());  // whatever came and went, all pages are accounted for
}

void StepLoop::take_messages() {
  while (std::optional<LoopMessage> message = inbox_->take()) {
    std::visit([this](auto&& one) { take(std::forward<decltype(one)>(one)); }, std::move(*message));
  }
}

void StepLoop::take(NewRequests requests) {
  const std::vector<SequenceId> ids =
      scheduler_.submit(requests.sequence, static_cast<int>(requests.arrivals.size()));
  for (std::size_t i = 0; i < ids.size(); ++i) {
    requests.arrivals[i].state->sequence = ids[i];
    streams_.try_emplace(ids[i], std::move(requests.arrivals[i]), model_);
  }
}

void StepLoop::take(const Cancel& cancel) {
  const SequenceId id = cancel.generation->sequence;
  const auto found = streams_.find(id);
  if (found != streams_.end()) {
    if (!found->second.has_begun()) inbox_->room().begin(found->second.request().cache_salt);
    streams_.erase(found);
    scheduler_.cancel(id);
  }
  inbox_->room().leave(cancel.generation->salt);
}

template <typename Operation>
void StepLoop::take(Operation operation) {
  operation.answer.set_value(carry_out(operation, scheduler_));
}

void StepLoop::end_overdue() {
  const auto now = std::chrono::steady_clock::now();
  scheduler_.cache().pins().end(now);
  std::vector<SequenceId> overdue;
  for (const auto& [id, stream] : streams_) {
    const auto latest = stream.latest_begin();
    if (latest && now >= *latest) overdue.push_back(id);
  }
  for (const SequenceId id : overdue) {
    AnswerStream& stream = streams_.at(id);
    send(id, stream,
         stream.fail(unavailable("generate: it has not begun after ",
                                 stream.request().max_queue_seconds,
                                 " seconds (max_queue_seconds)")));
  }
}

void StepLoop::hold_back() {
  for (const auto& [id, stream] : streams_) {
    if (stream.request().all_logits) scheduler_.pause(id, stream.is_ahead_of_reader());
  }
}

void StepLoop::wait() {
  std::optional<std::chrono::steady_clock::time_point> next = scheduler_.cache().pins().next_end();
  for (const auto& [id, stream] : streams_) {
    const auto latest = stream.latest_begin();
    if (latest) next = std::min(next.value_or(*latest), *latest);
  }
  inbox_->wait_until(next);
}

void StepLoop::close(StepPlan& plan) {
  auto slice = plan.slices.begin();
  for (RowSample& sample : plan.samples) {
    while (sample.row >= slice->first_row + slice->rows) ++slice;
    streams_.at(slice->sequence).close(sample);
  }
}

void StepLoop::deliver(std::vector<SequenceEvent> events) {
  for (SequenceEvent& event : events) {
    const SequenceId id = event.sequence;
    AnswerStream& stream = streams_.at(id);
    const int generated = stream.generated();
    const bool had_prompt = stream.has_whole_prompt(), had_begun = stream.has_begun();
    std::optional<Piece> piece = stream.take(std::move(event));
    if (stream.has_begun() && !had_begun) inbox_->room().begin(stream.request().cache_salt);
    stats_.add_tokens(stream.generated() - generated);
    if (stream.has_whole_prompt() && !had_prompt) {
      stats_.add_prompt(scheduler_.usage(id, /*with_pages=*/false).prompt);
    }
    if (piece) send(id, stream, std::move(*piece));
  }
}

void StepLoop::send(SequenceId id, AnswerStream& stream, Piece piece) {
  const bool is_last = piece.finish != FinishReason::kNone;
  const SequenceUsage usage = scheduler_.usage(id, stream.tells_pages(piece));
  if (is_last) leave_room(stream);  // others may look as soon as the last piece is there
  stream.send(std::move(piece), usage);
  if (!is_last) return;
  scheduler_.cancel(id);
  streams_.erase(id);
}

void StepLoop::leave_room(AnswerStream& stream) {
  if (!stream.has_begun()) inbox_->room().begin(stream.request().cache_salt);
  if (stream.generation().end()) inbox_->room().leave(stream.request().cache_salt);
}

}  // namespace redknot
