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

// The input rows of an integer tile, one block after the other.
template <int R>
struct CodeRows {
  const std::int8_t* codes[R];
  const std::int8_t* low_codes[R];  // null: one digit
  const float* scales[R];
  const std::int32_t* sums[R];
};

template <int R>
REDKNOT_INLINE CodeRows<R> code_rows_from(const Matmul& m, int first_row) {
  const auto inputs = static_cast<std::size_t>(m.weights->inputs);
  const InputRows<R> rows = rows_from<R>(m, first_row);
  CodeRows<R> out;
  for (int r = 0; r < R; ++r) {
    const std::size_t first = rows.at[r] * inputs;
    out.codes[r] = m.quantized.codes + first;
    out.low_codes[r] = m.quantized.low_codes == nullptr ? nullptr : m.quantized.low_codes + first;
    out.scales[r] = m.quantized.scales + first / kQuantBlock;
    out.sums[r] = m.quantized.sums + first / kQuantBlock;
  }
  return out;
}

template <int R, int V>
struct Dots {
  Ints at[R][V];
};

// dots[r][v] += products of a block's 32 weights, unsigned, with a digit of row r.
template <WeightFormat F, int R, int V>
REDKNOT_INLINE void add_dots(const std::byte* weights, const std::int8_t* const (&codes)[R],
                             std::size_t b, Dots<R, V>& dots) {
  constexpr int kGroups = F == WeightFormat::kInt8 ? 8 : 4;
#pragma GCC unroll 8
  for (int group = 0; group < kGroups; ++group) {
    Ints weight[V], high[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      weight[v] = load_bytes(weights + group * 128 + v * kLanes * 4);
      if constexpr (F != WeightFormat::kInt8) {
        high[v] = high_nibbles(weight[v]);
        weight[v] = low_nibbles(weight[v]);
      }
    }
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const std::int8_t* at = codes[r] + b * kQuantBlock + static_cast<std::size_t>(group) * 4;
      const Ints first = broadcast_codes(at);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) {
        Ints& dot = dots.at[r][v];
        if constexpr (F == WeightFormat::kInt8) {
          dot = dot_accumulate(dot, weight[v], first);
        } else {
          dot = dot_accumulate_nibbles(dot, weight[v], first);
          dot = dot_accumulate_nibbles(dot, high[v], broadcast_codes(at + 16));
        }
      }
    }
  }
}

// One block of 32 inputs: sums[r][v] += weight scale * input scale * (integer dot product). Of two
// digits the first makes a dot product, times kDigitBase, which the second adds to.
template <WeightFormat F, bool kTwoDigits, int R, int V>
REDKNOT_INLINE void add_block(const std::byte* block, int first_vector, const CodeRows<R>& rows,
                              std::size_t b, Sums<R, V>& sums) {
  constexpr int kOffset = F == WeightFormat::kInt8 ? 128 : F == WeightFormat::kInt4 ? 8 : 0;
  constexpr int kCodeBytes = F == WeightFormat::kInt8 ? 1024 : 512;
  const std::byte* weights = block + first_vector * kLanes * 4;
  const std::byte* halves = block + kCodeBytes + first_vector * kLanes * 2;
  Dots<R, V> dots;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Ints start = broadcast(kTwoDigits ? 0 : -kOffset * rows.sums[r][b]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) dots.at[r][v] = start;
  }
  add_dots<F, R, V>(weights, rows.codes, b, dots);
  if constexpr (kTwoDigits) {
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Ints start = broadcast(-kOffset * rows.sums[r][b]);
#pragma GCC unroll 8
      for (int v = 0; v < V; ++v) dots.at[r][v] = add(times(dots.at[r][v], kDigitBase), start);
    }
    add_dots<F, R, V>(weights, rows.low_codes, b, dots);
  }
