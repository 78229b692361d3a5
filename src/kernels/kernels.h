// SPDX-License-Identifier: Apache-2.0
// The narrow waist between the model and the machine: every operation of the forward pass as one
// function pointer, numbers in, numbers out. reference.cc holds each in plain loops, the oracle;
// cpu/ holds the same for AVX2 and AVX-512 VNNI. All functions may be called from any thread on
// disjoint outputs.
//
// What each output row holds depends on its own inputs alone, computed in one fixed order: never on
// how many rows are computed together or how the work was cut. So a batch of one equals a batch of
// many bit for bit, within one table of kernels.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "kernels/packed_matrix.h"
#include "redknot/kv_format.h"

namespace redknot {

// A block of activations whose largest magnitude is below this counts as zeros.
inline constexpr float kLeastPeak = 1e-30f;

// Rows of activations rounded with a scale per 32, for integer weights. One digit of 8 bits:
// x = scale * code; two, if low_codes are there: x = scale * (kDigitBase * code + low code).
struct QuantizedRows {
  std::int8_t* codes = nullptr;      // [rows, K], -127..127
  std::int8_t* low_codes = nullptr;  // [rows, K], -127..127; null: one digit
  float* scales = nullptr;           // [rows, K / 32]
  std::int32_t* sums = nullptr;  // [rows, K / 32], of the numbers that scales are multiplied with
};
// Digits of -127..127 write every whole number up to 127 * 254 + 127. A block's sum of products
// with bytes of -128..127 stays below 32 * 128 * 32385 < 2^27.
inline constexpr int kDigitBase = 254;

// output[r, n] (+)= sum over k of input[r, k] * weight[n, k]  (+ bias[n])
//
// Integer weights are multiplied with `quantized` where it is there, bf16 weights with `bf16`, all
// else with `input`: in fp32, integer weights as unpack_panel gives them.
struct Matmul {
  const PackedMatrix* weights = nullptr;
  int first_panel = 0, panel_count = 0;  // outputs 32 * first_panel ...
  int rows = 0;
  const int* input_rows = nullptr;      // [rows]: which input row feeds output row r; null: row r
  const float* input = nullptr;         // [.., K]
  QuantizedRows quantized{};            // [.., K], codes null: none
  const std::uint16_t* bf16 = nullptr;  // [.., K rounded up to even], bits; null: none
  float* output = nullptr;              // [rows, output_stride]
  std::size_t output_stride = 0;
  const float* bias = nullptr;  // [N] or null
  bool accumulate = false;      // add to output
};

// One page of keys and values as it lies in memory (layouts: kv/page_shape.h).
struct PageView {
  KvFormat format = KvFormat::kF16;
  int page_tokens = 0;                    // T, slots: 16, 32, 64 or 128
  int head_dim = 0;                       // D
  std::byte* keys = nullptr;              // [D, T] f16, int8 or f32
  std::byte* values = nullptr;            // [T, D], or blocks of 4-bit elements
  std::uint16_t* key_scales = nullptr;    // f16 [T], of int8 keys
  std::uint16_t* value_scales = nullptr;  // f16 [T], of int8 values; [T, B] of 4-bit ones
  std::uint16_t* key_bounds = nullptr;    // f16 [2, D]: greatest, least; null without
  std::uint16_t* value_minima = nullptr;  // f16 [T, B], of 4-bit values
};

// Slots of a page that one query may attend to: [0, sink_end) and [recent_begin, recent_end).
struct SlotRange {
  int sink_end = 0;
  int recent_begin = 0;
  int recent_end = 0;
};

// Attention state of query rows: weighted sum of values, maximum of the scores, sum of weights.
// Scores are in base 2 (queries carry log2(e)). An empty state is (0, -inf, 0). States over
// disjoint keys merge (FlashInfer, "cascade inference"; Milakov and Gimelshein 2018, section 3).
struct AttentionState {
  float* output = nullptr;   // [rows, padded_dim(D)]
  float* maximum = nullptr;  // [rows]
  float* sum = nullptr;      // [rows]
};
inline constexpr int padded_dim(int head_dim) { return (head_dim + 15) / 16 * 16; }

// Adds one page's keys to the state of query rows of one KV head.
struct AttendPage {
  PageView page;
  int rows = 0;
  const float* queries = nullptr;    // [rows, D], rotated, times log2(e) / sqrt(D)
  const SlotRange* slots = nullptr;  // [rows]
  AttentionState state;
  float* scratch = nullptr;  // attend_scratch_floats(rows, D, T), 64-byte aligned
};
std::size_t attend_scratch_floats(int rows, int head_dim, int page_tokens);

// Rotary embedding of one head, in place or not: cos and sin [dims / 2].
struct Rope {
  const float* cos = nullptr;
  const float* sin = nullptr;
  int dims = 0;
  bool interleaved = false;  // pairs (2i, 2i+1), else (i, i + dims / 2)
};

// The largest power of two that divides the dimension: how many elements Kernels::hadamard mixes.
inline constexpr int hadamard_block(int head_dim) { return head_dim & -head_dim; }

struct Kernels {
  std::string_view name;

