// SPDX-License-Identifier: Apache-2.0
#include "kernels/kernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "kernels/cpu/tables.h"

namespace redknot {
namespace {

#if defined(__x86_64__)
// __builtin_cpu_supports does not know this name in clang 14.
bool has_f16c() {
  unsigned a, b, c, d;
  return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}

bool has_avx512_bf16() {
  constexpr unsigned kBf16 = 1u << 5;
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kBf16) != 0;
}
#endif

}  // namespace

std::vector<const Kernels*> available_kernels() {
  std::vector<const Kernels*> kernels = {&kReferenceKernels};
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c()) {
    kernels.push_back(&kAvx2Kernels);
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512vnni")) {
      kernels.push_back(has_avx512_bf16() ? &kAvx512Bf16Kernels : &kAvx512Kernels);
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