#pragma GCC unroll 8
  for (int v = 0; v < V; ++v) {
    const Floats weight_scale = load_f16(halves + v * kLanes * 2);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Floats scale = weight_scale * broadcast(rows.scales[r][b]);
      sums.at[r][v] = fma(to_floats(dots.at[r][v]), scale, sums.at[r][v]);
    }
    if constexpr (F == WeightFormat::kInt4Min) {
      const Floats weight_min = load_f16(halves + 64 + v * kLanes * 2);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) {
        const float input_sum = static_cast<float>(rows.sums[r][b]) * rows.scales[r][b];
        sums.at[r][v] = fma(weight_min, broadcast(input_sum), sums.at[r][v]);
      }
    }
  }
}

template <WeightFormat F>
inline constexpr std::size_t kBlockBytes = F == WeightFormat::kInt8   ? 1088
                                           : F == WeightFormat::kInt4 ? 576
                                                                      : 640;

// How a tile makes its sums.
enum class Arithmetic { kFloat, kOneDigit, kTwoDigits };

template <WeightFormat F, Arithmetic A, int R, int V>
REDKNOT_INLINE void integer_sums(const Matmul& m, const std::byte* panel, int first_vector,
                                 int first_row, Sums<R, V>& sums) {
  const std::size_t blocks = static_cast<std::size_t>(m.weights->inputs) / kQuantBlock;
  const CodeRows<R> rows = code_rows_from<R>(m, first_row);
  const std::byte* block = panel;
  for (std::size_t b = 0; b < blocks; ++b, block += kBlockBytes<F>) {
    add_block<F, A == Arithmetic::kTwoDigits, R, V>(block, first_vector, rows, b, sums);
  }
}

// One input of the rows, times the weights at [v] of V vectors.
template <int R, int V>
REDKNOT_INLINE void add_input(const float* const (&input)[R], int k, const Floats (&weight)[V],
                              Sums<R, V>& sums) {
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
    const Floats x = broadcast(input[r][k]);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) sums.at[r][v] = fma(x, weight[v], sums.at[r][v]);
  }
}

// `count` inputs from `input[r]` on, times weights [count][32] of f32 or f16.
template <WeightFormat F, int R, int V>
REDKNOT_INLINE void add_inputs(const float* const (&input)[R], int count, const std::byte* at,
                               Sums<R, V>& sums) {
  constexpr std::size_t kElement = F == WeightFormat::kF32 ? 4 : 2;
  for (int k = 0; k < count; ++k, at += kPanelColumns * kElement) {
    Floats weight[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const std::byte* vector = at + static_cast<std::size_t>(v) * kLanes * kElement;
      if constexpr (F == WeightFormat::kF32) {
        weight[v] = load(reinterpret_cast<const float*>(vector));
      } else {
        weight[v] = load_f16(vector);
      }
    }
    add_input<R, V>(input, k, weight, sums);
  }
}

// The same for bf16, whose weights lie in pairs of inputs.
template <int R, int V>
REDKNOT_INLINE void add_paired_inputs(const float* const (&input)[R], int count,
                                      const std::byte* at, Sums<R, V>& sums) {
  for (int k = 0; k < count; k += 2, at += kPanelColumns * 4) {
    Ints pairs[V];
    Floats weight[V];
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      pairs[v] = load_bytes(at + static_cast<std::size_t>(v) * kLanes * 4);
      weight[v] = first_bf16(pairs[v]);
    }
    add_input<R, V>(input, k, weight, sums);
    if (k + 1 == count) return;
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) weight[v] = second_bf16(pairs[v]);
    add_input<R, V>(input, k + 1, weight, sums);
  }
}

