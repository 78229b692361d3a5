// SPDX-License-Identifier: Apache-2.0
#include "sched/prompt_composer.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace redknot {
namespace {

int whole_depth(const HeadProfile& profile) {
  return profile.layers - 1;
}  // of rows without logits

// The page table of a head that keeps everything; all of these are alike.
const PageTable* whole_table(const SequenceKv& kv) {
  const HeadProfile& profile = kv.profile();
  for (int head = 0; head < profile.layers * profile.kv_heads; ++head) {
    if (!keeps_everything(profile.policies[static_cast<std::size_t>(head)])) continue;
    return &kv.table(head / profile.kv_heads, head % profile.kv_heads);
  }
  return nullptr;
}

// Whether anything can come of recovery.
bool recovers(const RecoveryOptions& options, const HeadProfile& profile) {
  const RecoveryStrategy& strategy = strategy_of(options.policy);
  return strategy.chooses_any(options) && strategy.deepest_recomputed(profile) >= 0;
}

// Puts own pages in the place of adopted ones that hold positions of the ranges, for the heads that
// recompute.
void replace_pages(const RecoveryStrategy& strategy, std::span<const PositionRange> ranges,
                   const ComposedSequence& sequence) {
  SequenceKv& kv = sequence.kv;
  const HeadProfile& profile = kv.profile();
  for (int head = 0; head < profile.layers * profile.kv_heads; ++head) {
    const HeadPolicy& policy = profile.policies[static_cast<std::size_t>(head)];
    if (!strategy.recomputes(policy)) continue;
    const int layer = head / profile.kv_heads, kv_head = head % profile.kv_heads;
    PageCounts wanted{};
    wanted[index_of(policy.kv_format)] = kv.pages_to_recover(layer, kv_head, ranges);
    sequence.cache.evict_for([&wanted] { return wanted; });
    REDKNOT_CHECK(kv.recover(layer, kv_head, ranges).ok());
  }
}

}  // namespace

PromptComposer::PromptComposer(std::shared_ptr<const SequenceRequest> request)
    : request_(std::move(request)) {}

void PromptComposer::begin(SequenceKv& kv, const PromptTokens* spent) {
  has_begun_ = true;
  const std::vector<SequencePart>& parts = request_->parts;
  const int length = kv.length();
  if (length == 0) return;
  computed_length_ = prefix_length_ = length;
  int exact = std::min(length, request_->prompt_tokens());
  for (const SequencePart& part : parts) {
    const bool composed =
        part.segment && part.positions.begin > request_->spec.prompt.context_tokens;
    if (composed) exact = std::min(exact, part.positions.begin);
  }
  counts_.prefix = exact;
  counts_.adopted = std::min(length, request_->prompt_tokens()) - exact;
  while (next_part_ < parts.size() && parts[next_part_].positions.end <= length) ++next_part_;
  const bool begins_part = next_part_ < parts.size() && parts[next_part_].positions.begin == length;
  if (begins_part) kv.end_page();
  if (spent == nullptr) return;
  const PromptTokens before = std::exchange(counts_, *spent);
  --counts_.computed;  // the last token, which is computed again
  counts_.built += before.built;
  counts_.flops += before.flops;
}

void PromptComposer::restart(bool prompt_was_whole) {
  if (prompt_was_whole && !first_counts_) first_counts_ = counts_;
  counts_ = {.built = counts_.built, .flops = counts_.flops};
  has_begun_ = waits_for_room_ = false;
  next_part_ = 0;
  placed_.clear();
  first_pass_.reset();
  prefix_length_ = computed_length_ = 0;
}

std::span<const SequencePart> PromptComposer::remaining() const {
  return std::span(request_->parts).subspan(next_part_);
}

PromptTokens PromptComposer::counts() const {
  PromptTokens counts = first_counts_.value_or(counts_);
  counts.flops = counts_.flops;
  return counts;
}

void PromptComposer::add_built(int tokens, double flops) {
  counts_.built += tokens;
  counts_.flops += flops;
}

int PromptComposer::first_needed(const SequenceKv& kv) const {
  int first = kv.length();
  if (!placed_.empty()) first = std::min(first, placed_.front().positions.begin);
  if (first_pass_) first = std::min(first, first_pass_->candidates.front().positions.begin);
  return first;
}

int PromptComposer::rows_left(const SequenceKv& kv, int tokens) const {
  int rows = 0;
  for (const PlacedRows& one : placed_) rows += one.tokens();
  const int prompt_tokens = request_->prompt_tokens();
  if (kv.length() >= prompt_tokens) return rows + tokens - kv.length();
  for (const SequencePart& part : remaining()) {
    if (!part.segment) rows += part.positions.end - std::max(part.positions.begin, kv.length());
  }
  return rows + tokens - prompt_tokens;
}

