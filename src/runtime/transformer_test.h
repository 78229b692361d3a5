// SPDX-License-Identifier: Apache-2.0
// What the tests of the forward pass share: small random models, profiles, and a Machine, which
// owns a transformer with all that it borrows but the model. Tests make one on their stack and run
// steps of sequences on it; one thread.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "kernels/kernels_test.h"
#include "kv/sequence_kv.h"
#include "model/model.h"
#include "runtime/activation_choice.h"
#include "runtime/cpu_executor.h"
#include "runtime/transformer.h"
#include "tests/dense_forward.h"
#include "tests/model_maker.h"

namespace redknot::transformer_test {

using namespace kernels_test;
using tests::random_tokens;
using tests::small_shape;

using Tokens = std::vector<TokenId>;

// Logits have a deviation of about 3. Float arithmetic against double: observed 1e-5.
inline constexpr double kFloatTolerance = 1e-4;
// Integer weights agree as well, but for an activation near a tie: it may be rounded to the other
// code, which moves it by 1/127 of the largest of its block. Observed 1e-5 without, 0.15 with ties.
inline constexpr double kIntegerTolerance = 0.4;
// The same with two digits, whose steps are 254 times smaller: observed 3e-4.
inline constexpr double kTwoDigitTolerance = 0.003;
// The same where activations are rounded to BF16, whose steps are 1/128 of the number.
inline constexpr double kBf16Tolerance = 0.4;

inline constexpr std::array kArchitectures = {Architecture::kLlama, Architecture::kQwen2,
                                              Architecture::kQwen3, Architecture::kQwen3Moe};

// An open model; its configuration may be changed before it is used.
struct OpenModel {
  explicit OpenModel(const RandomModelOptions& options)
      : model(Model::open(tests::ModelOnDisk(options).path()).value()), config(model.config()) {
    ThreadPool threads(1);
    weights.emplace(PackedWeights::pack(model, threads, {}).value());
  }
  int vocabulary() const { return config.vocabulary_size; }

  Model model;
  ModelConfig config;
  std::optional<PackedWeights> weights;
};

inline OpenModel small(Architecture architecture, const std::string& type) {
  return OpenModel({.shape = small_shape(architecture), .type = type, .pure = true, .seed = 5});
}

inline HeadProfile global_profile(const OpenModel& model, KvFormat format = KvFormat::kF32) {
  return uniform_profile(model.config.layers, model.config.kv_heads, {.kv_format = format});
}

// Every other head is local, with windows shorter than a page and longer.
inline HeadProfile local_profile(const OpenModel& model) {
  HeadProfile profile = global_profile(model, KvFormat::kF16);
  for (std::size_t head = 1; head < profile.policies.size(); head += 2) {
    const int window = head % 4 == 1 ? 9 : 40;
    profile.policies[head] = {HeadClass::kLocal, /*sink=*/4, window, KvFormat::kF16};
  }
  return profile;
}

// Every other head selects two pages beside a window shorter than a page; the others are global.
inline HeadProfile retrieval_profile(const OpenModel& model) {
  HeadProfile profile = global_profile(model, KvFormat::kQ8);
  for (std::size_t head = 1; head < profile.policies.size(); head += 2) {
    profile.policies[head] = {HeadClass::kRetrieval, /*sink=*/4, /*window=*/9, KvFormat::kF16,
                              /*top_pages=*/2};
  }
  return profile;
}

struct MachineOptions {
  const Kernels* kernels = &kReferenceKernels;
  int threads = 1;
  int page_tokens = 16;
  std::optional<ActivationFormat> activations{};
};

// The tokens that one sequence gets in a step.
struct Part {
  SequenceKv* kv;
  Tokens tokens;
};

// A transformer and all it borrows but the model.
class Machine {
 public:
  Machine(const OpenModel& model, HeadProfile profile, const MachineOptions& options)
      : profile_(std::move(profile)),
        pool_(PageAllocator::create(pages_of(profile_, model, options)).value()),
        backend_(CpuBackend::create(pages_of(profile_, model, options)).value()),
        threads_(options.threads),
        executor_(*backend_, profile_),
        vocabulary_(static_cast<std::size_t>(model.vocabulary())) {
    backend_->connect(
        model.config, *model.weights, *options.kernels, threads_,
        {.max_rows = kMaxRows,
         .max_logit_rows = kMaxRows,
         .activations = options.activations.value_or(auto_activations(model.model.weights()))});
  }

