// SPDX-License-Identifier: Apache-2.0
// The loop that turns: take what arrived, plan a step, run it, sample, deliver. Owns all mutable
// state of the engine on one thread, without locks; callers meet it at the inbox and at the queue
// of pieces of each generation.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/answer_constraint.h"
#include "engine/engine_core.h"
#include "engine/generation_state.h"
#include "engine/stop_matcher.h"
#include "runtime/sampler.h"
#include "sched/scheduler.h"
#include "step/executor.h"
#include "text/detokenizer.h"

namespace redknot {

struct StepLoopOptions {
  int max_running = 64;    // sequences; no more than a step has tokens
  int max_waiting = 1024;  // requests that have not begun
};

class StepLoop {
 public:
  // References must outlive the object. tokenizer may be null: then pieces carry no text.
  StepLoop(EngineCore& core, std::unique_ptr<Executor> executor, const text::Tokenizer* tokenizer,
           std::shared_ptr<Inbox> inbox, const StepLoopOptions& options);
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;
  ~StepLoop();  // ends the loop; what still runs gets an error as its last piece

  // Answers to one prompt. kUnavailable, and none is queued, if too many wait. Any thread.
  Status submit(std::shared_ptr<const SequenceRequest> request, std::vector<Arrival> requests);

  // For errands of the inbox, which run between steps.
  Scheduler& scheduler() { return scheduler_; }

  // As of the latest step: all but what never changes. Any thread.
  Stats stats() const;

 private:
  // A sequence that waits or runs.
  struct Stream {
    explicit Stream(Arrival request) : arrival(std::move(request)), stop(arrival.request.stop) {}
    Arrival arrival;
    std::optional<text::Detokenizer> detokenizer;
    StopMatcher stop;
    std::optional<AnswerConstraint> constraint;
    Status constrained = Done{};  // what the constraint said when it was asked last
    int generated = 0;
    bool has_begun = false;
    double queue_seconds = 0.0;
    double prompt_seconds = 0.0;
    double last_seconds = 0.0;  // from submission to the latest token
  };

  void run();
  void step();
  void take_mail();
  void take_requests(std::shared_ptr<const SequenceRequest> request, std::vector<Arrival> requests);
  void end_late();
  void wait_for_mail();
  void count_prompt(SequenceId id);
  void note_admitted();
  void drop_cancelled();
  void hold_back();
  void say_how_to_sample(StepPlan& plan);
  void deliver(const StepPlan& plan, StepResult result);
  void deliver_slice(const StepSlice& slice, SliceResult result, const SampledToken* sampled);
  void constrain(Stream& stream);
  static Status why_none(const Stream& stream, const SampledToken& sampled, std::size_t position);
  void add_token(SequenceId id, Stream& stream, const SampledToken& sampled, Piece& piece);
  void add_probabilities(const SampledToken& sampled, const Stream& stream, Piece& piece) const;
  void update_usage(SequenceId id, const Stream& stream, bool with_pages);
  void send(SequenceId id, Stream& stream, Piece piece);
  void fail(SequenceId id, Stream& stream, Error error);
  bool ends(const Stream& stream, TokenId token) const;
  std::string token_text(TokenId token) const;
  void publish_stats();

  EngineCore& core_;
  const text::Tokenizer* tokenizer_;
  std::shared_ptr<Inbox> inbox_;
  StepLoopOptions options_;
  Scheduler scheduler_;
  std::unique_ptr<Executor> executor_;
  // Made on the thread of the first request that needs it, so that no step waits for it.
  std::once_flag vocabulary_made_;
  std::unique_ptr<const ConstrainedVocabulary> vocabulary_;
  std::unordered_map<SequenceId, Stream> streams_;
  std::atomic<int> queued_{0};  // requests that have not begun
  std::atomic<std::uint64_t> steps_{0}, prompt_tokens_{0}, generated_tokens_{0};
  struct {
    std::uint64_t prefix = 0, adopted = 0, recovered = 0, computed = 0;
  } prompts_{};               // tokens of prompts of all that have their first token
  mutable std::mutex mutex_;  // guards what follows
  Stats latest_{};            // what changes between steps
  PageCounts free_pages_{};
  std::thread thread_;
};

}  // namespace redknot
