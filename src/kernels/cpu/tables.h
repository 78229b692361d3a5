// SPDX-License-Identifier: Apache-2.0
// The tables of the x86 kernels, for kernels.cc to choose from after asking the CPU.
#pragma once

#include "kernels/kernels.h"

namespace redknot {

#if defined(__x86_64__)
extern const Kernels kAvx2Kernels;
extern const Kernels kAvx512Kernels;
extern const Kernels kAvx512Bf16Kernels;  // the same, and BF16 inputs
#endif

}  // namespace redknot
