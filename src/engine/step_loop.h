// SPDX-License-Identifier: Apache-2.0
// The loop that turns: take messages, let sequences run, plan a step, add what constraints allow
// next, run it, and hand what became of each sequence to its answer.
//
// It owns the scheduler, the executor and the answers under way, on one thread of its own, without
// locks. Callers meet it at the inbox, readers at the queue of pieces of their generation. What is
// decided about pages is the scheduler's, what is computed the executor's, and what is said the
// answer stream's; the loop only brings them together. The engine makes it and ends it.
#pragma once

#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/answer_stream.h"
#include "engine/engine_core.h"
#include "engine/inbox.h"
#include "engine/loop_stats.h"
#include "sched/scheduler.h"
#include "step/executor.h"

namespace redknot {

class StepLoop {
 public:
  // Begins to turn. The core and what `answers` names must outlive the object. At most
  // `max_running` sequences run at a time, and no more than a step has rows.
  StepLoop(EngineCore& core, std::unique_ptr<Executor> executor, const text::Tokenizer* tokenizer,
           std::shared_ptr<Inbox> inbox, int max_running);
  StepLoop(const StepLoop&) = delete;
  StepLoop& operator=(const StepLoop&) = delete;
  ~StepLoop();  // closes the inbox; what still runs gets an error as its last piece

  // As of the latest step: all but what never changes. Any thread.
  Stats stats() const { return stats_.stats(); }

 private:
  // The thread: turns until the inbox is closed, and then ends everything.
  void run();
  void turn();
  void end_all();

  // Messages: new answers, those that nobody reads any more, operations on what is kept.
  void take_messages();
  void take(NewRequests requests);
  void take(const Cancel& cancel);
  template <typename Operation>
  void take(Operation operation);

  // What time and readers have changed: pins and waits that end, readers that are slow.
  void end_overdue();
  void hold_back();
  // Until there is a message, or something is due.
  void wait();

  // Adds to the samples of a plan what the constraints of their answers allow.
  void close(StepPlan& plan);
  // Hands events to their answers, and what they say to the readers; a last piece ends its
  // sequence.
  void deliver(std::vector<SequenceEvent> events);
  void send(SequenceId id, AnswerStream& stream, Piece piece);
  // Gives back the place of an answer that ends.
  void leave_room(AnswerStream& stream);

  // What it brings together.
  const AnswerModel model_;
  const std::shared_ptr<Inbox> inbox_;
  Scheduler scheduler_;
  const std::unique_ptr<Executor> executor_;

  std::unordered_map<SequenceId, AnswerStream> streams_;  // of all that wait or run
  LoopStats stats_;
  std::thread thread_;  // last: it uses all of these
};

}  // namespace redknot