template <WeightFormat F, int R, int V>
REDKNOT_INLINE void float_sums(const Matmul& m, const std::byte* panel, int first_vector,
                               int first_row, Sums<R, V>& sums) {
  const InputRows<R> rows = rows_from<R>(m, first_row);
  const float* input[R];
  for (int r = 0; r < R; ++r) {
    input[r] = m.input + rows.at[r] * static_cast<std::size_t>(m.weights->inputs);
  }
  constexpr std::size_t kBytes = F == WeightFormat::kF16 ? 2 : 4;  // bf16: of a pair
  const std::byte* at = panel + static_cast<std::size_t>(first_vector) * kLanes * kBytes;
  if constexpr (F == WeightFormat::kBF16) {
    add_paired_inputs<R, V>(input, m.weights->inputs, at, sums);
  } else {
    add_inputs<F, R, V>(input, m.weights->inputs, at, sums);
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

template <WeightFormat F, Arithmetic A, int R>
void multiply_tile(const Matmul& m, int panel_index, int first_row) {
  constexpr int kVectors = kPanelColumns / kLanes;
  const std::byte* panel = m.weights->panel(panel_index);
  for (int v = 0; v < kVectors; v += kColumnTile) {
    Sums<R, kColumnTile> sums;
    for (int r = 0; r < R; ++r) {
      for (int c = 0; c < kColumnTile; ++c) sums.at[r][c] = zeros();
    }
    if constexpr (A == Arithmetic::kFloat) {
      float_sums<F, R, kColumnTile>(m, panel, v, first_row, sums);
    } else {
      integer_sums<F, A, R, kColumnTile>(m, panel, v, first_row, sums);
    }
    store_sums<R, kColumnTile>(m, panel_index * kPanelColumns + v * kLanes, first_row, sums);
  }
}

template <WeightFormat F, Arithmetic A, int R>
void multiply_rest(const Matmul& m, int panel, int first_row, int rows) {
  if constexpr (R > 0) {
    if (rows == R) {
      multiply_tile<F, A, R>(m, panel, first_row);
    } else {
      multiply_rest<F, A, R - 1>(m, panel, first_row, rows);
    }
  }
}

template <WeightFormat F, Arithmetic A>
void multiply(const Matmul& m) {
  for (int panel = m.first_panel; panel < m.first_panel + m.panel_count; ++panel) {
    int row = 0;
    for (; row + kRowTile <= m.rows; row += kRowTile) multiply_tile<F, A, kRowTile>(m, panel, row);
    multiply_rest<F, A, kRowTile - 1>(m, panel, row, m.rows - row);
  }
}

// Integer weights as floats, for inputs that are not rounded. A tile of kTileInputs of a panel is
// widened once for kGroupRows rows, whose sums wait in memory meanwhile; both stay in the L1 cache.
inline constexpr int kTileInputs = 128;
inline constexpr int kGroupRows = 96;  // whole tiles of kRowTile

// out [32 inputs][32 outputs]
template <WeightFormat F>
REDKNOT_INLINE void widen_block(const std::byte* block, float* out) {
  constexpr bool kBytes = F == WeightFormat::kInt8;
  constexpr int kOffset = kBytes ? -128 : F == WeightFormat::kInt4 ? -8 : 0;
  const std::byte* halves = block + (kBytes ? 1024 : 512);
  for (int first = 0; first < kPanelColumns; first += kLanes) {
    const Floats scale = load_f16(halves + first * 2);
    const Floats min = F == WeightFormat::kInt4Min ? load_f16(halves + 64 + first * 2) : zeros();
    const auto place = [&](Ints codes, int group) {
      for (unsigned i = 0; i < 4; ++i) {
        const Ints code = add(lane_byte(codes, i), broadcast(std::int32_t{kOffset}));
        Floats weight = to_floats(code) * scale;
        if constexpr (F == WeightFormat::kInt4Min) weight = weight + min;
        store(out + (group * 4 + static_cast<int>(i)) * kPanelColumns + first, weight);
      }
    };
    for (int group = 0; group < (kBytes ? 8 : 4); ++group) {
      const Ints codes = load_bytes(block + group * 128 + first * 4);
      if constexpr (kBytes) {
        place(codes, group);
      } else {
        place(low_nibbles(codes), group);
        place(high_nibbles(codes), group + 4);
      }
    }
  }
}

// Adds the products of `count` inputs from `k` on to the sums [rows][32] of R rows.
template <int R>
void add_widened(const Matmul& m, int first_row, int k, int count, const float* weights,
                 float* sums) {
  const InputRows<R> rows = rows_from<R>(m, first_row);
  const float* input[R];
  for (int r = 0; r < R; ++r) {
    input[r] = m.input + rows.at[r] * static_cast<std::size_t>(m.weights->inputs) + k;
  }
  for (int first = 0; first < kPanelColumns; first += kColumnTile * kLanes) {
    Sums<R, kColumnTile> tile;
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kColumnTile; ++v) {
        tile.at[r][v] = load(sums + r * kPanelColumns + first + v * kLanes);
      }
    }
    add_inputs<WeightFormat::kF32, R, kColumnTile>(
        input, count, reinterpret_cast<const std::byte*>(weights + first), tile);
    for (int r = 0; r < R; ++r) {
      for (int v = 0; v < kColumnTile; ++v) {
        store(sums + r * kPanelColumns + first + v * kLanes, tile.at[r][v]);
      }
    }
  }
}