  PageAllocator& pool() { return *pool_; }
  PageMemory& memory() { return backend_->memory(); }
  PageLog log() { return {&ops_, SequenceId{next_id_++}}; }
  SequenceKv sequence() { return {*pool_, profile_, log()}; }

  // One step: the logits of every row, in order.
  Floats step(const std::vector<Part>& parts) {
    StepPlan plan;
    for (const Part& part : parts) {
      const int count = static_cast<int>(part.tokens.size());
      const int first = part.kv->length();
      EXPECT_TRUE(part.kv->extend(count).ok());
      plan.slices.push_back({part.kv->sequence(), static_cast<int>(plan.tokens.size()), count});
      plan.tokens.insert(plan.tokens.end(), part.tokens.begin(), part.tokens.end());
      for (int i = 0; i < count; ++i) {
        plan.logit_rows.push_back(static_cast<int>(plan.positions.size()));
        plan.positions.push_back(first + i);
      }
    }
    const Floats logits = logits_of(run_all(plan));
    for (const Part& part : parts) part.kv->forget(part.kv->length());
    return logits;
  }

  // One step of one sequence that has room for it.
  StepResult run_all(StepPlan plan, const SequenceKv& kv) {
    plan.slices.front().sequence = kv.sequence();
    return run_all(std::move(plan));
  }
  Floats run(const StepPlan& plan, const SequenceKv& kv) { return logits_of(run_all(plan, kv)); }

  // The tokens after what the sequence has, in chunks.
  Floats compute(SequenceKv& kv, const Tokens& tokens, int chunk_tokens = kMaxRows) {
    Floats logits;
    for (auto at = tokens.begin(); at != tokens.end();) {
      const auto end = at + std::min<std::ptrdiff_t>(chunk_tokens, tokens.end() - at);
      const Floats part = step({{&kv, Tokens(at, end)}});
      logits.insert(logits.end(), part.begin(), part.end());
      at = end;
    }
    return logits;
  }
  Floats compute(const Tokens& tokens, int chunk_tokens = kMaxRows) {
    SequenceKv kv = sequence();
    return compute(kv, tokens, chunk_tokens);
  }

  // Logits of rows [first, first + count) of what step() returned.
  Floats rows(const Floats& logits, std::size_t first, std::size_t count) const {
    const auto at = logits.begin() + static_cast<std::ptrdiff_t>(first * vocabulary_);
    return {at, at + static_cast<std::ptrdiff_t>(count * vocabulary_)};
  }

 private:
  static constexpr int kMaxRows = 256;
  static constexpr int kPages = 400;

  static PageOptions pages_of(const HeadProfile& profile, const OpenModel& model,
                              const MachineOptions& options) {
    return {.shape = page_shape(profile, options.page_tokens, model.config.head_dim),
            .page_count = {kPages, kPages, kPages, kPages}};
  }

  // With the changes of page tables since the step before, and all logits.
  StepResult run_all(StepPlan plan) {
    for (StepSlice& slice : plan.slices) slice.returns_logits = true;
    plan.page_ops = std::exchange(ops_, {});
    return executor_.run(plan);
  }

  static Floats logits_of(const StepResult& result) {
    Floats logits;
    for (const SliceResult& slice : result.slices) {
      logits.insert(logits.end(), slice.logits.begin(), slice.logits.end());
    }
    return logits;
  }

  HeadProfile profile_;
  std::unique_ptr<PageAllocator> pool_;
  std::unique_ptr<CpuBackend> backend_;
  ThreadPool threads_;
  CpuExecutor executor_;
  std::vector<PageOp> ops_;  // that no step has had yet
  std::uint32_t next_id_ = 0;
  std::size_t vocabulary_;
};

inline double largest_difference(const Floats& actual, const std::vector<double>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double worst = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double difference = std::abs(actual[i] - expected[i]);
    worst = difference <= worst ? worst : difference;  // a NaN stays
  }
  return worst;
}

class TransformerTest : public KernelsTest {
 protected:
  MachineOptions on(int threads = 1, int page_tokens = 16) const {
    return {&kernels(), threads, page_tokens};
  }
  MachineOptions with(ActivationFormat activations) const {
    return {.kernels = &kernels(), .threads = 2, .activations = activations};
  }
};

}  // namespace redknot::transformer_test
