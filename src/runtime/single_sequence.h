// SPDX-License-Identifier: Apache-2.0
// One sequence that is run without a scheduler or an executor, under a head profile of its own: its
// pages. Benchmarks and the profiler own them; one thread at a time, and no two on one backend at
// once, but in a step of several.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kv/sequence_kv.h"
#include "runtime/cpu_backend.h"

namespace redknot {

// What sequences run on. All must outlive them.
struct SequenceHost {
  CpuBackend& backend;
  PageAllocator& pages;
};

class SingleSequence {
 public:
  // What a sequence takes in by a step: its next tokens, of those at `logit_rows` (increasing) the
  // logits are wanted.
  struct Part {
    SingleSequence* sequence = nullptr;
    std::span<const TokenId> tokens{};
    std::span<const int> logit_rows{};
  };

  // advance() of sequences of one host in one step, each under its own profile: bit for bit what
  // each of them gives alone. The logits [logit rows of all parts, vocabulary_size]. Requires each
  // sequence once, and no more rows than a step takes.
  static std::vector<float> advance_together(std::span<const Part> parts);

  // An empty one. The profile must outlive the object.
  SingleSequence(const SequenceHost& host, const HeadProfile& profile);

  // One that shares the pages of this one, under its profile.
  SingleSequence fork() const;

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
        : host(to), kv(to.pages, profile, {&ops, SequenceId{}}) {}
    SequenceHost host;
    std::vector<PageOp> ops;  // since the step before
    SequenceKv kv;
  };
  // Computes rows from position `first[i]` of part i on, for which there is room.
  static std::vector<float> run(std::span<const Part> parts, std::span<const int> first);

  std::unique_ptr<State> state_;  // the log is pointed at
};

}  // namespace redknot
