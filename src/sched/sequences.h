// SPDX-License-Identifier: Apache-2.0
// Who there is: all sequences by their ids, those that wait in the order in which they are to run,
// those that run in the order in which they were let run. Owned by the scheduler, whose parts meet
// here; the loop's thread.
//
// Invariant: a record waits or runs, never both; it has pages iff it runs.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <unordered_map>
#include <vector>

#include "sched/sequence_record.h"

namespace redknot {

// What has happened so far.
struct SchedulerCounts {
  std::uint64_t preemptions = 0;
  // Segments that prompts asked for: at hand or under way, or to be built; and prompts that may
  // begin with what another left, and did, or did not.
  std::uint64_t segment_hits = 0, segment_misses = 0, prefix_hits = 0, prefix_misses = 0;
  // Rows of prompts that were computed, those of the scheduler's own sequences too.
  std::uint64_t prompt_rows = 0;
};

class Sequences {
 public:
  // Larger priority first, then first come, first served.
  struct GoesBefore {
    bool operator()(const SequenceRecord* a, const SequenceRecord* b) const;
  };
  using Waiting = std::set<SequenceRecord*, GoesBefore>;

  SequenceId new_id() { return SequenceId{next_id_++}; }

  // Takes a record in, which waits. Requires an id of its own. Valid until erase().
  SequenceRecord& add(SequenceRecord record);
  // Null if there is none.
  SequenceRecord* find(SequenceId id);
  const SequenceRecord* find(SequenceId id) const;

  const Waiting& waiting() const { return waiting_; }
  std::span<SequenceRecord* const> running() const { return running_; }
  int answers() const { return answers_; }  // of those that run, how many somebody submitted

  // From the ones that wait to the end of those that run, and back.
  void run(SequenceRecord& record);
  void wait_again(SequenceRecord& record);
  // Requires that it waits.
  void erase(SequenceRecord& record);

  // The running sequence that keeps the prompt of an answer's group, or builds a segment; null if
  // there is none.
  SequenceRecord* shared_prompt_of(const SequenceRecord& answer) const;
  SequenceRecord* build_of(const SegmentKey& key) const;

 private:
  std::unordered_map<SequenceId, std::unique_ptr<SequenceRecord>> records_;
  Waiting waiting_;
  std::vector<SequenceRecord*> running_;
  std::map<SequenceId, SequenceRecord*> shared_prompts_;  // that run, by group
  std::map<SegmentKey, SequenceRecord*> builds_;          // that run
  int answers_ = 0;
  std::uint32_t next_id_ = 0;
};

}  // namespace redknot
