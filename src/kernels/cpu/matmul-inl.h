// SPDX-License-Identifier: Apache-2.0
// Matrix products over packed panels. Included once per instruction set.
//
// A tile is R input rows by V vectors of outputs; R = kRowTile for many rows and what is left over
// otherwise. Sums stay in registers over the whole reduction, so each weight is loaded once per R
// rows. One row is bound by memory (1,088 bytes a block against 16 dot instructions), many rows by
// the dot instructions: 8 + 3 per sum and block of 32, at best 73 % of the integer peak.
#pragma once

template <int R, int V>
struct Sums {
  Floats at[R][V];
};

template <int R>
struct InputRows {
  std::size_t at[R];
};

template <int R>
REDKNOT_INLINE InputRows<R> rows_from(const Matmul& m, int first) {
  InputRows<R> rows;
  for (int r = 0; r < R; ++r) {
    rows.at[r] =
        static_cast<std::size_t>(m.input_rows == nullptr ? first + r : m.input_rows[first + r]);
  }
  return rows;
}

REDKNOT_INLINE Ints broadcast_codes(const std::int8_t* codes) {
  std::int32_t four;
  __builtin_memcpy(&four, codes, sizeof(four));
  return broadcast(four);
}

// One block of 32 inputs: sums[r][v] += weight scale * input scale * (integer dot product).
template <WeightFormat F, int R, int V>
REDKNOT_INLINE void add_block(const std::byte* block, int first_vector,
                              const std::int8_t* const (&codes)[R], const float* const (&scales)[R],
                              const std::int32_t* const (&code_sums)[R], std::size_t b,
                              Sums<R, V>& sums) {
  constexpr int kOffset = F == WeightFormat::kInt8 ? 128 : F == WeightFormat::kInt4 ? 8 : 0;
  constexpr int kCodeBytes = F == WeightFormat::kInt8 ? 1024 : 512;
  const std::byte* weights = block + first_vector * kLanes * 4;
  const std::byte* halves = block + kCodeBytes + first_vector * kLanes * 2;
  Ints dots[R][V];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Ints start = broadcast(-kOffset * code_sums[r][b]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) dots[r][v] = start;
  }
  if constexpr (F == WeightFormat::kInt8) {
#pragma GCC unroll 8
    for (int group = 0; group < 8; ++group) {
      Ints weight[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) weight[v] = load_bytes(weights + group * 128 + v * kLanes * 4);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const Ints input = broadcast_codes(codes[r] + b * 32 + static_cast<std::size_t>(group) * 4);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) dots[r][v] = dot_accumulate(dots[r][v], weight[v], input);
      }
    }
  } else {
#pragma GCC unroll 4
    for (int group = 0; group < 4; ++group) {
      Ints low[V], high[V];
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        const Ints both = load_bytes(weights + group * 128 + v * kLanes * 4);
        low[v] = low_nibbles(both);
        high[v] = high_nibbles(both);
      }
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const std::int8_t* at = codes[r] + b * 32 + static_cast<std::size_t>(group) * 4;
        const Ints first = broadcast_codes(at);
        const Ints second = broadcast_codes(at + 16);
#pragma GCC unroll 8
        for (int v = 0; v < V; ++v) {
          dots[r][v] = dot_accumulate_nibbles(dots[r][v], low[v], first);
          dots[r][v] = dot_accumulate_nibbles(dots[r][v], high[v], second);
        }
      }
    }
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    const Floats weight_scale = load_f16(halves + v * kLanes * 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Floats scale = weight_scale * broadcast(scales[r][b]);
      sums.at[r][v] = fma(to_floats(dots[r][v]), scale, sums.at[r][v]);
    }
    if constexpr (F == WeightFormat::kInt4Min) {
      const Floats weight_min = load_f16(halves + 64 + v * kLanes * 2);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float input_sum = static_cast<float>(code_sums[r][b]) * scales[r][b];
        sums.at[r][v] = fma(weight_min, broadcast(input_sum), sums.at[r][v]);
      }
    }
  }
}

template <WeightFormat F, int R, int V>
REDKNOT_INLINE void integer_sums(const Matmul& m, const std::byte* panel, int first_vector,
                                 int first_row, Sums<R, V>& sums) {
  const auto inputs = static_cast<std::size_t>(m.weights->inputs);
  const std::size_t blocks = inputs / kQuantBlock;
  const InputRows<R> rows = rows_from<R>(m, first_row);
  const std::int8_t* codes[R];
  const float* scales[R];
  const std::int32_t* code_sums[R];
  for (int r = 0; r < R; ++r) {
    codes[r] = m.quantized.codes + rows.at[r] * inputs;
    scales[r] = m.quantized.scales + rows.at[r] * blocks;
    code_sums[r] = m.quantized.sums + rows.at[r] * blocks;
  }
  constexpr std::size_t kBytes = F == WeightFormat::kInt8   ? 1088
                                 : F == WeightFormat::kInt4 ? 576
                                                            : 640;
  const std::byte* block = panel;
  for (std::size_t b = 0; b < blocks; ++b, block += kBytes) {
    add_block<F, R, V>(block, first_vector, codes, scales, code_sums, b, sums);
  }
}

