// SPDX-License-Identifier: Apache-2.0
// What an engine tells of itself, as of the latest step of its loop: running and waiting, pages by
// head and format, and what has been counted so far.
//
// The loop owns one and adds and publishes on its thread; any thread may read.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

#include "heads/head_profile.h"
#include "kv/page_allocator.h"
#include "redknot/redknot.h"
#include "sched/scheduler.h"

namespace redknot {

class LoopStats {
 public:
  // Both must outlive the object.
  LoopStats(const PageAllocator& pages, const HeadProfile& profile);

  // A step has been run; `prompt_rows` are those of all steps so far.
  void add_step(std::uint64_t prompt_rows);
  void add_tokens(int generated);
  // What a prompt that is whole was made of.
  void add_prompt(const PromptTokens& prompt);
  // What changes between steps. O(pages).
  void publish(const Scheduler& scheduler);

  // All but what never changes. Any thread.
  Stats stats() const;

 private:
  const PageAllocator& pages_;
  const HeadProfile& profile_;

  // Counted at once, so that whoever has read a piece finds it counted.
  std::atomic<std::uint64_t> steps_{0}, prompt_rows_{0}, generated_tokens_{0};
  // Tokens of prompts that are whole; the loop's own.
  struct {
    std::uint64_t prefix = 0, adopted = 0, recovered = 0, computed = 0;
  } prompts_{};

  mutable std::mutex mutex_;  // guards what follows
  Stats latest_{};
  PageCounts free_pages_{};
};

}  // namespace redknot
