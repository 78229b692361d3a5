// SPDX-License-Identifier: Apache-2.0
// Everything below the loop, opened and connected: model, threads, packed weights, KV pages,
// transformer. Immovable, because its parts refer to each other.
//
// The engine owns one and hands it to its loop; benchmarks and the profiler open their own. One
// thread at a time, but for what is const.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/thread_pool.h"
#include "heads/head_profile.h"
#include "kv/domain.h"
#include "kv/page_allocator.h"
#include "model/model.h"
#include "redknot/redknot.h"
#include "runtime/cpu_backend.h"
#include "runtime/packed_weights.h"
#include "runtime/single_sequence.h"

namespace redknot {

inline constexpr int kMaxContextTokens = 1 << 24;

// What the engine's own callers may want otherwise.
struct CoreOptions {
  // The head profile of this model, or why there is none for it; empty: as the options say.
  std::function<Result<HeadProfile>(const Model& model)> profile{};
  // Frames of the page memory, by format; empty: as the options ask for.
  std::function<PageCounts(const Model& model, const HeadProfile& profile, int context_tokens)>
      pages{};
  bool key_bounds = false;  // of pages, even if no head of the profile selects any
  // Rows of logits one step can give; empty: one for each running sequence, and at least
  // EngineCore::kLeastLogitRows.
  std::function<int(const Model& model)> logit_rows{};
  int max_rows = 0;  // of a step; 0: as the options say, and no more than sequences can have
};

class EngineCore {
 public:
  static constexpr int kLeastLogitRows = 64;

  // kInvalidArgument naming the option; the errors of Model::open; kResourceExhausted for memory.
  static Result<std::unique_ptr<EngineCore>> open(const EngineOptions& options,
                                                  const CoreOptions& core = {});
  EngineCore(const EngineCore&) = delete;
  EngineCore& operator=(const EngineCore&) = delete;

  const Model& model() const { return model_; }
  const HeadProfile& profile() const { return profile_; }
  // What keys and values depend on besides tokens (kv/domain.h), for what is kept for reuse. With a
  // profile it names the weights by the model's fingerprint, which was computed to hold the profile
  // against; without one by the quick identity (model/fingerprint.h), which costs no second of
  // reading and is enough within one process. What leaves the process needs the fingerprint.
  const Domain& domain() const { return domain_; }
  // Of the profile file; nothing without one.
  const std::optional<ProfileSummary>& profile_summary() const { return profile_summary_; }
  const PackedWeights& weights() const { return weights_; }
  const Kernels& kernels() const { return kernels_; }
  ActivationFormat activations() const { return backend_->transformer().options().activations; }
  ThreadPool& thread_pool() { return *threads_; }
  PageAllocator& pages() { return *pages_; }
  const PageAllocator& pages() const { return *pages_; }
  CpuBackend& backend() { return *backend_; }
  SequenceHost host() { return {*backend_, *pages_}; }
  int threads() const { return threads_->threads(); }
  int context_tokens() const { return context_tokens_; }
  int max_step_tokens() const { return backend_->transformer().options().max_rows; }
  int max_logit_rows() const { return backend_->transformer().options().max_logit_rows; }

 private:
  struct Parts;
  explicit EngineCore(Parts parts);

  Model model_;
  const Kernels& kernels_;
  std::unique_ptr<ThreadPool> threads_;
  PackedWeights weights_;
  HeadProfile profile_;
  Domain domain_;
  std::optional<ProfileSummary> profile_summary_;
  std::unique_ptr<PageAllocator> pages_;
  std::unique_ptr<CpuBackend> backend_;
  int context_tokens_;
};

// What EngineOptions::kv means when it is empty: f32 for a model whose weights are not quantised,
// else f16.
KvFormat auto_kv_format(const Model& model);

}  // namespace redknot
