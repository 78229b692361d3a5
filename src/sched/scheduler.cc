// SPDX-License-Identifier: Apache-2.0
#include "sched/scheduler.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <set>
#include <utility>

#include "base/check.h"
#include "base/error.h"

namespace redknot {
namespace {

using PageCounts = std::array<int, kKvFormatCount>;

PageCounts sum(const PageCounts& a, const PageCounts& b) {
  PageCounts out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t pages = std::int64_t{a[i]} + b[i];
    out[i] = static_cast<int>(std::min<std::int64_t>(pages, std::numeric_limits<int>::max()));
  }
  return out;
}

void subtract(PageCounts& from, const PageCounts& pages) {
  for (std::size_t i = 0; i < from.size(); ++i) from[i] -= pages[i];
}

int tokens_of(const SequencePart& part) { return part.positions.end - part.positions.begin; }

}  // namespace

Status fits_alone(const PagePool& pool, const HeadProfile& profile, const SequenceSpec& spec,
                  int chunk_tokens) {
  const std::vector<SequencePart> parts = parts_of(spec.prompt, "");
  PageCounts needed =
      own_pages(profile, pool.shape(), parts, spec.max_tokens, chunk_tokens, spec.recovery);
  std::set<SegmentKey> counted;
  for (const SequencePart& part : parts) {
    if (!part.segment || !counted.insert(*part.segment).second) continue;
    needed = sum(needed,
                 build_pages(profile, pool.shape(), spec.prompt.context_tokens, tokens_of(part)));
  }
  for (const KvFormat format : kKvFormats) {
    if (needed[index_of(format)] > pool.total_pages(format)) {
      return exhausted("a sequence of ", spec.prompt.tokens.size() + spec.max_tokens,
                       " tokens needs ", needed[index_of(format)], " KV pages, ",
                       pool.total_pages(format), " exist");
    }
  }
  return Done{};
}

Scheduler::Scheduler(PagePool& pool, const HeadProfile& profile, const SchedulerOptions& options)
    : pool_(pool), profile_(profile), options_(options), segments_(pool) {}

Scheduler::Sequence* Scheduler::find(SequenceId id) {
  return const_cast<Sequence*>(std::as_const(*this).find(id));
}

const Scheduler::Sequence* Scheduler::find(SequenceId id) const {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id == id; };
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) return &*running;
  const auto waiting = std::find_if(waiting_.begin(), waiting_.end(), has_id);
  return waiting == waiting_.end() ? nullptr : &*waiting;
}

Result<SequenceId> Scheduler::submit(SequenceSpec spec) {
  REDKNOT_CHECK(!spec.prompt.tokens.empty() && spec.max_tokens >= 0);
  REDKNOT_RETURN_IF_ERROR(fits_alone(pool_, profile_, spec, options_.max_step_tokens));
  Sequence sequence{.id = SequenceId{next_id_++}, .tokens = {}};
  sequence.parts = parts_of(spec.prompt, options_.segment_salt);
  sequence.tokens = std::move(spec.prompt.tokens);
  sequence.context_tokens = spec.prompt.context_tokens;
  sequence.recovery = spec.recovery;
  sequence.uses_prefixes = spec.uses_prefixes;
  sequence.max_tokens = spec.max_tokens;
  sequence.all_logits = spec.all_logits;
  sequence.prompt_tokens = static_cast<int>(sequence.tokens.size());
  sequence.reserved = own_pages(profile_, pool_.shape(), sequence.parts, spec.max_tokens,
                                options_.max_step_tokens, spec.recovery);
  const SequenceId id = sequence.id;
  waiting_.push_back(std::move(sequence));
  return id;
}

void Scheduler::cancel(SequenceId id) {
  const auto has_id = [id](const Sequence& sequence) { return sequence.id == id; };
  std::erase_if(waiting_, has_id);
  const auto running = std::find_if(running_.begin(), running_.end(), has_id);
  if (running != running_.end()) drop(running);
}

void Scheduler::drop(std::vector<Sequence>::iterator running) {
  leave_prefix(*running);
  subtract(reserved_, running->reserved);
  for (const SegmentKey& key : running->pinned) segments_.unpin(key);
  running_.erase(running);
}

void Scheduler::pause(SequenceId id, bool paused) {
  if (Sequence* sequence = find(id)) sequence->paused = paused;
}

// Pages that nobody has reserved and no segment in use holds; what other segments hold goes when it
// is wanted.
bool Scheduler::fits(const PageCounts& pages) const {
  const PageCounts wanted = sum(sum(reserved_, segments_.pinned_pages()), pages);
  return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
    return wanted[index_of(format)] <= pool_.total_pages(format);
  });
}

bool Scheduler::is_being_built(const SegmentKey& key) const {
  return std::any_of(running_.begin(), running_.end(),
                     [&key](const Sequence& sequence) { return sequence.builds == key; });
}

