// SPDX-License-Identifier: Apache-2.0
// Where steps are computed on a CPU: the memory of all KV pages, and the transformer that reads and
// writes it. The engine owns one; executors run plans on it, one at a time.
//
// Made in two parts, since an answer that there is too little memory should not take the time of
// packing weights: create() takes the memory, connect() makes the transformer once there are
// weights.
#pragma once

#include <memory>
#include <optional>

#include "kv/page_memory.h"
#include "runtime/transformer.h"

namespace redknot {

class CpuBackend {
 public:
  // The errors of PageMemory::create.
  static Result<std::unique_ptr<CpuBackend>> create(const PageOptions& pages);

  // Once, before anything is run. All references must outlive the object.
  void connect(const ModelConfig& config, const PackedWeights& weights, const Kernels& kernels,
               ThreadPool& threads, const TransformerOptions& options);

  PageMemory& memory() { return *memory_; }
  Transformer& transformer() { return *transformer_; }
  const Transformer& transformer() const { return *transformer_; }

 private:
  explicit CpuBackend(std::unique_ptr<PageMemory> memory) : memory_(std::move(memory)) {}

  std::unique_ptr<PageMemory> memory_;
  std::optional<Transformer> transformer_;  // there from connect() on
};

}  // namespace redknot