void PromptComposer::extend(int end, const ComposedSequence& sequence) {
  SequenceKv& kv = sequence.kv;
  const int first = kv.length();
  // Reserved at admission, so there is room, or what is not in use holds it.
  sequence.cache.evict_for([&] { return kv.pages_to_extend(end - first); });
  REDKNOT_CHECK(kv.extend(end - first).ok());
  const std::vector<SequencePart>& parts = request_->parts;
  if (next_part_ == parts.size()) return;
  counts_.computed += end - first;
  if (end < parts[next_part_].positions.end) return;
  ++next_part_;
  // What follows the prompt's last part continues it.
  if (next_part_ < parts.size()) kv.end_page();
}

std::vector<Candidate> PromptComposer::adopt(const ComposedSequence& sequence) {
  const Segment& segment = *sequence.cache.segments.find(*request_->parts[next_part_].segment);
  const int first = sequence.kv.length();
  segment.adopt_into(sequence.kv);
  ++next_part_;
  if (first == segment.canonical_position()) {
    counts_.prefix += segment.tokens();
    return {};
  }
  counts_.adopted += segment.tokens();
  const RecoveryStrategy& strategy = strategy_of(request_->spec.recovery.policy);
  const int most = strategy.candidate_tokens(sequence.kv.page_tokens());
  std::vector<Candidate> pieces;
  for (const PositionRange& page : segment.pages()) {
    for (int begin = page.begin; begin < page.end; begin += most) {
      pieces.push_back({.positions = {first + begin, first + std::min(begin + most, page.end)}});
    }
  }
  return pieces;
}

void PromptComposer::place_segment(const ComposedSequence& sequence) {
  const PositionRange positions = request_->parts[next_part_].positions;
  const std::vector<Candidate> candidates = adopt(sequence);
  const RecoveryOptions& options = request_->spec.recovery;
  const HeadProfile& profile = sequence.kv.profile();
  if (candidates.empty() || !recovers(options, profile)) return;
  const RecoveryStrategy& strategy = strategy_of(options.policy);
  if (strategy.measure() != Measure::kNothing) {
    first_pass_ = FirstPass{.candidates = candidates};
    placed_.push_back({.positions = positions,
                       .depth = std::min(1, whole_depth(profile)),
                       .measure = strategy.measure(),
                       .is_first_pass = true});
    return;
  }
  place_again(strategy.choose(options, candidates), {}, sequence);
  for (PlacedRows& rows : placed_) {
    rows.ffn_group = strategy.ffn_group(options, rows.positions, positions, profile.layers);
  }
}

void PromptComposer::place_group(const ComposedSequence& sequence) {
  const std::vector<SequencePart>& parts = request_->parts;
  const std::size_t end = end_of_group(parts, next_part_);
  const PositionRange question = parts[next_part_].question;
  FirstPass pass;
  int segment = 0;
  while (next_part_ < end) {
    const SequencePart& part = parts[next_part_];
    if (!part.segment) {
      extend(part.positions.end, sequence);
      pass.own.push_back(part.positions);
      continue;
    }
    for (Candidate& one : adopt(sequence)) {
      one.segment = segment;
      pass.candidates.push_back(one);
    }
    ++segment;
  }
  extend(question.end, sequence);
  pass.own.push_back(question);
  const RecoveryOptions& options = request_->spec.recovery;
  const HeadProfile& profile = sequence.kv.profile();
  const bool looks =
      !pass.candidates.empty() && recovers(options, profile) && whole_table(sequence.kv) != nullptr;
  for (const PositionRange& own : pass.own) {
    placed_.push_back({.positions = own, .depth = whole_depth(profile), .is_first_pass = looks});
  }
  if (!looks) return;
  // The question's last token is where the answer begins. It is to be seen in all layers.
  --placed_.back().positions.end;
  if (placed_.back().positions.empty()) placed_.pop_back();
  placed_.push_back({.positions = {question.end - 1, question.end},
                     .depth = profile.layers,
                     .measure = strategy_of(options.policy).measure(),
                     .is_first_pass = true});
  first_pass_ = std::move(pass);
}

bool PromptComposer::place_next(int most_rows, const ComposedSequence& sequence) {
  const std::vector<SequencePart>& parts = request_->parts;
  const bool in_prompt = next_part_ < parts.size();
  if (in_prompt && parts[next_part_].segment) {
    if (strategy_of(request_->spec.recovery.policy).looks_with_question()) {
      place_group(sequence);
    } else {
      place_segment(sequence);
    }
    return true;
  }
  const int first = sequence.kv.length();
  const int end =
      in_prompt ? parts[next_part_].positions.end : static_cast<int>(sequence.tokens.size());
  const int rows = std::min(most_rows, end - first);
  if (rows <= 0) return false;
  extend(first + rows, sequence);
  placed_.push_back(
      {.positions = {first, first + rows}, .depth = whole_depth(sequence.kv.profile())});
  return true;
}

