// SPDX-License-Identifier: Apache-2.0
// Passes texts through a model under head profiles, by the same kernels and page tables as the
// engine, and says how far their predictions are from those of dense attention. Memory does not
// grow with the text beyond its pages and the logits that are kept: others are compared step by
// step. Owns an engine's core without its loop. Profiling and `redknot eval` own one each and call
// it from one thread; only the core's own workers compute beside it.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "engine/engine_core.h"
#include "profiler/divergence.h"
#include "runtime/single_sequence.h"

namespace redknot {

// Tokens of one sequence. Predictions are compared from position `first_compared` on: all of them,
// or runs of kComparedRun with equal gaps between, about `most_compared` in all.
struct ComparedText {
  std::vector<TokenId> tokens{};
  int first_compared = 0;
  int most_compared = std::numeric_limits<int>::max();
};
inline constexpr int kComparedRun = 16;

// Increasing. Requires first_compared < tokens, most_compared > 0.
std::vector<int> compared_positions(const ComparedText& text);

// Dense logits that are worth keeping rather than computing again: 256 MiB.
inline constexpr std::size_t kMostKeptFloats = std::size_t{64} << 20;

class DenseComparison {
 public:
  // For the model, threads, kernels, page_tokens, context_tokens and progress of the options; room
  // for `kept` dense passes that are kept. The errors of Engine::open.
  static Result<DenseComparison> open(const EngineOptions& options, int kept = 0);

  const Model& model() const { return core_->model(); }
  EngineCore& core() { return *core_; }
  // Every head global, f16 pages: what all others are held against.
  const HeadProfile& dense() const { return dense_; }
  int context_tokens() const { return core_->context_tokens(); }

  // Passes a text through the model dense, for an observer of the transformer. Requires
  // 1..context_tokens() tokens.
  void pass_dense(std::span<const TokenId> tokens);

  // Dense logits [compared positions, vocabulary_size] of a text; nothing if these are more floats.
  std::vector<float> predict(const ComparedText& text, std::size_t most_floats);

  // How a text is compared.
  struct How {
    int step_tokens = 0;             // of the variant, at most; 0: as many as the dense pass
    std::span<const float> dense{};  // what predict() gave for the text; empty: it is passed again
  };
  // The whole text from an empty cache. Requires 2..context_tokens() tokens.
  DivergenceSum compare(const ComparedText& text, const HeadProfile& variant, const How& how);
  DivergenceSum compare(const ComparedText& text, const HeadProfile& variant) {
    return compare(text, variant, How{});
  }

  // A text that was passed dense once: its first part as a sequence, for variants to go on from,
  // and dense logits.
  struct DensePass {
    SingleSequence prefix;
    std::vector<float> logits{};         // as predict()
    std::vector<float> logits_behind{};  // of all positions behind the prefix
  };
  // Shows the pass to the transformer's observer, if there is one. Requires whole pages of `shared`
  // tokens, 0 <= shared < tokens.
  DensePass pass(int shared, const ComparedText& text, std::size_t most_floats);

  // All positions behind the prefix of a pass of the text, under many variants, as many in a step
  // as it takes: variants see what their windows leave of the prefix, in their formats. Cheaper
  // than compare(); leaves out what a variant would have changed in the prefix.
  std::vector<DivergenceSum> compare_behind(const DensePass& pass, const ComparedText& text,
                                            std::span<const HeadProfile> variants);

 private:
  DenseComparison(std::unique_ptr<EngineCore> core, HeadProfile dense);
  std::size_t vocabulary() const {
    return static_cast<std::size_t>(model().config().vocabulary_size);
  }
  // Where a step ends that begins at `first`: it takes so many tokens, and gives logits of so many
  // of the positions, as fit.
  int step_end(int first, int tokens, std::span<const int> compared) const;
  // The sequence takes in positions [its length, end) of a text. Logits of the positions in there.
  std::vector<float> advance(SingleSequence& kv, const ComparedText& text, int end,
                             std::span<const int> compared);
  // The same in as many steps as it takes.
  std::vector<float> advance_all(SingleSequence& kv, const ComparedText& text, int end,
                                 std::span<const int> compared);
  // Compares predictions of the positions, row by row.
  void add(const ComparedText& text, std::span<const int> positions, std::span<const float> dense,
           std::span<const float> other, DivergenceSum& sum);
  // As many of the variants as there are pages and rows for, one at least, from the front.
  std::vector<DivergenceSum> compare_some(const DensePass& pass, const ComparedText& text,
                                          std::span<const HeadProfile> variants);

  SingleSequence sequence(const HeadProfile& profile) { return {core_->host(), profile}; }

  std::unique_ptr<EngineCore> core_;
  HeadProfile dense_;
};

// Bytes of pages that one sequence of `tokens` tokens holds at its end. Whether pages have key
// bounds is the profile's to say.
std::size_t kv_bytes(const HeadProfile& profile, const PageShape& pages, int tokens);

// Of them, about, what a token decoded there reads, key bounds included.
std::size_t kv_bytes_read(const HeadProfile& profile, const PageShape& pages, int tokens);

}  // namespace redknot
