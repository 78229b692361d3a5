// SPDX-License-Identifier: Apache-2.0
#include "sched/sequence.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

// The entries of a table of a head that keeps everything; all of these are alike.
const PageTable* whole_table(const SequenceKv& kv) {
  const HeadProfile& profile = kv.profile();
  for (int head = 0; head < profile.layers * profile.kv_heads; ++head) {
    if (!keeps_everything(profile.policies[static_cast<std::size_t>(head)])) continue;
    return &kv.table(head / profile.kv_heads, head % profile.kv_heads);
  }
  return nullptr;
}

}  // namespace

Sequence::Sequence(SequenceId id, SequenceSpec spec, std::vector<SequencePart> parts)
    : id_(id),
      tokens_(std::move(spec.prompt.tokens)),
      parts_(std::move(parts)),
      prompt_length_(static_cast<int>(tokens_.size())),
      context_tokens_(spec.prompt.context_tokens),
      max_tokens_(spec.max_tokens),
      recovery_(spec.recovery),
      all_logits_(spec.all_logits),
      uses_prefixes_(spec.uses_prefixes),
      salt_(std::move(spec.salt)),
      priority_(spec.priority),
      quota_bytes_(spec.quota_bytes) {}

void Sequence::start(PageAllocator& pages, const HeadProfile& profile, PageLog log) {
  profile_ = &profile;
  kv_ = std::make_unique<SequenceKv>(pages, profile, log);
}

bool Sequence::ended() const {
  const int generated = static_cast<int>(tokens_.size()) - prompt_length_;
  // The last token is never fed back; a prompt alone ends when it has been computed.
  return generated >= max_tokens_ && (generated > 0 || is_computed());
}

int Sequence::first_needed() const {
  int first = kv_->length();
  if (!laid_out_.empty()) first = std::min(first, laid_out_.front().positions.begin);
  if (probe_) first = std::min(first, probe_->candidates.front().positions.begin);
  return first;
}

void Sequence::begin_with(const SequenceKv& prefix) {
  kv_->begin_with(prefix);
  const int length = kv_->length();
  computed_length_ = prefix_length_ = length;
  int exact = std::min(length, prompt_length_);
  for (const SequencePart& part : parts_) {
    const bool composed = part.segment && part.positions.begin > context_tokens_;
    if (composed) exact = std::min(exact, part.positions.begin);
  }
  counts_.prefix = exact;
  counts_.adopted = std::min(length, prompt_length_) - exact;
  while (next_part_ < parts_.size() && parts_[next_part_].positions.end <= length) ++next_part_;
  const bool begins_part =
      next_part_ < parts_.size() && parts_[next_part_].positions.begin == length;
  if (begins_part) kv_->end_page();
}

void Sequence::branch_from(const Sequence& trunk, bool takes_counts) {
  std::optional<SequenceKv> prompt = trunk.kv().prefix(prompt_length_ - 1);
  REDKNOT_CHECK(prompt);  // it has forgotten nothing that its last token sees
  const PromptTokens before = counts_;
  begin_with(*prompt);
  if (!takes_counts) return;
  counts_ = trunk.counts();
  --counts_.computed;  // the last token, which is computed again
  counts_.built += before.built;
  counts_.flops += before.flops;
}

void Sequence::restart() {
  if (generates() && !first_counts_) first_counts_ = counts_;
  counts_ = {.built = counts_.built, .flops = counts_.flops};
  kv_.reset();
  has_begun_ = waits_for_room_ = false;
  next_part_ = 0;
  laid_out_.clear();
  probe_.reset();
  prefix_length_ = computed_length_ = 0;
  pinned.clear();
  has_run = true;
}

PromptTokens Sequence::counts() const {
  PromptTokens counts = first_counts_.value_or(counts_);
  counts.flops = counts_.flops;
  return counts;
}

int Sequence::rows_left() const {
  int rows = 0;
  for (const Rows& one : laid_out_) rows += one.positions.end - one.positions.begin;
  if (kv_->length() >= prompt_length_)
    return rows + static_cast<int>(tokens_.size()) - kv_->length();
  for (const SequencePart& part : remaining()) {
    if (!part.segment) rows += part.positions.end - std::max(part.positions.begin, kv_->length());
  }
  return rows + static_cast<int>(tokens_.size()) - prompt_length_;
}

