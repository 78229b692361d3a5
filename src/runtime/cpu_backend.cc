// SPDX-License-Identifier: Apache-2.0
#include "runtime/cpu_backend.h"

#include <utility>

namespace redknot {

Result<std::unique_ptr<CpuBackend>> CpuBackend::create(const PageOptions& pages) {
  REDKNOT_TRY(std::unique_ptr<PageMemory> memory, PageMemory::create(pages));
  return std::unique_ptr<CpuBackend>(new CpuBackend(std::move(memory)));
}

void CpuBackend::connect(const ModelConfig& config, const PackedWeights& weights,
                         const Kernels& kernels, ThreadPool& threads,
                         const TransformerOptions& options) {
  transformer_.emplace(config, weights, *memory_, kernels, threads, options);
}

}  // namespace redknot
