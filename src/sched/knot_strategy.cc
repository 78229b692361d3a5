// SPDX-License-Identifier: Apache-2.0
// Recovery by what the question looks at (docs/adr/0012): a first pass runs the question over what
// is reused, and the pieces of pages that its last token looks at are computed again, for
// context-bound heads. Pieces of all segments that stand together are chosen from at once.
#include <algorithm>
#include <cstddef>

#include "kv/page_allocator.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

class KnotRecovery final : public RecoveryStrategy {
 public:
  bool recomputes(const HeadPolicy& policy) const override { return policy.context_bound; }

  bool chooses_any(const RecoveryOptions& options) const override { return *options.ratio > 0; }

  Measure measure() const override { return Measure::kPageMass; }

  int candidate_tokens(int /*page_tokens*/) const override { return kPieceTokens; }

  // Of a piece, by token: what the question gave it in the deeper half of the layers, where a model
  // looks up what it is about to say.
  void add_scores(const FirstPassResult& result, std::span<Candidate> candidates) const override {
    const PageTable& table = *result.table;
    const auto page_pieces = static_cast<std::size_t>(result.page_pieces);
    const std::size_t heads_before =
        static_cast<std::size_t>(result.layers / 2) * static_cast<std::size_t>(result.kv_heads);
    const std::size_t pieces = table.size() * page_pieces;
    std::size_t entry = 0;
    for (Candidate& candidate : candidates) {
      const int begin = candidate.positions.begin;
      while (table[entry].end() <= begin) ++entry;
      const int slot = begin - table[entry].position;
      const std::size_t piece = entry * page_pieces + static_cast<std::size_t>(slot / kPieceTokens);
      std::int64_t sum = 0;
      for (std::size_t at = heads_before * pieces + piece; at < result.page_mass.size();
           at += pieces) {
        sum += result.page_mass[at];
      }
      candidate.score = static_cast<double>(sum) / candidate.tokens();
    }
  }

  std::vector<PositionRange> choose(const RecoveryOptions& options,
                                    std::span<const Candidate> candidates) const override {
    std::vector<PositionRange> chosen;
    choose_best(candidates, tokens_to_recover(options, tokens_of(candidates)), chosen);
    return chosen;
  }

  int most_pages(const RecoveryOptions& options, std::span<const int> segment_tokens,
                 int page_tokens) const override {
    std::int64_t pages = 0, tokens = 0;
    for (const int own : segment_tokens) {
      pages += pages_for(own, page_tokens);
      tokens += own;
    }
    const std::int64_t wanted = tokens_to_recover(options, tokens);
    if (wanted == 0) return 0;
    // No two pieces need lie in one page, and the last one of each segment may be shorter.
    const std::int64_t most =
        pages_for(wanted, kPieceTokens) + static_cast<std::int64_t>(segment_tokens.size());
    return static_cast<int>(std::min(pages, most));
  }
};

}  // namespace

const RecoveryStrategy& knot_strategy() {
  static const KnotRecovery strategy;
  return strategy;
}

}  // namespace redknot
