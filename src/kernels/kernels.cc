// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#include "kernels/cpu/tables.h"

namespace redknot {

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> kernels = {&kReferenceKernels};
#if defined(__x86_64__)
  // Every CPU with AVX2 and FMA has F16C too; clang 14 cannot ask for it.
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    kernels.push_back(&kAvx2Kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni")) {
      kernels.push_back(&kAvx512Kernels);
    }
  }
#endif
  return kernels;
}

const Kernels* find_kernels(std::string_view name) {
  const std::vector<const Kernels*> kernels = available_kernels();
  if (name.empty()) return kernels.back();
  for (const Kernels* candidate : kernels) {
    if (candidate->name == name) return candidate;
  }
  return nullptr;
}

}  // namespace redknot
