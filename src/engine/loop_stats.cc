// SPDX-License-Identifier: Apache-2.0
#include "engine/loop_stats.h"

#include <cstddef>
#include <vector>

#include "engine/profile_choice.h"

namespace redknot {

LoopStats::LoopStats(const PageAllocator& pages, const HeadProfile& profile)
    : pages_(pages), profile_(profile) {
  for (const HeadPolicy& policy : profile.policies) latest_.heads.push_back(describe(policy));
}

void LoopStats::add_step(std::uint64_t prompt_rows) {
  steps_.fetch_add(1);
  prompt_rows_.store(prompt_rows);
}

void LoopStats::add_tokens(int generated) {
  generated_tokens_.fetch_add(static_cast<std::uint64_t>(generated));
}

void LoopStats::add_prompt(const PromptTokens& prompt) {
  prompts_.prefix += static_cast<std::uint64_t>(prompt.prefix);
  prompts_.adopted += static_cast<std::uint64_t>(prompt.adopted);
  prompts_.recovered += static_cast<std::uint64_t>(prompt.recovered);
  prompts_.computed += static_cast<std::uint64_t>(prompt.computed);
}

void LoopStats::publish(const Scheduler& scheduler) {
  const SegmentTable& segments = scheduler.cache().segments();
  const SchedulerCounts& counts = scheduler.counts();
  std::vector<int> head_pages(profile_.policies.size());
  scheduler.count_pages(head_pages);
  const auto shared_pages = static_cast<std::size_t>(segments.pages_per_head());
  const std::lock_guard lock(mutex_);
  latest_.sequences = scheduler.running();
  latest_.waiting = scheduler.waiting();
  for (std::size_t i = 0; i < head_pages.size(); ++i) {
    const std::size_t page_bytes = pages_.shape().bytes(profile_.policies[i].kv_format);
    latest_.heads[i].bytes = static_cast<std::size_t>(head_pages[i]) * page_bytes;
    latest_.heads[i].shared_bytes = shared_pages * page_bytes;
  }
  for (const KvFormat format : kKvFormats) {
    free_pages_[index_of(format)] = pages_.free_pages(format);
  }
  latest_.preemptions = counts.preemptions;
  latest_.segment_hits = counts.segment_hits;
  latest_.segment_misses = counts.segment_misses;
  latest_.prefix_hits = counts.prefix_hits;
  latest_.prefix_misses = counts.prefix_misses;
  latest_.prefix_tokens = prompts_.prefix;
  latest_.adopted_tokens = prompts_.adopted;
  latest_.recovered_tokens = prompts_.recovered;
  latest_.new_tokens = prompts_.computed;
  latest_.segments = segments.segments();
  latest_.segment_evictions = segments.evictions();
}

Stats LoopStats::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = latest_;
  for (const KvFormat format : kKvFormats) {
    const int total = pages_.total_pages(format), free = free_pages_[index_of(format)];
    if (total == 0) continue;
    const std::size_t page_bytes = pages_.shape().bytes(format);
    stats.pool.push_back(
        {.dtype = format, .page_bytes = page_bytes, .total_pages = total, .free_pages = free});
    stats.total_pages += total;
    stats.free_pages += free;
    stats.kv_bytes += static_cast<std::size_t>(total) * page_bytes;
  }
  stats.steps = steps_.load();
  stats.prompt_tokens = prompt_rows_.load();
  stats.generated_tokens = generated_tokens_.load();
  return stats;
}

}  // namespace redknot
