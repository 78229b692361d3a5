// SPDX-License-Identifier: Apache-2.0
#include "sched/sequence_request.h"

#include <set>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/error.h"
#include "sched/page_needs.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

// Where requests run.
struct Room {
  const PageAllocator& pool;
  const HeadProfile& profile;
  int chunk_tokens;
};

// Cut into parts; what it needs is not known yet.
SequenceRequest cut_into_parts(SequenceSpec spec) {
  REDKNOT_CHECK(!spec.prompt.tokens.empty() && spec.max_tokens >= 0);
  spec.recovery = with_defaults(spec.recovery);
  SequenceRequest request{.spec = std::move(spec)};
  // Segments of another domain or salt are others.
  const Domain& domain = request.spec.domain;
  std::string scope(reinterpret_cast<const char*>(domain.data()), domain.size());
  request.parts = parts_of(request.spec.prompt, scope + request.spec.salt);
  request.shares_prompt =
      request.spec.shares_prompt && !request.spec.all_logits && request.prompt_tokens() > 1;
  return request;
}

// Counts what it needs with so many tokens to generate.
void set_max_tokens(const Room& room, int max_tokens, SequenceRequest& request) {
  request.spec.max_tokens = max_tokens;
  const PageShape& shape = room.pool.shape();
  const RecoveryOptions& recovery = request.spec.recovery;
  if (!request.shares_prompt) {
    request.needs =
        own_pages(room.profile, shape, request.parts, max_tokens, room.chunk_tokens, recovery);
    return;
  }
  request.needs = answer_pages(room.profile, shape, request.parts, max_tokens, room.chunk_tokens);
  request.shared_prompt_needs =
      own_pages(room.profile, shape, request.parts, 0, room.chunk_tokens, recovery);
}

Status fits_alone(const Room& room, const SequenceRequest& request) {
  const PageShape& shape = room.pool.shape();
  const SequenceSpec& spec = request.spec;
  PageCounts needed = sum(request.needs, request.shared_prompt_needs);
  const std::size_t own_bytes = shape.bytes(needed);
  std::set<SegmentKey> counted;
  for (const SequencePart& part : request.parts) {
    if (!part.segment || !counted.insert(*part.segment).second) continue;
    needed = sum(needed, segment_pages(room.profile, shape, part.tokens()));
  }
  const RecoveryStrategy& strategy = strategy_of(spec.recovery.policy);
  if (!counted.empty() && room.chunk_tokens < strategy.least_step_tokens(shape.page_tokens)) {
    return invalid(name(spec.recovery.policy), " recovery computes whole pages of ",
                   shape.page_tokens, " tokens; a step holds ", room.chunk_tokens,
                   " (max_step_tokens)");
  }
  const std::size_t tokens = spec.prompt.tokens.size() + static_cast<std::size_t>(spec.max_tokens);
  for (const KvFormat format : kKvFormats) {
    if (needed[index_of(format)] > room.pool.total_pages(format)) {
      return exhausted("a sequence of ", tokens, " tokens needs ", needed[index_of(format)],
                       " KV pages, ", room.pool.total_pages(format), " exist");
    }
  }
  if (spec.quota_bytes > 0 && own_bytes > spec.quota_bytes) {
    return exhausted("a sequence of ", tokens, " tokens needs ", own_bytes,
                     " bytes of KV pages, its quota is ", spec.quota_bytes);
  }
  return Done{};
}

Status fits_with(const Room& room, int max_tokens, SequenceRequest& request) {
  set_max_tokens(room, max_tokens, request);
  return fits_alone(room, request);
}

}  // namespace

Result<std::shared_ptr<const SequenceRequest>> make_request(const PageAllocator& pool,
                                                            const HeadProfile& profile,
                                                            SequenceSpec spec, int chunk_tokens) {
  const Room room{pool, profile, chunk_tokens};
  SequenceRequest request = cut_into_parts(std::move(spec));
  REDKNOT_RETURN_IF_ERROR(fits_with(room, request.spec.max_tokens, request));
  return std::make_shared<const SequenceRequest>(std::move(request));
}

Result<std::shared_ptr<const SequenceRequest>> make_longest_request(const PageAllocator& pool,
                                                                    const HeadProfile& profile,
                                                                    SequenceSpec spec,
                                                                    int chunk_tokens) {
  const Room room{pool, profile, chunk_tokens};
  SequenceRequest request = cut_into_parts(std::move(spec));
  const int wanted = request.spec.max_tokens;
  Status fits = fits_with(room, wanted, request);
  // Parts begin pages of their own, so what fits is not a matter of arithmetic.
  if (!fits.ok() && fits_with(room, 0, request).ok()) {
    int holds = 0, too_many = wanted;
    while (holds + 1 < too_many) {
      const int middle = holds + (too_many - holds) / 2;
      (fits_with(room, middle, request).ok() ? holds : too_many) = middle;
    }
    if (holds > 0) fits = fits_with(room, holds, request);
  }
  REDKNOT_RETURN_IF_ERROR(fits);
  return std::make_shared<const SequenceRequest>(std::move(request));
}

}  // namespace redknot
