// SPDX-License-Identifier: Apache-2.0
// What the step loop finds in its inbox: requests, readers that left, and operations on what is
// kept for reuse, which are carried out between steps and answer through a promise. Plain values:
// callers make them on their threads, the loop takes them on its own.
#pragma once

#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "engine/answer_constraint.h"
#include "engine/generation_state.h"
#include "kv/segment_key.h"
#include "redknot/redknot.h"
#include "sched/scheduler.h"

namespace redknot {

// A request on its way to the loop, checked.
struct Arrival {
  Request request{};  // without prompt: the SequenceRequest has it
  int prompt_tokens = 0;
  std::chrono::steady_clock::time_point submitted{};
  std::shared_ptr<Generation::State> state{};
  const ConstrainedVocabulary* vocabulary = nullptr;  // if it has a constraint; outlives the loop
};

// Requests that are one to the scheduler; at least one, all with its salt.
struct NewRequests {
  std::shared_ptr<const SequenceRequest> sequence{};
  std::vector<Arrival> arrivals{};
};

// Nobody reads a generation any more that the loop has not ended. It follows its NewRequests.
struct Cancel {
  std::shared_ptr<Generation::State> generation{};
};

// Segments of a salt, by name.
struct ListSegments {
  using Answer = std::vector<SegmentUse>;
  std::string salt{};
  std::promise<Answer> answer{};
};

// Drops those of a name, or all of its salt if the id is empty. How many names.
struct DropSegments {
  using Answer = int;
  SegmentName name{};
  std::promise<Answer> answer{};
};

// Keeps those of a name for so long from now on, or no longer if the time is 0. False if there are
// none or if they may not be kept.
struct PinSegment {
  using Answer = bool;
  SegmentName name{};
  double seconds = 0;
  std::size_t quota_bytes = 0;  // 0: no limit
  std::promise<Answer> answer{};
};

using LoopMessage = std::variant<NewRequests, Cancel, ListSegments, DropSegments, PinSegment>;

// What an operation answers. Between steps, on the loop's thread.
ListSegments::Answer carry_out(const ListSegments& operation, Scheduler& scheduler);
DropSegments::Answer carry_out(const DropSegments& operation, Scheduler& scheduler);
PinSegment::Answer carry_out(const PinSegment& operation, Scheduler& scheduler);

}  // namespace redknot
