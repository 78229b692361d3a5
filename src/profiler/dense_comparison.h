// SPDX-License-Identifier: Apache-2.0
// Passes texts through a model under head profiles, by the same kernels and page tables as the
// engine, and says how far their predictions are from those of dense attention. Memory does not
// grow with the text beyond its pages and kMostKeptFloats: logits are compared chunk by chunk.
// Owns an engine's core without its loop. Profiling and `redknot eval` own one each and call it
// from one thread; only the core's own workers compute beside it.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/engine_core.h"
#include "profiler/divergence.h"
#include "runtime/single_sequence.h"

namespace redknot {

// Tokens of one sequence; predictions are compared from position `first_compared` on.
struct ComparedText {
  std::vector<TokenId> tokens{};
  int first_compared = 0;
};

// Dense logits that are worth keeping rather than computing again: 256 MiB.
inline constexpr std::size_t kMostKeptFloats = std::size_t{64} << 20;

class DenseComparison {
 public:
  // For the model, threads, kernels, page_tokens, context_tokens and progress of the options. The
  // errors of Engine::open.
  static Result<DenseComparison> open(const EngineOptions& options);

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

  // The same for many variants, but the first `shared` tokens are computed once, dense; variants
  // see what their windows leave of it. Cheaper; leaves out what a variant would have changed in
  // those tokens. Requires that all formats are f16, 0 <= shared <= first_compared.
  std::vector<DivergenceSum> compare_behind(int shared, const ComparedText& text,
                                            std::span<const HeadProfile> variants);

 private:
  DenseComparison(std::unique_ptr<EngineCore> core, HeadProfile dense);
  int chunk() const;  // tokens of a step
  // The sequence takes in positions [first, end) of a text. Logits of those from `compared` on.
  std::vector<float> advance(SingleSequence& kv, std::span<const TokenId> tokens, int first,
                             int end, int compared);
  // The rest of the text. Nothing if the logits are more floats.
  std::vector<float> predict(SingleSequence kv, const ComparedText& text, std::size_t most_floats);
  // Both are as far in the text.
  DivergenceSum compare(const ComparedText& text, SingleSequence dense, SingleSequence other,
                        const How& how);
  // Dense logits from position `first` on, to compare a chunk with.
  struct Reference {
    int first = 0;
    std::span<const float> logits{};
  };
  // Adds the predictions of positions [first, end).
  void compare_step(const ComparedText& text, int first, int end, const Reference& reference,
                    SingleSequence& other, DivergenceSum& sum);

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