// What a branch shares is reserved by the trunk, and what is adopted by nobody: it is pinned.
bool Sequence::is_own(const PageRef& page) const {
  return !page.reused && !(is_branch() && page.end() <= prefix_length_);
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
  if (is_trunk) return own_pages();
  const int page_tokens = kv_->page_tokens();
  const int last_part = parts_.back().positions.begin;
  const int all = parts_.back().tokens() + max_tokens_;
  const int shared = is_branch() ? (parts_.back().tokens() - 1) / page_tokens : 0;
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
      const bool shared = page.reused || page.end() <= prefix_length_;
      ++(shared ? pages.shared : pages.own)[index_of(format)];
    }
  }
  return pages;
}

// Makes slots for own tokens up to `end`, within the next part or behind the prompt.
void Sequence::extend(int end, const Supply& supply) {
  const int first = kv_->length();
  // Reserved at admission, so there is room, or what is not in use holds it.
  supply.make_room([&] { return kv_->pages_to_extend(end - first); });
  REDKNOT_CHECK(kv_->extend(end - first).ok());
  if (next_part_ == parts_.size()) return;
  counts_.computed += end - first;
  if (end < parts_[next_part_].positions.end) return;
  ++next_part_;
  // What follows the prompt's last part continues it.
  if (next_part_ < parts_.size()) kv_->end_page();
}

// Appends a segment. Its pages, unless it stands behind its own context: there nothing is missing.
std::vector<PageCandidate> Sequence::adopt(const SequencePart& part, const Supply& supply) {
  const Segment& segment = *supply.segments.find(*part.segment);
  const int first = kv_->length();
  segment.adopt_into(*kv_);
  ++next_part_;
  if (first == segment.canonical_position()) {
    counts_.prefix += segment.tokens();
    return {};
  }
  counts_.adopted += segment.tokens();
  std::vector<PageCandidate> pages;
  for (const PositionRange& page : segment.pages()) {
    pages.push_back({.positions = {first + page.begin, first + page.end}});
  }
  return pages;
}

// Whether anything can come of recovery.
bool Sequence::recovers() const {
  const bool some = recovery_.policy == Recovery::Policy::kElastic || recovery_.ratio > 0 ||
                    recovery_.boundary_tokens > 0;
  return some && deepest_recomputed(recovery_, *profile_) >= 0;
}

void Sequence::lay_out_segment(const Supply& supply) {
  const SequencePart& part = parts_[next_part_];
  const std::vector<PageCandidate> pages = adopt(part, supply);
  if (pages.empty() || !recovers()) return;
  if (measured(recovery_) == Measure::kDeviation) {
    probe_ = Probe{.candidates = pages};
    const int depth = std::min(1, whole_depth());
    laid_out_.push_back({.positions = part.positions,
                         .depth = depth,
                         .measure = Measure::kDeviation,
                         .is_probe = true});
    return;
  }
  const std::vector<PositionRange> chosen = choose_pages(recovery_, pages);
  recover(chosen, supply);
  lay_out_recovered(chosen, {});
  const SparseFfn& sparse = recovery_.sparse;
  const bool all_pass =
      sparse.mass >= 1.0f && (sparse.mass_deep >= 1.0f || sparse.deep_start >= profile_->layers);
  if (recovery_.policy != Recovery::Policy::kElastic || all_pass) return;
  for (Rows& rows : laid_out_) {
    rows.at_once = true;
    const int recent = std::max(rows.positions.begin, part.positions.end - recovery_.recent_tokens);
    rows.recent = std::max(0, rows.positions.end - recent);
  }
}