void Scheduler::run(Sequence sequence) {
  sequence.kv = std::make_unique<SequenceKv>(pool_, profile_);
  reserved_ = sum(reserved_, sequence.reserved);
  running_.push_back(std::move(sequence));
}

// A sequence that computes a part behind its canonical context. Nothing of it is forgotten.
void Scheduler::start_build(const Sequence& sequence, const SequencePart& part) {
  const auto context = sequence.tokens.begin() + sequence.context_tokens;
  Sequence build{.id = SequenceId{next_id_++}, .tokens = {sequence.tokens.begin(), context}};
  const int end = sequence.context_tokens + tokens_of(part);
  build.tokens.insert(build.tokens.end(), sequence.tokens.begin() + part.positions.begin,
                      sequence.tokens.begin() + part.positions.end);
  if (sequence.context_tokens > 0) {
    build.parts.push_back({.positions = {0, sequence.context_tokens}, .segment = {}});
  }
  build.parts.push_back({.positions = {sequence.context_tokens, end}, .segment = {}});
  build.context_tokens = sequence.context_tokens;
  build.builds = part.segment;
  build.prompt_tokens = end;
  build.reserved = build_pages(profile_, pool_.shape(), sequence.context_tokens, tokens_of(part));
  run(std::move(build));
}

// Admits the first that waits, with the segments that it needs: those that are here stay, those
// that are neither here nor on their way are built. False if there is no room for all of it.
bool Scheduler::admit_front() {
  Sequence& front = waiting_.front();
  PageCounts wanted = front.reserved;
  std::set<SegmentKey> keys;
  std::vector<const SequencePart*> missing;
  for (const SequencePart& part : front.parts) {
    if (!part.segment || !keys.insert(*part.segment).second) continue;
    if (const Segment* segment = segments_.find(*part.segment)) {
      if (!segments_.is_pinned(*part.segment)) wanted = sum(wanted, segment->page_count());
    } else if (!is_being_built(*part.segment)) {
      missing.push_back(&part);
      wanted =
          sum(wanted, build_pages(profile_, pool_.shape(), front.context_tokens, tokens_of(part)));
    }
  }
  if (!fits(wanted)) return false;
  for (const SequencePart* part : missing) start_build(front, *part);
  for (const SegmentKey& key : keys) {
    if (segments_.find(key) == nullptr) continue;
    segments_.pin(key);
    front.pinned.push_back(key);
  }
  Sequence sequence = std::move(front);
  waiting_.pop_front();
  run(std::move(sequence));
  return true;
}

void Scheduler::admit() {
  while (!waiting_.empty() && submitted() < options_.max_sequences) {
    if (!admit_front()) return;
  }
}

// Whether it waits for a segment that is being built.
bool Scheduler::is_blocked(const Sequence& sequence) const {
  return std::any_of(sequence.parts.begin() + static_cast<std::ptrdiff_t>(sequence.next_part),
                     sequence.parts.end(), [this](const SequencePart& part) {
                       return part.segment && segments_.find(*part.segment) == nullptr;
                     });
}

// Appends a segment, and has those of its tokens computed again that recovery says.
void Scheduler::adopt(Sequence& sequence, const SequencePart& part) {
  const Segment& segment = *segments_.find(*part.segment);
  const int first = sequence.kv->length();
  segment.adopt_into(*sequence.kv);
  sequence.counts.adopted += segment.tokens();
  if (first == segment.canonical_position()) return;  // behind its own context: nothing is missing
  for (const PositionRange& range : recovered(sequence.recovery, segment)) {
    const PositionRange positions{first + range.begin, first + range.end};
    const auto in_range = [&range](const PositionRange& page) {
      return page.begin < range.end && page.end > range.begin;
    };
    const auto pages =
        static_cast<int>(std::count_if(segment.pages().begin(), segment.pages().end(), in_range));
    for (int head = 0; head < profile_.layers * profile_.kv_heads; ++head) {
      PageCounts wanted{};
      wanted[index_of(profile_.policies[static_cast<std::size_t>(head)].kv_format)] = pages;
      make_room([&wanted] { return wanted; });
      const Status own =
          sequence.kv->recover(head / profile_.kv_heads, head % profile_.kv_heads, positions);
      REDKNOT_CHECK(own.ok());
    }
    sequence.laid_out.push_back(positions);
    sequence.counts.recovered += positions.end - positions.begin;
  }
}

// Prefixes go first, then segments that nobody uses. The order matters: a prefix never outlives a
// segment that it adopted, so that pages of segments in use are those that are counted. What is
// wanted may become less meanwhile: a page that is not shared any more needs no copy.
void Scheduler::make_room(const std::function<PageCounts()>& wanted) {
  const auto is_free = [&] {
    const PageCounts pages = wanted();
    return std::all_of(kKvFormats.begin(), kKvFormats.end(), [&](KvFormat format) {
      return pool_.free_pages(format) >= pages[index_of(format)];
    });
  };
  while (!is_free() && prefixes_.drop_oldest()) continue;
  segments_.make_room(wanted());
}

