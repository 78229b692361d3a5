// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/region.h"
#include "kernels/cpu/tables.h"
#include "kernels/kernels.h"
#include "tensor/half.h"

REDKNOT_BEGIN_TARGET("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
namespace redknot::avx512 {
namespace {
#include "kernels/cpu/simd_avx512.h"
// The shared bodies, compiled for this instruction set.
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/attention-inl.h"
#include "kernels/cpu/matmul-inl.h"
#include "kernels/cpu/peak-inl.h"
}  // namespace
}  // namespace redknot::avx512
REDKNOT_END_TARGET

REDKNOT_BEGIN_TARGET("avx512bf16,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,avx2,fma,f16c")
namespace redknot::avx512 {
namespace {
#include "kernels/cpu/bf16-inl.h"
}  // namespace
}  // namespace redknot::avx512
REDKNOT_END_TARGET

namespace redknot {

const Kernels kAvx512Kernels = {
    .name = "avx512",
    .rms_norm = avx512::rms_norm,
    .quantize_row = avx512::quantize_row,
    .matmul = avx512::matmul,
    .silu_multiply = avx512::silu_multiply,
    .add_scaled = avx512::add_scaled,
    .rotate = avx512::rotate,
    .hadamard = avx512::hadamard,
    .write_slot = avx512::write_slot,
    .attend_page = avx512::attend_page,
    .bound_keys = avx512::bound_keys,
    .score_page = avx512::score_page,
    .merge_state = avx512::merge_state,
    .peak_fp32_operations = avx512::peak_fp32_operations,
    .peak_int8_operations = avx512::peak_int8_operations,
    .read_memory = avx512::read_memory,
};

const Kernels kAvx512Bf16Kernels = [] {
  Kernels kernels = kAvx512Kernels;
  kernels.round_row = avx512::round_row;
  kernels.matmul = avx512::matmul_with_bf16;
  kernels.multiply_bf16 = true;
  kernels.peak_bf16_operations = avx512::peak_bf16_operations;
  return kernels;
}();

}  // namespace redknot
#endif
