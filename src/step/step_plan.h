// SPDX-License-Identifier: Apache-2.0
// One step of the engine as data: which tokens of which sequences pass the model, what changes in
// their page tables before that, what is measured, and what is sampled how. Every decision is taken
// when this is written; below it there is only arithmetic.
//
// The planner and the composers of prompts write it, answers add what their constraints allow, and
// an executor (step/executor.h) runs it. A regular value that names nothing
// outside itself: it can be printed, compared, written to a file and run again.
#pragma once

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "kv/page_table.h"
#include "model/vocabulary.h"
#include "redknot/sampling.h"

namespace redknot {

// What a slice is run to learn, beside its logits.
enum class Measure : std::uint8_t {
  kNothing,
  kDeviation,  // how far the values of each row, behind the layers that it passes, are from those
               // that its reused pages hold (CacheBlend, Yao et al. 2024)
  kPageMass,   // how much of their attention the rows give to each piece of a page
};

// Attention is measured by pieces of so many slots of a page. Pages hold whole ones.
inline constexpr int kPieceTokens = 16;

// Rows [first_row, first_row + rows) of the step belong to one sequence. Their positions strictly
// increase; each position has a slot, once the changes of the plan are applied, in a page that this
// sequence alone holds, or in one that it reuses.
struct StepSlice {
  SequenceId sequence{};
  int first_row = 0;
  int rows = 0;
  Measure measure = Measure::kNothing;
  bool returns_logits = false;  // of its logit rows; if not, only what is sampled from them
  bool operator==(const StepSlice&) const = default;
};

// Which rows pass the feed-forward network of a layer: before `dense_until` all, then those that
// together hold the share `mass` of what attention wrote, from `deep_start` on `mass_deep`.
struct SparseFfn {
  int dense_until = 0;
  float mass = 1.0f;
  int deep_start = std::numeric_limits<int>::max();
  float mass_deep = 1.0f;
  bool operator==(const SparseFfn&) const = default;
};

// Rows [first_row, first_row + rows) of the step compete with each other for the feed-forward
// network; the last `recent_rows` of them pass it in any case. Rows in no group do, too.
struct FfnGroup {
  int first_row = 0;
  int rows = 0;
  int recent_rows = 0;
  SparseFfn sparse{};
  bool operator==(const FfnGroup&) const = default;
};

// A token that is sampled from the logits of a row, as runtime/sampler.h says.
struct RowSample {
  int row = 0;       // of the step; one of its logit rows
  int position = 0;  // where the token will stand
  Sampling sampling{};
  // The latest tokens of the sequence, oldest first, as far as penalties look at them.
  std::vector<TokenId> history{};
  // A bit for each token, lowest first; tokens without it are never chosen. Empty: all are allowed.
  std::vector<std::uint64_t> allowed{};
  bool operator==(const RowSample&) const = default;
};

// The latest tokens of a sequence that penalties look at; none if there are no penalties.
std::span<const TokenId> penalised_tokens(std::span<const TokenId> tokens,
                                          const Sampling& sampling);

struct StepPlan {
  std::vector<TokenId> tokens{};    // by row
  std::vector<int> positions{};     // by row, in the row's sequence
  std::vector<StepSlice> slices{};  // in row order, without gaps; at most one per sequence
  std::vector<int> logit_rows{};    // of which logits are wanted, increasing; they pass all layers
  // By row: it passes so many layers, and gives keys and values of the next one too. Empty: all.
  std::vector<int> depths{};
  std::vector<FfnGroup> ffn_groups{};  // in row order, apart from each other
  std::vector<RowSample> samples{};    // in row order, at most one of a slice
  // Changes of page tables since the plan before, of any sequence, in the order in which they are
  // applied, all before the first row.
  std::vector<PageOp> page_ops{};
  bool empty() const { return tokens.empty(); }
  bool operator==(const StepPlan&) const = default;
};

// A line for each slice, for logits, and for each sample and change of a page table, for logs and
// test failures.
std::string to_string(const StepPlan& plan);

}  // namespace redknot
