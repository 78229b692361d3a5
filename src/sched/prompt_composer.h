// SPDX-License-Identifier: Apache-2.0
// How the prompt of one sequence is composed, part by part, as its rows are asked for. Own tokens
// are computed, segments are adopted by reference, and what recovery chooses of them is computed
// again in its place. Where recovery has to measure something before it can choose, rows are run
// for that first: the first pass. Generated tokens follow the last part.
//
// A composer belongs to one sequence and works on the page table that it is handed. It decides
// which rows come next and takes note of what was computed; it knows nothing of reservations,
// priorities or other sequences. The scheduler calls it, on the step loop's thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "kv/segment_table.h"
#include "kv/sequence_kv.h"
#include "sched/recovery_strategy.h"
#include "sched/sequence_request.h"
#include "step/step_plan.h"
#include "step/step_result.h"

namespace redknot {

// How the tokens of a prompt came about, and what that took.
struct PromptTokens {
  int prefix = 0;  // what stands as dense attention would have it: kept by an earlier sequence, or
                   // segments behind their own context
  int computed = 0;   // for this sequence
  int adopted = 0;    // of segments behind the prefix, the recovered ones too
  int recovered = 0;  // of those, for this sequence again
  int built = 0;      // of segments that had to be computed first, and their context
  double flops = 0;   // all of it
  bool operator==(const PromptTokens&) const = default;
};

// What a composer may use of the KV cache.
struct CacheAccess {
  const SegmentTable& segments;
  // Evicts until the wanted pages are free. What is wanted may become less meanwhile: a page that
  // is not shared any more needs no copy.
  std::function<void(const std::function<PageCounts()>& wanted)> evict_for;
};

// The sequence that a composer works for.
struct ComposedSequence {
  SequenceId id{};
  std::span<const TokenId> tokens{};  // prompt, then generated
  SequenceKv& kv;
  const CacheAccess& cache;
};

// How many rows may be added to a step.
struct RowLimits {
  int rows = 0;
  int logit_rows = 0;  // of those whose logits are wanted because all are
};

class PromptComposer {
 public:
  explicit PromptComposer(std::shared_ptr<const SequenceRequest> request);

  // Begins with what `kv` holds: nothing, or what an earlier sequence left. With `spent`, that is
  // what it took to compute all of the prompt for this one, whose last token is computed again.
  void begin(SequenceKv& kv, const PromptTokens* spent = nullptr);
  bool has_begun() const { return has_begun_; }
  // Forgets all that was composed: the sequence has given back its pages. `prompt_was_whole` keeps
  // the counts as they are.
  void restart(bool prompt_was_whole);

  // Adds the next rows to the plan as one slice, at most so many; returns how many. Requires that
  // the segments of remaining parts are at hand.
  int next_rows(StepPlan& plan, RowLimits most, const ComposedSequence& sequence);
  // Takes note that a slice of the plan has been computed.
  void computed(const StepPlan& plan, const StepSlice& slice, const SliceResult& result,
                const ComposedSequence& sequence);

  // About so many rows are still to be computed of a sequence of so many tokens.
  int rows_left(const SequenceKv& kv, int tokens) const;
  // Whether exactly the first `tokens` tokens are computed or adopted, and nothing is under way.
  bool is_computed_to(int tokens) const {
    return placed_.empty() && !first_pass_ && computed_length_ == tokens;
  }
  // No row before it will be computed again.
  int first_needed(const SequenceKv& kv) const;
  // Whether there was too little room at the last turn for rows that one step must have together.
  bool waits_for_room() const { return waits_for_room_; }
  // Parts that have no place in the page table yet.
  std::span<const SequencePart> remaining() const;
  // Tokens of what it began with.
  int prefix_length() const { return prefix_length_; }

  PromptTokens counts() const;  // of the first time
  // Counts what others computed for this prompt.
  void add_built(int tokens, double flops);

 private:
  // Rows that have slots and are to be computed.
  struct PlacedRows {
    PositionRange positions{};
    int depth = 0;
    Measure measure = Measure::kNothing;
    bool is_first_pass = false;           // nobody gets their logits
    std::optional<FfnGroup> ffn_group{};  // of those that compete; one step has them all
    int tokens() const { return positions.end - positions.begin; }
  };
  // What is being found out before tokens can be chosen.
  struct FirstPass {
    std::vector<Candidate> candidates{};
    std::vector<PositionRange> own{};  // own rows that are computed again behind them
  };

  // Makes slots for what comes next, at most so many rows of own tokens, and places its rows.
  // False if there is nothing.
  bool place_next(int most_rows, const ComposedSequence& sequence);
  // The next part, a segment, which is composed by itself.
  void place_segment(const ComposedSequence& sequence);
  // The segments that stand together, the text that separates them, and the question behind them:
  // first over what is reused, to find out what the question looks at.
  void place_group(const ComposedSequence& sequence);
  // Puts own pages in the place of those with chosen positions, and places the rows of these and
  // own ones, in order of their positions. Own rows before the first chosen one stay as they are.
  void place_again(std::span<const PositionRange> chosen, std::span<const PositionRange> own,
                   const ComposedSequence& sequence);
  // Makes slots for own tokens up to `end`, within the next part or behind the prompt.
  void extend(int end, const ComposedSequence& sequence);
  // Appends the next part, a segment. Returns what may be chosen of it, or nothing if it stands
  // behind its own context: there it misses nothing.
  std::vector<Candidate> adopt(const ComposedSequence& sequence);

  std::shared_ptr<const SequenceRequest> request_;

  // What is composed so far.
  bool has_begun_ = false;
  std::size_t next_part_ = 0;      // the first that has no place yet
  std::deque<PlacedRows> placed_;  // increasing
  std::optional<FirstPass> first_pass_;
  int prefix_length_ = 0;    // tokens of what it began with
  int computed_length_ = 0;  // positions before it have been computed or adopted
  bool waits_for_room_ = false;

  // What outlasts a restart.
  int logits_given_until_ = 0;  // logits of positions before it are not asked for again
  PromptTokens counts_{};
  std::optional<PromptTokens> first_counts_{};  // before it was restarted, if the prompt was whole
};

}  // namespace redknot