void PromptComposer::place_again(std::span<const PositionRange> chosen,
                                 std::span<const PositionRange> own,
                                 const ComposedSequence& sequence) {
  const RecoveryStrategy& strategy = strategy_of(request_->spec.recovery.policy);
  replace_pages(strategy, chosen, sequence);
  const HeadProfile& profile = sequence.kv.profile();
  const int whole = whole_depth(profile);
  const int deepest = std::min(strategy.deepest_recomputed(profile), whole);
  for (const PositionRange& range : chosen) {
    counts_.recovered += range.end - range.begin;
    placed_.push_back({.positions = range, .depth = deepest});
  }
  for (const PositionRange& rows : own) {
    const bool is_last = rows == own.back();
    if (is_last || (!chosen.empty() && rows.begin > chosen.front().begin)) {
      placed_.push_back({.positions = rows, .depth = whole});
    }
  }
  std::sort(placed_.begin(), placed_.end(), [](const PlacedRows& a, const PlacedRows& b) {
    return a.positions.begin < b.positions.begin;
  });
}

int PromptComposer::next_rows(StepPlan& plan, RowLimits most, const ComposedSequence& sequence) {
  const SequenceSpec& spec = request_->spec;
  const int last_part = request_->parts.back().positions.begin;
  StepSlice slice{sequence.id, static_cast<int>(plan.tokens.size()), 0, Measure::kNothing,
                  spec.all_logits};
  waits_for_room_ = false;
  while (most.rows > 0) {
    if (placed_.empty() && (first_pass_ || !place_next(most.rows, sequence))) break;
    if (placed_.empty()) continue;  // a segment, of which nothing is computed
    PlacedRows& rows = placed_.front();
    // A slice measures one thing.
    if (slice.rows > 0 && slice.measure != rows.measure) break;
    if (rows.ffn_group && rows.tokens() > most.rows) {
      waits_for_room_ = slice.rows == 0;
      break;
    }
    const bool asked = spec.all_logits && !rows.is_first_pass &&
                       rows.positions.end > logits_given_until_ &&
                       rows.positions.begin >= last_part;
    const int count = std::min({rows.tokens(), most.rows, asked ? most.logit_rows : rows.tokens()});
    if (count == 0) break;
    const int first_row = static_cast<int>(plan.tokens.size());
    const int end = rows.positions.begin + count;
    for (int position = rows.positions.begin; position < end; ++position) {
      const bool last = position + 1 == static_cast<int>(sequence.tokens.size());
      const bool sampled = last && spec.max_tokens > 0 && !rows.is_first_pass;
      if (sampled || (asked && position >= logits_given_until_)) {
        plan.logit_rows.push_back(static_cast<int>(plan.tokens.size()));
      }
      if (sampled) {
        plan.samples.push_back(
            {.row = static_cast<int>(plan.tokens.size()), .position = position + 1});
      }
      plan.tokens.push_back(sequence.tokens[static_cast<std::size_t>(position)]);
      plan.positions.push_back(position);
      plan.depths.push_back(rows.depth);
    }
    if (rows.ffn_group) {
      rows.ffn_group->first_row = first_row;
      plan.ffn_groups.push_back(*rows.ffn_group);
    }
    slice.measure = rows.measure;
    slice.rows += count;
    most.rows -= count;
    if (asked) most.logit_rows -= count;
    if (asked) logits_given_until_ = std::max(logits_given_until_, end);
    rows.positions.begin = end;
    if (rows.positions.empty()) placed_.pop_front();
  }
  if (slice.rows > 0) plan.slices.push_back(slice);
  return slice.rows;
}

void PromptComposer::computed(const StepPlan& plan, const StepSlice& slice,
                              const SliceResult& result, const ComposedSequence& sequence) {
  const SequenceKv& kv = sequence.kv;
  const RecoveryOptions& options = request_->spec.recovery;
  const RecoveryStrategy& strategy = strategy_of(options.policy);
  counts_.flops += result.flops;
  if (slice.measure != Measure::kNothing) {
    const auto positions = std::span(plan.positions)
                               .subspan(static_cast<std::size_t>(slice.first_row),
                                        static_cast<std::size_t>(slice.rows));
    strategy.add_scores(
        {positions, result.deviations, result.page_mass, whole_table(kv), kv.profile().layers,
         kv.profile().kv_heads, kv.page_tokens() / kPieceTokens},
        first_pass_->candidates);
  }
  if (!placed_.empty()) return;
  computed_length_ = kv.length();
  if (!first_pass_) return;
  const FirstPass pass = *std::exchange(first_pass_, std::nullopt);
  place_again(strategy.choose(options, pass.candidates), pass.own, sequence);
}

}  // namespace redknot
