// SPDX-License-Identifier: Apache-2.0
#if defined(__x86_64__)
#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "kernels/cpu/region.h"
#include "kernels/cpu/tables.h"
#include "kernels/kernels.h"
#include "tensor/half.h"

REDKNOT_BEGIN_TARGET("avx2,fma,f16c")
namespace redknot::avx2 {
namespace {
#include "kernels/cpu/simd_avx2.h"
// The shared bodies, compiled for this instruction set.
#include "kernels/cpu/elementwise-inl.h"
#include "kernels/cpu/attention-inl.h"
#include "kernels/cpu/matmul-inl.h"
#include "kernels/cpu/peak-inl.h"
}  // namespace
}  // namespace redknot::avx2
REDKNOT_END_TARGET

namespace redknot {

const Kernels kAvx2Kernels = {
    .name = "avx2",
    .rms_norm = avx2::rms_norm,
    .quantize_row = avx2::quantize_row,
    .matmul = avx2::matmul,
    .silu_multiply = avx2::silu_multiply,
    .add_scaled = avx2::add_scaled,
    .rotate = avx2::rotate,
    .hadamard = avx2::hadamard,
    .write_slot = avx2::write_slot,
    .attend_page = avx2::attend_page,
    .bound_keys = avx2::bound_keys,
    .score_page = avx2::score_page,
    .merge_state = avx2::merge_state,
    .peak_fp32_operations = avx2::peak_fp32_operations,
    .peak_int8_operations = avx2::peak_int8_operations,
    .read_memory = avx2::read_memory,
};

}  // namespace redknot
#endif
