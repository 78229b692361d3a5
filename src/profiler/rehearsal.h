// SPDX-License-Identifier: Apache-2.0
// Runs texts under head profiles, through the same kernels and page tables as the engine, and says
// how far their predictions are from those of dense attention. Memory does not grow with the text
// beyond its pages and kMostKeptFloats: logits are compared chunk by chunk.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "engine/engine_core.h"
#include "profiler/divergence.h"
#include "runtime/single_sequence.h"

namespace redknot {

// Tokens of one sequence; predictions are compared from position `first_measured` on.
struct RehearsedText {
  std::vector<TokenId> tokens{};
  int first_measured = 0;
};

// Dense logits that are worth keeping rather than computing again: 256 MiB.
inline constexpr std::size_t kMostKeptFloats = std::size_t{64} << 20;

class Rehearsal {
 public:
  // For the model, threads, kernels, page_tokens, context_tokens and progress of the options. The
  // errors of Engine::open.
  static Result<Rehearsal> open(const EngineOptions& options);

  const Model& model() const { return core_->model(); }
  EngineCore& core() { return *core_; }
  // Every head global, f16 pages: what all others are held against.
  const HeadProfile& dense() const { return dense_; }
  int context_tokens() const { return core_->context_tokens(); }

  // Runs a text dense, for an observer of the transformer. Requires 1..context_tokens() tokens.
  void run_dense(std::span<const TokenId> tokens);

  // Dense logits [measured positions, vocabulary_size] of a text; nothing if these are more floats.
  std::vector<float> predict(const RehearsedText& text, std::size_t most_floats);

  // How a text is compared.
  struct Comparison {
    int step_tokens = 0;             // of the variant, at most; 0: as many as the dense run
    std::span<const float> dense{};  // what predict() gave for the text; empty: it is run again
  };
  // The whole text from an empty cache. Requires 2..context_tokens() tokens, pages of f16 or q8.
  DivergenceSum compare(const RehearsedText& text, const HeadProfile& variant,
                        const Comparison& how);
  DivergenceSum compare(const RehearsedText& text, const HeadProfile& variant) {
    return compare(text, variant, Comparison{});
  }

  // The same for many variants, but the first `shared` tokens are computed once, dense; variants
  // see what their windows leave of it. Cheaper; leaves out what a variant would have changed in
  // those tokens. Requires that all formats are f16, 0 <= shared <= first_measured.
  std::vector<DivergenceSum> compare_behind(int shared, const RehearsedText& text,
                                            std::span<const HeadProfile> variants);

 private:
  Rehearsal(std::unique_ptr<EngineCore> core, HeadProfile dense);
  int chunk() const;  // tokens of a step
  // The sequence takes in positions [first, end) of a text. Logits of those from `measured` on.
  std::vector<float> advance(SingleSequence& kv, std::span<const TokenId> tokens, int first,
                             int end, int measured);
  // The rest of the text. Nothing if the logits are more floats.
  std::vector<float> predict(SingleSequence kv, const RehearsedText& text, std::size_t most_floats);
  // Both are as far in the text.
  DivergenceSum compare(const RehearsedText& text, SingleSequence dense, SingleSequence other,
                        const Comparison& how);
  // Dense logits from position `measured` on, to compare a chunk with.
  struct Reference {
    int measured = 0;
    std::span<const float> logits{};
  };
  // Adds the predictions of positions [first, end).
  void compare_step(const RehearsedText& text, int first, int end, const Reference& reference,
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
