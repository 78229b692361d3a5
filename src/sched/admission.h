// SPDX-License-Identifier: Apache-2.0
// Who may run, and who gives way: a ledger of reservations.
//
// A sequence may run when the pages that it can ever hold are free of other reservations, so that
// nothing that was admitted runs out of memory; once its prompt is computed, less is reserved. If
// there is no room, running sequences of less priority give way, those of the least priority and
// the youngest of them first; none does if all of them would not be enough. One that there is no
// room for holds up all that come behind it, so that it gets its turn; one whose quota is used up
// only those of its salt.
//
// Owned by the scheduler, which asks it in every turn and carries its decisions out. It changes
// nothing itself, but for ending pins if nothing else could run. The loop's thread.
#pragma once

#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "heads/head_profile.h"
#include "kv/kv_cache.h"
#include "kv/page_allocator.h"
#include "sched/sequences.h"

namespace redknot {

class Admission {
 public:
  // References must outlive the object.
  Admission(const PageAllocator& pages, const HeadProfile& profile, int max_sequences,
            const Sequences& sequences, KvCache& cache);

  // That a sequence that waits runs, once others have given way.
  struct Decision {
    SequenceRecord* runs = nullptr;
    std::vector<SequenceId> give_way{};
  };
  // The next one to be carried out; nothing if no sequence may run now. `full` are salts whose
  // quota was found used up in this turn, empty at its beginning.
  std::optional<Decision> next(std::set<std::string>& full) const;

  // Whether all that runs and all that is pinned fits into memory together.
  bool reservations_fit() const;

 private:
  // Of those with its salt, what they and it would hold of their own is more than its quota, and it
  // would not be alone.
  bool is_over_quota(const SequenceRecord& next) const;
  // Who has to give way so that it fits; nothing if that is not enough.
  std::optional<std::vector<SequenceId>> who_gives_way(const SequenceRecord& next) const;
  bool fits(const SequenceRecord& next, std::span<const SequenceId> without) const;
  // Pages that must exist if `next`, unless it is null, runs beside all that run but those left
  // out: reservations, the segments that they are composed of, at hand or not, and those that are
  // pinned. All else is evicted when its room is wanted.
  PageCounts demand(const SequenceRecord* next, std::span<const SequenceId> without) const;

  const PageAllocator& pages_;
  const HeadProfile& profile_;
  int max_sequences_;
  const Sequences& sequences_;
  KvCache& cache_;
};

}  // namespace redknot
