// SPDX-License-Identifier: Apache-2.0
#include "sched/sequence.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {

Sequence::Sequence(SequenceId id, std::shared_ptr<const SequenceRequest> request)
    : id_(id),
      request_(std::move(request)),
      tokens_(request_->spec.prompt.tokens),
      composer_(request_) {}

void Sequence::start(PageAllocator& pages, const HeadProfile& profile, PageLog log) {
  profile_ = &profile;
  kv_ = std::make_unique<SequenceKv>(pages, profile, log);
}

bool Sequence::ended() const {
  const int generated = static_cast<int>(tokens_.size()) - prompt_length();
  // The last token is never fed back; a prompt alone ends when it has been computed.
  return generated >= max_tokens() && (generated > 0 || is_computed());
}

void Sequence::begin_with(const SequenceKv& prefix) {
  kv_->begin_with(prefix);
  composer_.begin(*kv_);
}

void Sequence::begin_with_shared_prompt(const Sequence& shared, bool takes_counts) {
  std::optional<SequenceKv> prompt = shared.kv().prefix(prompt_length() - 1);
  REDKNOT_CHECK(prompt);  // it has forgotten nothing that its last token sees
  kv_->begin_with(*prompt);
  const PromptTokens spent = shared.counts();
  composer_.begin(*kv_, takes_counts ? &spent : nullptr);
}

void Sequence::restart() {
  composer_.restart(/*prompt_was_whole=*/generates());
  kv_.reset();
  pinned.clear();
  has_run = true;
}

int Sequence::rows_left() const {
  return composer_.rows_left(*kv_, static_cast<int>(tokens_.size()));
}

int Sequence::add_rows(StepPlan& plan, int most_rows, int most_logit_rows,
                       const CacheAccess& cache) {
  return composer_.next_rows(plan, {most_rows, most_logit_rows}, {id_, tokens_, *kv_, cache});
}

void Sequence::computed(const StepPlan& plan, const StepSlice& slice, const SliceResult& result,
                        const CacheAccess& cache) {
  composer_.computed(plan, slice, result, {id_, tokens_, *kv_, cache});
}

bool Sequence::is_own(const PageRef& page) const {
  return !page.reused && !(is_answer() && page.end() <= composer_.prefix_length());
}

PageCounts Sequence::own_pages() const {
  PageCounts pages{};
  for (int head = 0; head < profile_->layers * profile_->kv_heads; ++head) {
    const KvFormat format = profile_->policies[static_cast<std::size_t>(head)].kv_format;
    const PageTable& table = kv_->table(head / profile_->kv_heads, head % profile_->kv_heads);
    pages[index_of(format)] += static_cast<int>(std::count_if(
        table.begin(), table.end(), [this](const PageRef& page) { return is_own(page); }));
  }
  return pages;
}

// By head: what it holds in earlier parts of the prompt, which can only become less, and what the
// last part and all that follows it may come to.
PageCounts Sequence::pages_to_decode() const {
  if (keeps_shared_prompt) return own_pages();
  const int page_tokens = kv_->page_tokens();
  const int last_part = parts().back().positions.begin;
  const int all = parts().back().tokens() + max_tokens();
  const int shared = is_answer() ? (parts().back().tokens() - 1) / page_tokens : 0;
  PageCounts pages{};
  for (int head = 0; head < profile_->layers * profile_->kv_heads; ++head) {
    const HeadPolicy& policy = profile_->policies[static_cast<std::size_t>(head)];
    int before = 0, held = 0;
    for (const PageRef& page : kv_->table(head / profile_->kv_heads, head % profile_->kv_heads)) {
      if (is_own(page)) ++(page.position < last_part ? before : held);
    }
    int most = static_cast<int>(peak_pages_of_head(policy, page_tokens, all, /*chunk_tokens=*/1));
    if (keeps_everything(policy)) most -= shared;
    pages[index_of(policy.kv_format)] += before + std::max(most, held);
  }
  return pages;
}

KvPages Sequence::kv_pages() const {
  KvPages pages;
  if (kv_ == nullptr) return pages;
  for (int head = 0; head < profile_->layers * profile_->kv_heads; ++head) {
    const KvFormat format = profile_->policies[static_cast<std::size_t>(head)].kv_format;
    for (const PageRef& page : kv_->table(head / profile_->kv_heads, head % profile_->kv_heads)) {
      const bool shared = page.reused || page.end() <= composer_.prefix_length();
      ++(shared ? pages.shared : pages.own)[index_of(format)];
    }
  }
  return pages;
}

}  // namespace redknot
