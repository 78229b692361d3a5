// SPDX-License-Identifier: Apache-2.0
#include "runtime/plan_checker.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "heads/visibility.h"
#include "runtime/sampler.h"

namespace redknot {
namespace {

std::uint32_t number(SequenceId sequence) { return static_cast<std::uint32_t>(sequence); }

const PageRef* entry_standing_at(const PageTable& table, int position) {
  const auto found =
      std::lower_bound(table.begin(), table.end(), position,
                       [](const PageRef& entry, int wanted) { return entry.position < wanted; });
  return found != table.end() && found->position == position ? &*found : nullptr;
}

bool is_share(float mass) { return mass >= 0.0f && mass <= 1.0f; }

}  // namespace

PlanChecker::PlanChecker(PlanLimits limits) : limits_(std::move(limits)) {
  const HeadProfile& profile = limits_.profile;
  REDKNOT_CHECK(profile.policies.size() ==
                static_cast<std::size_t>(profile.layers) * profile.kv_heads);
  REDKNOT_CHECK(redknot::check(limits_.pages).ok());
  for (const KvFormat format : kKvFormats) {
    first_frame_[index_of(format)] = static_cast<int>(frames_);
    frames_ += limits_.pages.page_count[index_of(format)];
  }
  names_.resize(static_cast<std::size_t>(frames_));
}

Status PlanChecker::check(const StepPlan& plan) {
  for (std::size_t i = 0; i < plan.page_ops.size(); ++i) {
    const Status applied = apply(plan.page_ops[i]);
    if (!applied.ok()) {
      return applied.error().within(concat("change ", i, ", ", to_string(plan.page_ops[i])));
    }
  }
  REDKNOT_RETURN_IF_ERROR(check_rows(plan));
  REDKNOT_RETURN_IF_ERROR(check_slices(plan));
  REDKNOT_RETURN_IF_ERROR(check_logit_rows(plan));
  REDKNOT_RETURN_IF_ERROR(check_depths(plan));
  REDKNOT_RETURN_IF_ERROR(check_groups(plan));
  return check_samples(plan);
}

void PlanChecker::name(FrameId frame, int count) {
  names_[static_cast<std::size_t>(frame)] += static_cast<std::uint32_t>(count);
}

Status PlanChecker::apply(const PageOp& op) {
  if (op.kind == PageOp::Kind::kTruncate) return truncate(op);
  const int heads = static_cast<int>(limits_.profile.policies.size());
  const bool all = op.kind == PageOp::Kind::kFill && op.head == PageOp::kAllHeads;
  if (!all && (op.head < 0 || op.head >= heads)) return corrupt("there is no such head");
  const auto found = tables_.find(op.sequence);
  if (found == tables_.end()) {
    if (op.kind != PageOp::Kind::kAppend) return corrupt("the sequence has no pages");
    if (tables_.size() >= kMostSequences) return corrupt("too many sequences have pages");
    REDKNOT_RETURN_IF_ERROR(check_op(op, {}, op.head));
  }
  PageTables& tables =
      found != tables_.end()
          ? found->second
          : tables_.try_emplace(op.sequence, PageTables(limits_.profile)).first->second;
  for (int head = all ? 0 : op.head; head <= (all ? heads - 1 : op.head); ++head) {
    REDKNOT_RETURN_IF_ERROR(check_op(op, tables.at(head), head));
  }
  if (op.kind == PageOp::Kind::kDrop || op.kind == PageOp::Kind::kReplace) {
    name(entry_standing_at(tables.at(op.head), op.entry.position)->frame, -1);
  }
  if (op.kind == PageOp::Kind::kCopy) name(op.from, -1);
  if (op.kind != PageOp::Kind::kDrop && op.kind != PageOp::Kind::kFill) name(op.entry.frame, 1);
  tables.apply(op);
  return Done{};
}

Status PlanChecker::truncate(const PageOp& op) {
  if (op.head != PageOp::kAllHeads) return corrupt("it is not of all heads");
  if (op.entry.position != 0) return corrupt("sequences only end as a whole");
  const auto found = tables_.find(op.sequence);
  if (found == tables_.end()) {
    // A sequence may end before it has pages.
    return Done{};
  }
  for (int head = 0; head < found->second.heads(); ++head) {
    for (const PageRef& entry : found->second.at(head)) name(entry.frame, -1);
  }
  tables_.erase(found);
  return Done{};
}

Status PlanChecker::check_op(const PageOp& op, const PageTable& table, int head) const {
  const PageRef& entry = op.entry;
  const bool has_last = !table.empty();
  const bool takes_place = op.kind == PageOp::Kind::kCopy || op.kind == PageOp::Kind::kReplace;
  const PageRef* const before = takes_place ? entry_standing_at(table, entry.position) : nullptr;
  if (takes_place && before == nullptr) return corrupt("no page stands there");
  if (takes_place && before->tokens != entry.tokens) {
    return corrupt("the page there has other tokens");
  }
  switch (op.kind) {
    case PageOp::Kind::kAppend:
      if (has_last && entry.position < table.back().end()) return corrupt("it overlaps the last");
      return check_entry(entry, head);
    case PageOp::Kind::kFill: {
      if (!has_last) return corrupt("the head has no pages");
      PageRef filled = table.back();
      if (entry.tokens <= filled.tokens) return corrupt("the last page has as many tokens already");
      filled.tokens = entry.tokens;
      filled.reused = false;
      return check_entry(filled, head);
    }
    case PageOp::Kind::kCopy:
      if (op.from != before->frame) return corrupt("the page there has another frame");
      if (entry.frame == op.from) return corrupt("it is copied to itself");
      if (entry.shift != before->shift) return corrupt("the page there has another shift");
      return check_entry(entry, head);
    case PageOp::Kind::kReplace:
      if (entry.shift != 0) return corrupt("a page that is written anew has a shift");
      return check_entry(entry, head);
    case PageOp::Kind::kDrop:
      if (keeps_everything(limits_.profile.policies[static_cast<std::size_t>(head)])) {
        return corrupt("the head keeps everything");
      }
      if (entry_standing_at(table, entry.position) == nullptr)
        return corrupt("no page stands there");
      return Done{};
    case PageOp::Kind::kTruncate:
      break;
  }
  return corrupt("there is no such change");
}

Status PlanChecker::check_entry(const PageRef& entry, int head) const {
  REDKNOT_RETURN_IF_ERROR(check_frame(entry.frame, head));
  if (entry.tokens < 1 || entry.tokens > limits_.pages.shape.page_tokens) {
    return corrupt("a page cannot hold as many tokens");
  }
  if (entry.position < 0 || entry.position > kMostPositions - entry.tokens) {
    return corrupt("its positions are out of range");
  }
  const std::int64_t rotated_at = std::int64_t{entry.position} - entry.shift;
  if (rotated_at < 0 || rotated_at > kMostPositions) return corrupt("its shift is out of range");
  return Done{};
}

Status PlanChecker::check_frame(FrameId frame, int head) const {
  const KvFormat format = limits_.profile.policies[static_cast<std::size_t>(head)].kv_format;
  const auto at = static_cast<std::int64_t>(frame) - first_frame_[index_of(format)];
  if (at < 0 || at >= limits_.pages.page_count[index_of(format)]) {
    return corrupt("it has no frame of the format of its head");
  }
  return Done{};
}

bool PlanChecker::is_token(TokenId token) const {
  const auto id = static_cast<std::int32_t>(token);
  return id >= 0 && id < limits_.vocabulary_size;
}

Status PlanChecker::check_rows(const StepPlan& plan) const {
  const std::size_t rows = plan.tokens.size();
  if (rows > static_cast<std::size_t>(limits_.max_rows)) {
    return corrupt("it has ", rows, " rows, more than ", limits_.max_rows);
  }
  if (plan.positions.size() != rows) {
    return corrupt("it has ", rows, " tokens and ", plan.positions.size(), " positions");
  }
  for (std::size_t row = 0; row < rows; ++row) {
    if (!is_token(plan.tokens[row])) return corrupt("row ", row, ": there is no such token");
    if (plan.positions[row] < 0 || plan.positions[row] >= kMostPositions) {
      return corrupt("row ", row, ": its position is out of range");
    }
  }
  return Done{};
}

Status PlanChecker::check_slices(const StepPlan& plan) const {
  const int rows = static_cast<int>(plan.tokens.size());
  int next = 0;
  std::unordered_set<std::uint32_t> met;
  for (const StepSlice& slice : plan.slices) {
    const std::string attempt = concat("slice of sequence ", number(slice.sequence));
    if (slice.first_row != next || slice.rows < 1 || slice.rows > rows - next) {
      return corrupt(attempt, ": its rows do not follow those before");
    }
    next += slice.rows;
    if (slice.measure > Measure::kPageMass) return corrupt(attempt, ": there is no such measure");
    if (!met.insert(number(slice.sequence)).second) return corrupt(attempt, ": it has another one");
    const auto tables = tables_.find(slice.sequence);
    if (tables == tables_.end()) return corrupt(attempt, ": the sequence has no pages");
    for (int head = 0; head < tables->second.heads(); ++head) {
      const Status slots = check_slots(plan, slice, tables->second.at(head));
      if (!slots.ok()) return slots.error().within(concat(attempt, ", head ", head));
    }
    const Status mass = check_mass(slice, tables->second);
    if (!mass.ok()) return mass.error().within(attempt);
  }
  if (next != rows) return corrupt("rows from ", next, " on belong to no slice");
  return Done{};
}

// Positions increase, and each has a slot in a page that is reused, or that this table alone names.
Status PlanChecker::check_slots(const StepPlan& plan, const StepSlice& slice,
                                const PageTable& table) const {
  const auto first = plan.positions.begin() + slice.first_row;
  const auto end = first + slice.rows;
  auto page =
      std::upper_bound(table.begin(), table.end(), *first,
                       [](int wanted, const PageRef& entry) { return wanted < entry.position; });
  if (page != table.begin()) --page;
  for (auto position = first; position != end; ++position) {
    if (position != first && *position <= *(position - 1)) return corrupt("positions go back");
    while (page != table.end() && page->end() <= *position) ++page;
    if (page == table.end() || page->position > *position) {
      return corrupt("position ", *position, " has no slot");
    }
    if (!page->reused && names_[static_cast<std::size_t>(page->frame)] != 1) {
      return corrupt("position ", *position, " is written to a page that others have too");
    }
  }
  return Done{};
}

// What pages get is one list for all heads that keep everything.
Status PlanChecker::check_mass(const StepSlice& slice, const PageTables& tables) const {
  if (slice.measure != Measure::kPageMass) return Done{};
  if (slice.rows != 1) return corrupt("mass is measured of one row");
  const PageTable* first = nullptr;
  for (int head = 0; head < tables.heads(); ++head) {
    if (!keeps_everything(limits_.profile.policies[static_cast<std::size_t>(head)])) continue;
    if (first == nullptr) first = &tables.at(head);
    if (tables.at(head).size() != first->size()) {
      return corrupt("heads that keep everything have unequal numbers of pages");
    }
  }
  return Done{};
}

Status PlanChecker::check_logit_rows(const StepPlan& plan) const {
  const int rows = static_cast<int>(plan.tokens.size());
  if (plan.logit_rows.size() > static_cast<std::size_t>(limits_.max_logit_rows)) {
    return corrupt("it has ", plan.logit_rows.size(), " rows of logits, more than ",
                   limits_.max_logit_rows);
  }
  int last = -1;
  for (const int row : plan.logit_rows) {
    if (row <= last || row >= rows) return corrupt("rows of logits: ", row, " is out of order");
    last = row;
  }
  return Done{};
}

Status PlanChecker::check_depths(const StepPlan& plan) const {
  if (plan.depths.empty()) return Done{};
  if (plan.depths.size() != plan.tokens.size()) {
    return corrupt("it has ", plan.tokens.size(), " rows and ", plan.depths.size(), " depths");
  }
  for (const int depth : plan.depths) {
    if (depth < 0 || depth > limits_.profile.layers) return corrupt("there is no depth ", depth);
  }
  return Done{};
}

Status PlanChecker::check_groups(const StepPlan& plan) {
  const int rows = static_cast<int>(plan.tokens.size());
  int next = 0;
  for (const FfnGroup& group : plan.ffn_groups) {
    if (group.first_row < next || group.first_row >= rows || group.rows < 1 ||
        group.rows > rows - group.first_row) {
      return corrupt("feed-forward groups: the rows from ", group.first_row, " are out of order");
    }
    next = group.first_row + group.rows;
    if (!is_share(group.sparse.mass) || !is_share(group.sparse.mass_deep)) {
      return corrupt("feed-forward groups: a mass is not in 0..1");
    }
  }
  return Done{};
}

Status PlanChecker::check_samples(const StepPlan& plan) const {
  std::size_t slice = 0;  // the first that no sample is of
  for (const RowSample& sample : plan.samples) {
    const std::string attempt = concat("sample of row ", sample.row);
    if (!std::binary_search(plan.logit_rows.begin(), plan.logit_rows.end(), sample.row)) {
      return corrupt(attempt, ": the row has no logits");
    }
    while (slice < plan.slices.size() &&
           plan.slices[slice].first_row + plan.slices[slice].rows <= sample.row) {
      ++slice;
    }
    if (slice == plan.slices.size() || plan.slices[slice].first_row > sample.row) {
      return corrupt(attempt, ": it is out of order, or the second one of a slice");
    }
    ++slice;
    const Status fits = check_sample(sample);
    if (!fits.ok()) return fits.error().within(attempt);
  }
  return Done{};
}

Status PlanChecker::check_sample(const RowSample& sample) const {
  if (sample.position < 0 || sample.position > kMostPositions) {
    return corrupt("its position is out of range");
  }
  const Status sampling = validate(sample.sampling, limits_.vocabulary_size);
  if (!sampling.ok()) return Error(ErrorCode::kCorrupt, sampling.error().message());
  if (!std::all_of(sample.history.begin(), sample.history.end(),
                   [this](TokenId token) { return is_token(token); })) {
    return corrupt("its history has a token that is not there");
  }
  const std::size_t words = (static_cast<std::size_t>(limits_.vocabulary_size) + 63) / 64;
  if (!sample.allowed.empty() && sample.allowed.size() != words) {
    return corrupt("it allows tokens of ", sample.allowed.size(), " words, not ", words);
  }
  return Done{};
}

}  // namespace redknot