template <int R>
void add_widened_rest(const Matmul& m, int first_row, int rows, int k, int count,
                      const float* weights, float* sums) {
  if constexpr (R > 0) {
    if (rows == R) {
      add_widened<R>(m, first_row, k, count, weights, sums);
    } else {
      add_widened_rest<R - 1>(m, first_row, rows, k, count, weights, sums);
    }
  }
}

REDKNOT_INLINE void store_widened(const Matmul& m, int panel, int first_row, int rows,
                                  const float* sums) {
  for (int row = 0; row < rows; ++row, sums += kPanelColumns) {
    for (int first = 0; first < kPanelColumns; first += kColumnTile * kLanes) {
      Sums<1, kColumnTile> tile;
      for (int v = 0; v < kColumnTile; ++v) tile.at[0][v] = load(sums + first + v * kLanes);
      store_sums<1, kColumnTile>(m, panel * kPanelColumns + first, first_row + row, tile);
    }
  }
}

// kGroupRows rows at most of one panel.
template <WeightFormat F>
void multiply_widened_rows(const Matmul& m, int panel, int first_row, int rows) {
  alignas(64) float weights[kTileInputs * kPanelColumns];
  alignas(64) float sums[kGroupRows * kPanelColumns];
  for (int i = 0; i < rows * kPanelColumns; i += kLanes) store(sums + i, zeros());
  const std::byte* block = m.weights->panel(panel);
  for (int k = 0; k < m.weights->inputs; k += kTileInputs) {
    const int rest = m.weights->inputs - k;
    const int count = rest < kTileInputs ? rest : kTileInputs;
    for (int i = 0; i < count; i += kQuantBlock, block += kBlockBytes<F>) {
      widen_block<F>(block, weights + i * kPanelColumns);
    }
    int row = 0;
    for (; row + kRowTile <= rows; row += kRowTile) {
      add_widened<kRowTile>(m, first_row + row, k, count, weights, sums + row * kPanelColumns);
    }
    add_widened_rest<kRowTile - 1>(m, first_row + row, rows - row, k, count, weights,
                                   sums + row * kPanelColumns);
  }
  store_widened(m, panel, first_row, rows, sums);
}

template <WeightFormat F>
void multiply_widened(const Matmul& m) {
  for (int panel = m.first_panel; panel < m.first_panel + m.panel_count; ++panel) {
    for (int row = 0; row < m.rows; row += kGroupRows) {
      const int rest = m.rows - row;
      multiply_widened_rows<F>(m, panel, row, rest < kGroupRows ? rest : kGroupRows);
    }
  }
}

template <WeightFormat F>
void multiply_integer(const Matmul& m) {
  if (m.quantized.codes == nullptr) return multiply_widened<F>(m);
  if (m.quantized.low_codes == nullptr) return multiply<F, Arithmetic::kOneDigit>(m);
  multiply<F, Arithmetic::kTwoDigits>(m);
}

void matmul(const Matmul& m) {
  switch (m.weights->format) {
    case WeightFormat::kF32:
      return multiply<WeightFormat::kF32, Arithmetic::kFloat>(m);
    case WeightFormat::kF16:
      return multiply<WeightFormat::kF16, Arithmetic::kFloat>(m);
    case WeightFormat::kBF16:
      return multiply<WeightFormat::kBF16, Arithmetic::kFloat>(m);
    case WeightFormat::kInt8:
      return multiply_integer<WeightFormat::kInt8>(m);
    case WeightFormat::kInt4:
      return multiply_integer<WeightFormat::kInt4>(m);
    case WeightFormat::kInt4Min:
      return multiply_integer<WeightFormat::kInt4Min>(m);
  }
}