// Begins a sequence with what an earlier one left, if any. Its last token is always computed: its
// logits are wanted.
void Scheduler::begin(Sequence& sequence) {
  sequence.is_begun = true;
  if (!sequence.uses_prefixes || sequence.all_logits) return;
  auto found = prefixes_.find({sequence.tokens, sequence.parts, sequence.recovery},
                              sequence.prompt_tokens - 1);
  if (!found) return;
  *sequence.kv = std::move(*found);
  const int length = sequence.kv->length();
  sequence.counts.prefix = length;
  std::size_t& part = sequence.next_part;
  while (sequence.parts[part].positions.end <= length) ++part;
  if (sequence.parts[part].positions.begin == length) sequence.kv->end_page();
}

// Keeps what the sequence holds for later ones, if all of it is computed.
void Scheduler::leave_prefix(const Sequence& sequence) {
  if (!sequence.uses_prefixes || !sequence.laid_out.empty()) return;
  if (sequence.kv->length() < sequence.prompt_tokens) return;
  if (sequence.kv->length() != sequence.computed_length) return;  // planned, not computed
  prefixes_.insert({sequence.tokens, sequence.parts, sequence.recovery}, *sequence.kv);
}

// Makes slots for what comes next, at most so many rows of a sequence's own tokens. False if there
// is nothing more.
bool Scheduler::lay_out(Sequence& sequence, int most_rows) {
  if (!sequence.is_begun) begin(sequence);
  SequenceKv& kv = *sequence.kv;
  const bool prompt = sequence.next_part < sequence.parts.size();
  if (prompt && sequence.parts[sequence.next_part].segment) {
    adopt(sequence, sequence.parts[sequence.next_part++]);
    return true;
  }
  const int end = prompt ? sequence.parts[sequence.next_part].positions.end
                         : static_cast<int>(sequence.tokens.size());
  const int first = kv.length();
  const int rows = std::min(most_rows, end - first);
  if (rows <= 0) return false;
  // Reserved at admission, so there is room, or what is not in use holds it.
  make_room([&] { return kv.pages_to_extend(rows); });
  REDKNOT_CHECK(kv.extend(rows).ok());
  sequence.laid_out.push_back({first, first + rows});
  if (prompt) sequence.counts.computed += rows;
  if (!prompt || kv.length() < end) return true;
  ++sequence.next_part;
  // What follows the prompt's last part continues it.
  if (sequence.next_part < sequence.parts.size()) kv.end_page();
  return true;
}

// The positions of the sequence's next rows.
std::vector<int> Scheduler::take_rows(Sequence& sequence, int most_rows) {
  std::vector<int> positions;
  for (int room = most_rows; room > 0; room = most_rows - static_cast<int>(positions.size())) {
    if (sequence.laid_out.empty() && !lay_out(sequence, room)) break;
    if (sequence.laid_out.empty()) continue;  // a segment, of which nothing is computed
    PositionRange& range = sequence.laid_out.front();
    const int end = std::min(range.end, range.begin + room);
    for (; range.begin < end; ++range.begin) positions.push_back(range.begin);
    if (range.empty()) sequence.laid_out.pop_front();
  }
  return positions;
}

// Adds the sequence's next rows to the plan. Returns how many.
int Scheduler::add_rows(StepPlan& plan, Sequence& sequence, int most_rows) {
  const std::vector<int> positions = take_rows(sequence, most_rows);
  if (positions.empty()) return 0;
  const int first_row = static_cast<int>(plan.tokens.size());
  const int rows = static_cast<int>(positions.size());
  plan.slices.push_back({sequence.id, first_row, rows});
  for (int row = 0; row < rows; ++row) {
    const int position = positions[static_cast<std::size_t>(row)];
    plan.tokens.push_back(sequence.tokens[static_cast<std::size_t>(position)]);
    plan.positions.push_back(position);
    const bool last = position + 1 == static_cast<int>(sequence.tokens.size());
    const bool sampled = last && sequence.max_tokens > 0;
    if (sampled || sequence.all_logits) plan.logit_rows.push_back(first_row + row);
  }
  return rows;
}

StepPlan Scheduler::next_step() {
  admit();
  StepPlan plan;
  // Sequences that generate come first: each adds one row, so prompts do not hold them up.
  for (const bool generating : {true, false}) {
    for (Sequence& sequence : running_) {
      const bool generates = sequence.kv->length() >= sequence.prompt_tokens;
      if (sequence.paused || generates != generating) continue;
      if (sequence.is_computed() || is_blocked(sequence)) continue;
      const int room = options_.max_step_tokens - static_cast<int>(plan.tokens.size());
      const int logit_room = options_.max_logit_rows - static_cast<int>(plan.logit_rows.size());
      if (room <= 0) break;
      if (logit_room <= 0 && !sequence.builds) continue;
      const int most_rows = sequence.all_logits ? std::min(room, logit_room) : room;
      add_rows(plan, sequence, most_rows);
    }
  }
  return plan;
}

