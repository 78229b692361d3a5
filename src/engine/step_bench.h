// SPDX-License-Identifier: Apache-2.0
// Times the forward pass alone, for `redknot bench`: steps of one sequence, without scheduler,
// sampler or text. It runs plans on the same backend as the Engine does.
//
// Also says what a step must at least move and compute, so that its time can be set against what
// the machine can do. One thread at a time.
#pragma once

#include <memory>
#include <string>

#include "redknot/redknot.h"

namespace redknot {

// What this machine can do with so many threads, measured.
struct MachineLimits {
  double memory_bytes_per_second = 0;  // reading more than the caches hold
  double fp32_flops = 0;               // per second; a multiply-add is two
  double int8_ops = 0;                 // per second; a multiply-add is two
  double bf16_flops = 0;               // per second; those of fp32 where the CPU has no others
};

// Takes about a second. threads as in EngineOptions.
Result<MachineLimits> measure_machine_limits(int threads);

// The least that one timed call must do: weights and KV read once per step, products that no
// implementation can leave out. A multiply-add is two operations.
struct BenchWork {
  double bytes = 0;
  double fp32_flops = 0;  // attention, and products with float weights or exact activations
  double int8_ops = 0;    // products with quantised weights, for each digit of the activations
  double bf16_flops = 0;  // products of BF16 weights with BF16 activations
};

class StepBench {
 public:
  // Loads and packs the model, takes the KV memory for one sequence of context_tokens, the largest
  // depth and tokens that will be asked for. Errors of Engine::open.
  static Result<StepBench> open(EngineOptions options);
  StepBench(StepBench&&) noexcept;
  StepBench& operator=(StepBench&&) noexcept;
  ~StepBench();

  // Seconds to compute `tokens` tokens, in chunks of max_step_tokens, after `depth` positions that
  // hold keys and values already (made outside the timing; their numbers do not matter). Only the
  // last position reaches the LM head. Requires tokens >= 1, depth >= 0;
  // kInvalidArgument if depth + tokens > context_tokens.
  Result<double> prefill_seconds(int tokens, int depth);

  // Seconds for `tokens` steps of one token each, after `depth` positions. Same conditions.
  Result<double> decode_seconds(int tokens, int depth);

  // The work of one call of the functions above.
  BenchWork prefill_work(int tokens, int depth) const;
  BenchWork decode_work(int tokens, int depth) const;

  const ModelInfo& model() const;
  const std::string& kernels() const;  // "avx512", "avx2", "reference"
  ActivationFormat activations() const;
  int threads() const;

 private:
  struct State;
  explicit StepBench(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace redknot