// The segments that stand together, the text that separates them, and the question behind them:
// first over what is reused, to find out what the question looks at.
void Sequence::lay_out_group(const Supply& supply) {
  const std::size_t end = end_of_group(parts_, next_part_);
  const PositionRange question = parts_[next_part_].question;
  Probe probe;
  int segment = 0;
  while (next_part_ < end) {
    const PositionRange positions = parts_[next_part_].positions;
    if (!parts_[next_part_].segment) {
      extend(positions.end, supply);
      probe.redone.push_back(positions);
      continue;
    }
    for (PageCandidate& page : adopt(parts_[next_part_], supply)) {
      page.segment = segment;
      probe.candidates.push_back(page);
    }
    ++segment;
  }
  extend(question.end, supply);
  probe.redone.push_back(question);
  const bool looks = !probe.candidates.empty() && recovers() && whole_table(*kv_) != nullptr;
  for (const PositionRange& own : probe.redone) {
    laid_out_.push_back({.positions = own, .depth = whole_depth(), .is_probe = looks});
  }
  if (!looks) return;
  // The question's last token is where the answer begins. It is to be seen in all layers.
  --laid_out_.back().positions.end;
  if (laid_out_.back().positions.empty()) laid_out_.pop_back();
  laid_out_.push_back({.positions = {question.end - 1, question.end},
                       .depth = profile_->layers,
                       .measure = Measure::kPageMass,
                       .is_probe = true});
  probe_ = std::move(probe);
}

// Makes slots for what comes next, at most so many rows of own tokens. False if there is nothing.
bool Sequence::lay_out(int most_rows, const Supply& supply) {
  const bool prompt = next_part_ < parts_.size();
  if (prompt && parts_[next_part_].segment) {
    if (measured(recovery_) == Measure::kPageMass) {
      lay_out_group(supply);
    } else {
      lay_out_segment(supply);
    }
    return true;
  }
  const int first = kv_->length();
  const int end = prompt ? parts_[next_part_].positions.end : static_cast<int>(tokens_.size());
  const int rows = std::min(most_rows, end - first);
  if (rows <= 0) return false;
  extend(first + rows, supply);
  laid_out_.push_back({.positions = {first, first + rows}, .depth = whole_depth()});
  return true;
}

// Puts own pages in the place of those chosen, for the heads that recompute.
void Sequence::recover(std::span<const PositionRange> pages, const Supply& supply) {
  for (int head = 0; head < profile_->layers * profile_->kv_heads; ++head) {
    const HeadPolicy& policy = profile_->policies[static_cast<std::size_t>(head)];
    if (!recomputes(recovery_, policy)) continue;
    PageCounts wanted{};
    wanted[index_of(policy.kv_format)] = static_cast<int>(pages.size());
    supply.make_room([&wanted] { return wanted; });
    for (const PositionRange& page : pages) {
      const Status own = kv_->recover(head / profile_->kv_heads, head % profile_->kv_heads, page);
      REDKNOT_CHECK(own.ok());
    }
  }
  for (const PositionRange& page : pages) counts_.recovered += page.end - page.begin;
}

// Recovered pages and own rows, in order of their positions. Own rows before the first recovered
// one stay as they are.
void Sequence::lay_out_recovered(std::span<const PositionRange> pages,
                                 std::span<const PositionRange> own) {
  const int deepest = std::min(deepest_recomputed(recovery_, *profile_), whole_depth());
  for (const PositionRange& page : pages)
    laid_out_.push_back({.positions = page, .depth = deepest});
  for (const PositionRange& rows : own) {
    const bool is_last = rows == own.back();
    if (is_last || (!pages.empty() && rows.begin > pages.front().begin)) {
      laid_out_.push_back({.positions = rows, .depth = whole_depth()});
    }
  }
  std::sort(laid_out_.begin(), laid_out_.end(),
            [](const Rows& a, const Rows& b) { return a.positions.begin < b.positions.begin; });
}

void Sequence::choose(const Supply& supply) {
  const Probe probe = *std::exchange(probe_, std::nullopt);
  const std::vector<PositionRange> chosen = choose_pages(recovery_, probe.candidates);
  recover(chosen, supply);
  lay_out_recovered(chosen, probe.redone);
}

// Whether logits of all rows at these positions are wanted.
bool Sequence::is_asked(const Rows& rows) const {
  return all_logits_ && !rows.is_probe && rows.positions.end > asked_until_ &&
         rows.positions.begin >= parts_.back().positions.begin;
}