std::vector<SequenceKv*> Scheduler::kv(const StepPlan& plan) {
  std::vector<SequenceKv*> result;
  for (const StepSlice& slice : plan.slices) result.push_back(find(slice.sequence)->kv.get());
  return result;
}

void Scheduler::computed(const StepPlan& plan) {
  for (const StepSlice& slice : plan.slices) {
    Sequence& sequence = *find(slice.sequence);
    if (!sequence.builds) {
      const int next =
          sequence.laid_out.empty() ? sequence.kv->length() : sequence.laid_out.front().begin;
      sequence.kv->forget(next);
      sequence.computed_length = sequence.kv->length();
      if (sequence.kv->length() == sequence.prompt_tokens) leave_prefix(sequence);
    } else if (sequence.is_computed()) {
      finish_build(sequence);
    }
  }
}

// Its segment is here from now on, for all that wait for it.
void Scheduler::finish_build(Sequence& build) {
  const SegmentKey key = *build.builds;
  segments_.insert(key, Segment(pool_, *build.kv, {build.context_tokens, build.prompt_tokens}));
  for (Sequence& sequence : running_) {
    const bool needs =
        std::any_of(sequence.parts.begin(), sequence.parts.end(),
                    [&key](const SequencePart& part) { return part.segment == key; });
    if (!needs) continue;
    segments_.pin(key);
    sequence.pinned.push_back(key);
  }
  const SequenceId id = build.id;
  cancel(id);
}

bool Scheduler::is_submitted(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence != nullptr && !sequence->builds;
}

bool Scheduler::samples(SequenceId id) const {
  const Sequence* sequence = find(id);
  return sequence->is_computed() && !ended(id);
}

void Scheduler::append(SequenceId id, TokenId token) { find(id)->tokens.push_back(token); }

bool Scheduler::ended(SequenceId id) const {
  const Sequence* sequence = find(id);
  const int generated = static_cast<int>(sequence->tokens.size()) - sequence->prompt_tokens;
  // The last token is never fed back; a prompt alone ends when it has been computed.
  return generated >= sequence->max_tokens && (generated > 0 || sequence->is_computed());
}

std::span<const TokenId> Scheduler::tokens(SequenceId id) const { return find(id)->tokens; }

PromptTokens Scheduler::prompt_tokens(SequenceId id) const { return find(id)->counts; }

int Scheduler::submitted() const {
  return static_cast<int>(std::count_if(running_.begin(), running_.end(),
                                        [](const Sequence& one) { return !one.builds; }));
}

void Scheduler::count_pages(std::span<int> pages) const {
  REDKNOT_CHECK(pages.size() == profile_.policies.size());
  for (const Sequence& sequence : running_) {
    for (std::size_t i = 0; i < pages.size(); ++i) {
      const int head = static_cast<int>(i);
      const PageTable& table =
          sequence.kv->table(head / profile_.kv_heads, head % profile_.kv_heads);
      pages[i] += static_cast<int>(table.size());
    }
  }
}

bool Scheduler::check() const {
  PageCounts reserved = {};
  std::set<PageId> held;
  const auto hold = [&](const SequenceKv& kv) {
    PageCounts own = {};
    for (int head = 0; head < profile_.layers * profile_.kv_heads; ++head) {
      const KvFormat format = profile_.policies[static_cast<std::size_t>(head)].kv_format;
      for (const PageRef& page : kv.table(head / profile_.kv_heads, head % profile_.kv_heads)) {
        own[index_of(format)] += page.reused ? 0 : 1;
        if (!page.reused) held.insert(page.page);
      }
    }
    return own;
  };
  for (const Sequence& sequence : running_) {
    if (!sequence.kv->check()) return false;
    const PageCounts own = hold(*sequence.kv);
    for (std::size_t format = 0; format < kKvFormatCount; ++format) {
      if (own[format] > sequence.reserved[format]) return false;
    }
    reserved = sum(reserved, sequence.reserved);
  }
  for (const SequenceKv* kv : prefixes_.kept()) hold(*kv);
  // What segments hold is nobody's own.
  int used = static_cast<int>(held.size());
  for (const int pages : segments_.pages()) used += pages;
  for (const KvFormat format : kKvFormats) {
    used -= pool_.total_pages(format) - pool_.free_pages(format);
  }
  return used == 0 && reserved == reserved_ && segments_.check() && pool_.check();
}

}  // namespace redknot
