// SPDX-License-Identifier: Apache-2.0
#include "sched/activation.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "sched/composition.h"
#include "sched/page_needs.h"

namespace redknot {
namespace {

// The segments of a prompt, each once, in the order of its parts.
std::vector<const SequencePart*> distinct_segments(const SequenceRecord& record) {
  std::vector<const SequencePart*> out;
  std::set<SegmentKey> keys;
  for (const SequencePart& part : record.parts()) {
    if (part.segment && keys.insert(*part.segment).second) out.push_back(&part);
  }
  return out;
}

bool is_composed_of(const SequenceRecord& record, const SegmentKey& key) {
  const std::span<const SequencePart> parts = record.parts();
  return std::any_of(parts.begin(), parts.end(),
                     [&key](const SequencePart& part) { return part.segment == key; });
}

}  // namespace

Activation::Activation(PageAllocator& pages, const HeadProfile& profile, Sequences& sequences,
                       KvCache& cache, SchedulerCounts& counts, std::vector<PageOp>& page_ops)
    : pages_(pages),
      profile_(profile),
      sequences_(sequences),
      cache_(cache),
      counts_(counts),
      page_ops_(page_ops) {}

void Activation::start(SequenceRecord& next) {
  const bool shares = next.group.has_value();
  const bool is_first = !next.has_run && sequences_.shared_prompt_of(next) == nullptr;
  for (const SequencePart* part : distinct_segments(next)) {
    const SegmentKey& key = *part->segment;
    const bool is_here =
        cache_.segments().find(key) != nullptr || sequences_.build_of(key) != nullptr;
    if (is_first) ++(is_here ? counts_.segment_hits : counts_.segment_misses);
    if (is_here) continue;
    start_build(next, *part);
    next.composer.add_built(part->tokens(), 0);
  }
  if (shares && sequences_.shared_prompt_of(next) == nullptr) start_shared_prompt(next);
  next.reserved = next.request->needs;
  run(next);
}

void Activation::run(SequenceRecord& record) {
  for (const SequencePart* part : distinct_segments(record)) {
    if (cache_.segments().find(*part->segment) != nullptr) acquire(record, *part->segment);
  }
  record.kv = std::make_unique<SequenceKv>(pages_, profile_, PageLog{&page_ops_, record.id});
  sequences_.run(record);
}

void Activation::start_build(const SequenceRecord& record, const SequencePart& part) {
  const int context = record.spec().prompt.context_tokens;
  const int context_tokens = part.positions.begin < context ? 0 : context;
  SequenceRequest request{.spec = {.salt = record.spec().salt, .priority = record.spec().priority}};
  const auto tokens = record.tokens.begin();
  std::vector<TokenId>& own = request.spec.prompt.tokens;
  own.assign(tokens, tokens + context_tokens);
  own.insert(own.end(), tokens + part.positions.begin, tokens + part.positions.end);
  request.spec.prompt.context_tokens = context_tokens;
  if (context_tokens > 0) request.parts.push_back(record.parts().front());
  request.parts.push_back({.positions = {context_tokens, context_tokens + part.tokens()}});
  SequenceRecord build =
      make_record(sequences_.new_id(), std::make_shared<const SequenceRequest>(std::move(request)));
  build.role = SequenceRole::kSegmentBuild;
  build.builds = part.segment;
  build.works_for = record.id;
  build.reserved = segment_pages(profile_, pages_.shape(), part.tokens());
  run(sequences_.add(std::move(build)));
}

void Activation::start_shared_prompt(const SequenceRecord& answer) {
  const SequenceSpec& spec = answer.spec();
  SequenceRequest request{.spec = {.prompt = spec.prompt,
                                   .recovery = spec.recovery,
                                   .salt = spec.salt,
                                   .uses_prefixes = spec.uses_prefixes,
                                   .priority = spec.priority},
                          .parts = answer.request->parts};
  SequenceRecord shared =
      make_record(sequences_.new_id(), std::make_shared<const SequenceRequest>(std::move(request)));
  shared.role = SequenceRole::kSharedPrompt;
  shared.group = answer.group;
  shared.works_for = answer.id;
  shared.has_run = answer.has_run;
  shared.reserved = answer.request->shared_prompt_needs;
  run(sequences_.add(std::move(shared)));
}

void Activation::acquire(SequenceRecord& record, const SegmentKey& key) {
  if (record.shares_prompt()) {
    cache_.acquire_again(key);
  } else {
    cache_.acquire(key);
  }
  record.acquired.push_back(key);
}

void Activation::keep_prefix(const SequenceRecord& record) {
  const SequenceSpec& spec = record.spec();
  if (!spec.uses_prefixes) return;
  const int length = record.kv->length();
  const bool is_whole = length >= record.request->prompt_tokens();
  if (!is_whole || !record.composer.is_computed_to(length)) return;
  const auto tokens = std::span(record.tokens).first(static_cast<std::size_t>(length));
  cache_.keep_prefix(
      chain_of({tokens, record.parts(), spec.recovery, spec.salt}, pages_.shape().page_tokens),
      *record.kv);
}

void Activation::give_back(SequenceRecord& record) {
  keep_prefix(record);
  record.kv.reset();
  for (const SegmentKey& key : record.acquired) cache_.release(key);
  record.acquired.clear();
  record.reserved = {};
  sequences_.wait_again(record);
}

void Activation::stop(SequenceRecord& record) {
  if (record.kv != nullptr) give_back(record);
  sequences_.erase(record);
  stop_unneeded();
}

void Activation::preempt(std::span<const SequenceId> ids) {
  for (const SequenceId id : ids) {
    SequenceRecord& record = *sequences_.find(id);
    give_back(record);
    record.composer.restart(/*prompt_was_whole=*/record.generates());
    record.has_run = true;
    ++counts_.preemptions;
  }
  stop_unneeded();
}

bool Activation::is_needed(const SequenceRecord& inner) const {
  const auto needs = [&inner](const SequenceRecord* record) {
    if (inner.role == SequenceRole::kSharedPrompt) {
      return record->is_answer() && record->group == inner.group;
    }
    return is_composed_of(*record, *inner.builds);
  };
  return std::any_of(sequences_.running().begin(), sequences_.running().end(), needs);
}

void Activation::stop_unneeded() {
  for (;;) {
    const auto running = sequences_.running();
    const auto unneeded = std::find_if(running.begin(), running.end(), [this](const auto* one) {
      return !one->is_answer() && !is_needed(*one);
    });
    if (unneeded == running.end()) return;
    SequenceRecord& record = **unneeded;
    give_back(record);
    sequences_.erase(record);
  }
}

void Activation::finish_build(SequenceRecord& build, const Pins::Fits& pins_fit) {
  const SegmentKey key = *build.builds;
  const int context_tokens = build.spec().prompt.context_tokens;
  const auto own = std::span(build.tokens).subspan(static_cast<std::size_t>(context_tokens));
  cache_.add_segment(key,
                     Segment(pages_, *build.kv, {context_tokens, build.request->prompt_tokens()}),
                     {build.spec().salt, segment_id(own)}, pins_fit);
  for (SequenceRecord* record : sequences_.running()) {
    if (is_composed_of(*record, key)) acquire(*record, key);
  }
  if (SequenceRecord* asked = sequences_.find(*build.works_for)) {
    asked->composer.add_built(0, build.composer.counts().flops);
  }
  give_back(build);
  sequences_.erase(build);
}

}  // namespace redknot
