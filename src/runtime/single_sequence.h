// SPDX-License-Identifier: Apache-2.0
// One sequence that is run without a scheduler, under a head profile of its own: its pages, and an
// executor for it alone. Benchmarks and the profiler own them; one thread at a time, and no two
// on one backend at once.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kv/sequence_kv.h"
#include "runtime/cpu_backend.h"
#include "runtime/cpu_executor.h"

namespace redknot {

// What sequences run on. All must outlive them.
struct SequenceHost {
  CpuBackend& backend;
  PageAllocator& pages;
};

class SingleSequence {
 public:
  // An empty one. The profile must outlive the object.
  SingleSequence(const SequenceHost& host, const HeadProfile& profile);

  // One that shares the pages of this one, under its profile or another one of equal formats.
  SingleSequence fork() const { return fork(kv().profile()); }
  SingleSequence fork(const HeadProfile& profile) const;

  SequenceKv& kv() { return state_->kv; }
  const SequenceKv& kv() const { return state_->kv; }
  int length() const { return state_->kv.length(); }

  // Makes room for so many tokens without computing them: their keys and values are whatever the
  // pages hold. kResourceExhausted as SequenceKv::extend.
  Status reserve(int tokens);

  // Computes the next tokens, for which it makes room, and forgets what no later query sees. The
  // logits [tokens - first_logit, vocabulary_size] of those from `first_logit` on. Requires pages
  // enough.
  std::vector<float> advance(std::span<const TokenId> tokens, int first_logit);

  // The same of positions that have room already, from `first` on; nothing is forgotten.
  std::vector<float> compute(int first, std::span<const TokenId> tokens, int first_logit);

 private:
  struct State {
    State(const SequenceHost& to, const HeadProfile& profile)
        : host(to), executor(to.backend, profile), kv(to.pages, profile, {&ops, SequenceId{}}) {}
    SequenceHost host;
    std::vector<PageOp> ops;  // that no plan has had yet
    CpuExecutor executor;
    SequenceKv kv;
  };
  std::unique_ptr<State> state_;  // the log is pointed at
};

}  // namespace redknot