template <WeightFormat F>
REDKNOT_INLINE Floats load_weights(const std::byte* at) {
  if constexpr (F == WeightFormat::kF32) return load(reinterpret_cast<const float*>(at));
  if constexpr (F == WeightFormat::kF16) return load_f16(at);
  return load_bf16(at);
}

template <WeightFormat F, int R, int V>
REDKNOT_INLINE void float_sums(const Matmul& m, const std::byte* panel, int first_vector,
                               int first_row, Sums<R, V>& sums) {
  constexpr std::size_t kElement = F == WeightFormat::kF32 ? 4 : 2;
  const InputRows<R> rows = rows_from<R>(m, first_row);
  const float* input[R];
  for (int r = 0; r < R; ++r) {
    input[r] = m.input + rows.at[r] * static_cast<std::size_t>(m.weights->inputs);
  }
  const std::byte* at = panel + static_cast<std::size_t>(first_vector) * kLanes * kElement;
  for (int k = 0; k < m.weights->inputs; ++k, at += kPanelColumns * kElement) {
    Floats weight[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      weight[v] = load_weights<F>(at + static_cast<std::size_t>(v) * kLanes * kElement);
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Floats x = broadcast(input[r][k]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) sums.at[r][v] = fma(x, weight[v], sums.at[r][v]);
    }
  }
}

// Adds bias, adds to what is there, and stores the outputs that exist.
template <int R, int V>
REDKNOT_INLINE void store_sums(const Matmul& m, int first_column, int first_row,
                               const Sums<R, V>& sums) {
  for (int r = 0; r < R; ++r) {
    float* out = m.output + static_cast<std::size_t>(first_row + r) * m.output_stride;
    for (int v = 0; v < V; ++v) {
      const int column = first_column + v * kLanes;
      if (column + kLanes <= m.weights->outputs) {
        Floats value = sums.at[r][v];
        if (m.bias != nullptr) value += load(m.bias + column);
        if (m.accumulate) value += load(out + column);
        store(out + column, value);
        continue;
      }
      float lanes[kLanes];
      store(lanes, sums.at[r][v]);
      for (int i = 0; column + i < m.weights->outputs; ++i) {
        float value = lanes[i];
        if (m.bias != nullptr) value += m.bias[column + i];
        out[column + i] = m.accumulate ? out[column + i] + value : value;
      }
    }
  }
}

template <WeightFormat F, int R>
void multiply_tile(const Matmul& m, int panel_index, int first_row) {
  constexpr int kVectors = kPanelColumns / kLanes;
  const std::byte* panel = m.weights->panel(panel_index);
  for (int v = 0; v < kVectors; v += kColumnTile) {
    Sums<R, kColumnTile> sums;
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < kColumnTile; ++c) sums.at[r][c] = zeros();
    }
    if constexpr (F >= WeightFormat::kInt8) {
      integer_sums<F, R, kColumnTile>(m, panel, v, first_row, sums);
    } else {
      float_sums<F, R, kColumnTile>(m, panel, v, first_row, sums);
    }
    store_sums<R, kColumnTile>(m, panel_index * kPanelColumns + v * kLanes, first_row, sums);
  }
}

template <WeightFormat F, int R>
void multiply_rest(const Matmul& m, int panel, int first_row, int rows) {
  if constexpr (R > 0) {
    if (rows == R) {
      multiply_tile<F, R>(m, panel, first_row);
    } else {
      multiply_rest<F, R - 1>(m, panel, first_row, rows);
    }
  }
}

template <WeightFormat F>
void multiply(const Matmul& m) {
  for (int panel = m.first_panel; panel < m.first_panel + m.panel_count; ++panel) {
    int row = 0;
    for (; row + kRowTile <= m.rows; row += kRowTile) multiply_tile<F, kRowTile>(m, panel, row);
    multiply_rest<F, kRowTile - 1>(m, panel, row, m.rows - row);
  }
}

void matmul(const Matmul& m) {
  switch (m.weights->format) {
    case WeightFormat::kF32:
      return multiply<WeightFormat::kF32>(m);
    case WeightFormat::kF16:
      return multiply<WeightFormat::kF16>(m);
    case WeightFormat::kBF16:
      return multiply<WeightFormat::kBF16>(m);
    case WeightFormat::kInt8:
      return multiply<WeightFormat::kInt8>(m);
    case WeightFormat::kInt4:
      return multiply<WeightFormat::kInt4>(m);
    case WeightFormat::kInt4Min:
      return multiply<WeightFormat::kInt4Min>(m);
  }
}
