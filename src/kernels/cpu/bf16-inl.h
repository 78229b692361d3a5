// SPDX-License-Identifier: Apache-2.0
// Products of BF16 weights with BF16 inputs. Included once, for AVX-512 with BF16.
//
// One instruction adds the products of a pair of inputs to a sum, the second of the pair first:
// twice the operations of an fp32 multiply-add. A tile is 12 rows by 2 vectors, 24 sums, so that a
// weight is loaded once per 12 rows and the instruction's latency is hidden.
#pragma once

inline constexpr int kPairRowTile = 12;

REDKNOT_INLINE __m512bh as_pairs(Ints x) {
  __m512bh pairs;
  static_assert(sizeof(pairs) == sizeof(x));
  __builtin_memcpy(&pairs, &x, sizeof(pairs));
  return pairs;
}

void round_row(const float* x, int count, std::uint16_t* out) {
  for (int i = 0; i < count; i += kLanes) {
    const int rest = count - i;
    const auto mask = static_cast<__mmask16>(rest < kLanes ? (1u << rest) - 1u : 0xffffu);
    const __m256bh rounded = _mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, x + i));
    __m256i bits;
    __builtin_memcpy(&bits, &rounded, sizeof(bits));
    _mm256_mask_storeu_epi16(out + i, mask, bits);
  }
  if (count % 2 != 0) out[count] = 0;
}

template <int R>
void multiply_pairs_tile(const Matmul& m, int panel, int first_row) {
  static_assert(kColumnTile * kLanes == kPanelColumns);
  const InputRows<R> rows = rows_from<R>(m, first_row);
  const int pairs = (m.weights->inputs + 1) / 2;
  const std::uint16_t* input[R];
  Sums<R, kColumnTile> sums;
  for (int r = 0; r < R; ++r) {
    input[r] = m.bf16 + rows.at[r] * static_cast<std::size_t>(pairs) * 2;
    for (int v = 0; v < kColumnTile; ++v) sums.at[r][v] = zeros();
  }
  const std::byte* at = m.weights->panel(panel);
  for (int pair = 0; pair < pairs; ++pair, at += kPanelColumns * 4) {
    const __m512bh first = as_pairs(load_bytes(at));
    const __m512bh second = as_pairs(load_bytes(at + kLanes * 4));
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
      std::int32_t both;
      __builtin_memcpy(&both, input[r] + 2 * pair, sizeof(both));
      const __m512bh x = as_pairs(broadcast(both));
      sums.at[r][0] = _mm512_dpbf16_ps(sums.at[r][0], x, first);
      sums.at[r][1] = _mm512_dpbf16_ps(sums.at[r][1], x, second);
    }
  }
  store_sums<R, kColumnTile>(m, panel * kPanelColumns, first_row, sums);
}

template <int R>
void multiply_pairs_rest(const Matmul& m, int panel, int first_row, int rows) {
  if constexpr (R > 0) {
    if (rows == R) {
      multiply_pairs_tile<R>(m, panel, first_row);
    } else {
      multiply_pairs_rest<R - 1>(m, panel, first_row, rows);
    }
  }
}

double peak_bf16_operations(int rounds, float* out) {
  Floats sums[kPeakSums];
  for (int i = 0; i < kPeakSums; ++i) sums[i] = broadcast(static_cast<float>(i));
  const __m512bh factor = as_pairs(broadcast(std::int32_t{0x3f003f00}));
  for (int round = 0; round < rounds; ++round) {
#pragma GCC unroll 16
    for (int i = 0; i < kPeakSums; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], factor, factor);
  }
  for (int i = 0; i < kPeakSums; ++i) out[i] = lanes_sum(sums[i]);
  return 4.0 * kLanes * kPeakSums * rounds;
}

void matmul_with_bf16(const Matmul& m) {
  if (m.weights->format != WeightFormat::kBF16 || m.bf16 == nullptr) return matmul(m);
  for (int panel = m.first_panel; panel < m.first_panel + m.panel_count; ++panel) {
    int row = 0;
    for (; row + kPairRowTile <= m.rows; row += kPairRowTile) {
      multiply_pairs_tile<kPairRowTile>(m, panel, row);
    }
    multiply_pairs_rest<kPairRowTile - 1>(m, panel, row, m.rows - row);
  }
}