// The next rows, in order of their positions, all with the same measure.
std::vector<Sequence::Rows> Sequence::take(int most_rows, int most_logit_rows,
                                           const Supply& supply) {
  std::vector<Rows> taken;
  waits_for_room_ = false;
  while (most_rows > 0) {
    if (laid_out_.empty() && (probe_ || !lay_out(most_rows, supply))) break;
    if (laid_out_.empty()) continue;  // a segment, of which nothing is computed
    Rows& next = laid_out_.front();
    const int tokens = next.positions.end - next.positions.begin;
    if (!taken.empty() && taken.front().measure != next.measure) break;
    if (next.at_once && tokens > most_rows) {
      waits_for_room_ = taken.empty();
      break;
    }
    const bool asked = is_asked(next);
    const int count = std::min({tokens, most_rows, asked ? most_logit_rows : tokens});
    if (count == 0) break;
    Rows& own = taken.emplace_back(next);
    own.positions.end = next.positions.begin += count;
    most_rows -= count;
    if (asked) most_logit_rows -= count;
    if (next.positions.empty()) laid_out_.pop_front();
  }
  return taken;
}

int Sequence::add_rows(StepPlan& plan, int most_rows, int most_logit_rows, const Supply& supply) {
  const std::vector<Rows> taken = take(most_rows, most_logit_rows, supply);
  if (taken.empty()) return 0;
  StepSlice slice{id_, static_cast<int>(plan.tokens.size()), 0, taken.front().measure};
  for (const Rows& rows : taken) {
    const int first_row = static_cast<int>(plan.tokens.size());
    for (int position = rows.positions.begin; position < rows.positions.end; ++position) {
      const bool last = position + 1 == static_cast<int>(tokens_.size());
      const bool sampled = last && max_tokens_ > 0 && !rows.is_probe;
      const bool asked = is_asked(rows) && position >= asked_until_;
      const int row = static_cast<int>(plan.tokens.size());
      if (sampled || asked) plan.logit_rows.push_back(row);
      if (sampled) plan.samples.push_back({.row = row, .position = position + 1});
      plan.tokens.push_back(tokens_[static_cast<std::size_t>(position)]);
      plan.positions.push_back(position);
      plan.depths.push_back(rows.depth);
    }
    if (is_asked(rows)) asked_until_ = rows.positions.end;
    const int count = static_cast<int>(plan.tokens.size()) - first_row;
    slice.rows += count;
    if (rows.at_once) plan.ffn_groups.push_back({first_row, count, rows.recent, recovery_.sparse});
  }
  slice.returns_logits = all_logits_;
  plan.slices.push_back(slice);
  return slice.rows;
}

// Adds what a slice measured to the candidates. Rows are added up in their order, so that the sum
// does not depend on how they were cut into steps.
void Sequence::add_scores(const StepPlan& plan, const StepSlice& slice, const SliceResult& result) {
  if (slice.measure == Measure::kPageMass) return add_mass(result.page_mass);
  const auto first_row = static_cast<std::size_t>(slice.first_row);
  auto candidate = probe_->candidates.begin();
  for (int row = 0; row < slice.rows; ++row) {
    const int position = plan.positions[first_row + static_cast<std::size_t>(row)];
    while (candidate->positions.end <= position) ++candidate;
    const float deviation = result.deviations[static_cast<std::size_t>(row)];
    if (std::isfinite(deviation)) candidate->score += deviation;
  }
}

// Of a page, by token: what the question gave it in the deeper half of the layers, where a model
// looks up what it is about to say.
void Sequence::add_mass(std::span<const std::int64_t> mass) {
  const PageTable& table = *whole_table(*kv_);
  const auto first_layer = static_cast<std::size_t>(profile_->layers / 2);
  const std::size_t first = first_layer * static_cast<std::size_t>(profile_->kv_heads);
  std::size_t entry = 0;
  for (PageCandidate& candidate : probe_->candidates) {
    while (table[entry].position < candidate.positions.begin) ++entry;
    std::int64_t sum = 0;
    for (std::size_t at = first * table.size() + entry; at < mass.size(); at += table.size()) {
      sum += mass[at];
    }
    candidate.score = static_cast<double>(sum) / candidate.tokens();
  }
}

void Sequence::computed(const StepPlan& plan, const StepSlice& slice, const SliceResult& result,
                        const Supply& supply) {
  counts_.flops += result.flops;
  if (slice.measure != Measure::kNothing) add_scores(plan, slice, result);
  if (!laid_out_.empty()) return;
  computed_length_ = kv_->length();
  if (probe_) choose(supply);
}

}  // namespace redknot