  // out[i] = x[i] / sqrt(mean(x^2) + epsilon) * weight[i]   (Zhang and Sennrich 2019)
  void (*rms_norm)(const float* x, const float* weight, float epsilon, int count, float* out);

  // Row `row` of `out` from x [count]; count % 32 == 0. scale = max|x| / 127 over each 32. A NaN is
  // no maximum and becomes 127; next to an infinity the scale is infinite. With low_codes what is
  // left of x / scale is rounded once more, to kDigitBase parts.
  void (*quantize_row)(const float* x, int count, const QuantizedRows& out, int row);

  void (*matmul)(const Matmul& matmul);

  // Whether matmul takes Matmul::bf16, and then: x as BF16, rounded to nearest, ties to even, what
  // is below the normal numbers to 0; with a 0 behind an odd count. Null where it does not.
  //
  // A product of BF16 weights with such rows is a chain of fused multiply-adds in fp32, the second
  // input of each pair first, with numbers below the normal ones taken for 0 and flushed to it:
  // what AVX512-BF16 computes.
  bool multiply_bf16 = false;
  void (*round_row)(const float* x, int count, std::uint16_t* out) = nullptr;

  // gate[i] = gate[i] / (1 + exp(-gate[i])) * up[i]
  void (*silu_multiply)(float* gate, const float* up, int count);

  // out[i] += weight * x[i]
  void (*add_scaled)(float* out, const float* x, float weight, int count);

  // out [head_dim] = rotated x times scale; elements beyond rope.dims are only scaled.
  void (*rotate)(const float* x, const Rope& rope, int head_dim, float scale, float* out);

  // x [head_dim], in place: every hadamard_block(head_dim) elements times the Hadamard matrix of
  // that order over its square root, which is its own inverse and leaves scalar products as they
  // are. It spreads what a few elements hold over all of them, so that one scale fits all
  // (Ashkboos et al. 2024, "QuaRot").
  void (*hadamard)(float* x, int head_dim);

  // Stores a token's key (already rotated) and value in a slot. What the format cannot hold is
  // clamped and NaN becomes 0, so that pages only ever hold finite numbers.
  void (*write_slot)(const PageView& page, int slot, const float* key, const float* value);

  void (*attend_page)(const AttendPage& attend);

  // Writes key_bounds from the keys of all slots, rounded outward, within +-65504.
  void (*bound_keys)(const PageView& page);

  // The most that query . key can be for any key of a page, by its bounds: sum over d of
  // max(query[d] greatest[d], query[d] least[d])   (Tang et al. 2024, "Quest", algorithm 1).
  // query [head_dim], rotated.
  float (*score_page)(const PageView& page, const float* query);

  // into = merge(into, from), rows of padded_dim(head_dim). Merging with an empty state on either
  // side gives the other, bit for bit.
  void (*merge_state)(const AttentionState& from, int rows, int head_dim,
                      const AttentionState& into);

  // For measuring what one thread can do at best: `rounds` of independent multiply-adds (dot
  // products of bytes) in registers. Return the operations done, a multiply-add being two; write
  // kPeakResults floats so that the work is not left out.
  double (*peak_fp32_operations)(int rounds, float* out);
  double (*peak_int8_operations)(int rounds, float* out);
  double (*peak_bf16_operations)(int rounds, float* out) = nullptr;  // null: none, or slow
  // Reads every byte; a multiple of 1024, 64-byte aligned.
  void (*read_memory)(const std::byte* memory, std::size_t bytes, float* out);
};
inline constexpr int kPeakResults = 16;

// "reference" always; "avx2" and "avx512" where this CPU has them. Best last.
std::vector<const Kernels*> available_kernels();

// By name, or the best for "". Null if there is none of that name on this CPU.
const Kernels* find_kernels(std::string_view name);

extern const Kernels kReferenceKernels;

}  // namespace redknot
