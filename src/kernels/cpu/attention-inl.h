// SPDX-License-Identifier: Apache-2.0
// SegPagedAttention, one page at a time. Included once per instruction set.
//
// Scores are queries [rows, D] times keys [D, T], the sum is weights [rows, T] times values [T, D]:
// the same small matrix product twice, in tiles of kRowTile rows by kWideTile vectors. Up to
// kRowTile rows read the page once, widening in registers (decode: bound by memory, 4*D bytes a
// token against 4*rows*D operations). More rows share a page widened once to floats in scratch
// memory that stays in L1 and L2. Both widen to the same floats, so they agree bit for bit.
#pragma once

// Where the right-hand matrix of the product comes from: element (k, column + v * kLanes ...).
struct FloatSource {
  const float* base;
  std::ptrdiff_t stride;
  REDKNOT_INLINE Floats at(int k, int column) const { return load(base + k * stride + column); }
};
struct HalfSource {
  const std::byte* base;
  std::ptrdiff_t stride;
  REDKNOT_INLINE const std::byte* address(int k, int column) const {
    return base + (k * stride + column) * 2;
  }
  REDKNOT_INLINE Floats at(int k, int column) const { return load_f16(address(k, column)); }
};
struct ByteKeySource {
  const std::byte* base;
  std::ptrdiff_t stride;
  const float* scales;  // by column: one token each
  REDKNOT_INLINE const std::byte* address(int k, int column) const {
    return base + k * stride + column;
  }
  REDKNOT_INLINE Floats at(int k, int column) const {
    return load_i8(address(k, column)) * load(scales + column);
  }
};
struct ByteValueSource {
  const std::byte* base;
  std::ptrdiff_t stride;
  const float* scales;  // by k: one token each
  REDKNOT_INLINE const std::byte* address(int k, int column) const {
    return base + k * stride + column;
  }
  REDKNOT_INLINE Floats at(int k, int column) const {
    return load_i8(address(k, column)) * broadcast(scales[k]);
  }
};

struct NibbleValueSource {
  const std::byte* base;
  std::ptrdiff_t stride;         // bytes of a token
  const float *scales, *minima;  // [tokens, blocks]
  int blocks;
  REDKNOT_INLINE const std::byte* address(int k, int column) const {
    return base + k * stride + column / kValueBlock * (kValueBlock / 2);
  }
  REDKNOT_INLINE Floats at(int k, int column) const {
    const int block = k * blocks + column / kValueBlock;
    const std::byte* from = address(k, column) + column % (kValueBlock / 2);
    return fma(load_nibbles(from, (column & 16) / 4), broadcast(scales[block]),
               broadcast(minima[block]));
  }
};

// A part of a page is a stream of a few KiB, too short for the hardware to run far ahead of.
// Without this a decode over 188 MB of KV moved 28 to 32 GB/s, with it 36 (D = 64, 2 threads; 1 and
// 4 KiB are no better).
inline constexpr std::ptrdiff_t kPrefetchBytes = 2048;

template <int V, typename Source>
REDKNOT_INLINE void prefetch_ahead(const Source& source, int k, int column) {
  const std::byte* first = source.address(k, column);
  const std::ptrdiff_t bytes = source.address(k, column + V * kLanes) - first;
#pragma GCC unroll 4
  for (std::ptrdiff_t at = 0; at < bytes; at += 64) {
    __builtin_prefetch(first + kPrefetchBytes + at, 0, 2);
  }
}
// What is widened already lies in the cache.
template <int V>
REDKNOT_INLINE void prefetch_ahead(const FloatSource&, int, int) {}

// out[r, column...] = keep[r] * out[r, column...] + sum over k in [begin, end) of left[r, k] *
// right(k, column...); keep null: nothing is there yet.
struct Product {
  const float* left;
  std::ptrdiff_t left_stride;
  int begin, end;
  float* out;
  std::ptrdiff_t out_stride;
  const float* keep;
};

template <int R, int V, typename Source>
REDKNOT_INLINE void multiply_strip(const Product& p, const Source& right, int row, int column) {
  Floats sums[R][V];
  float* out = p.out + row * p.out_stride + column;
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      sums[r][v] = p.keep == nullptr
                       ? zeros()
                       : load(out + r * p.out_stride + v * kLanes) * broadcast(p.keep[row + r]);
    }
  }
  const float* left = p.left + row * p.left_stride;
  for (int k = p.begin; k < p.end; ++k) {
    Floats x[R];
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) x[r] = broadcast(left[r * p.left_stride + k]);
    prefetch_ahead<V>(right, k, column);
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) {
      const Floats y = right.at(k, column + v * kLanes);
#pragma GCC unroll 8
      for (int r = 0; r < R; ++r) sums[r][v] = fma(x[r], y, sums[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < V; ++v) store(out + r * p.out_stride + v * kLanes, sums[r][v]);
  }
}

template <int R, typename Source>
void multiply_columns(const Product& p, const Source& right, int row, int begin, int end) {
  int column = begin;
  for (; column + 4 * kLanes <= end; column += 4 * kLanes) {
    multiply_strip<R, 4>(p, right, row, column);
  }
  if (column + 2 * kLanes <= end) {
    multiply_strip<R, 2>(p, right, row, column);
    column += 2 * kLanes;
  }
  if (column < end) multiply_strip<R, 1>(p, right, row, column);
}

template <int R, typename Source>
void multiply_last_rows(const Product& p, const Source& right, int row, int rows, int begin,
                        int end) {
  if constexpr (R > 0) {
    if (rows == R) {
      multiply_columns<R>(p, right, row, begin, end);
    } else {
      multiply_last_rows<R - 1>(p, right, row, rows, begin, end);
    }
  }
}

// Columns [begin, end), whole vectors.
template <typename Source>
void multiply_all(const Product& p, const Source& right, int rows, int begin, int end) {
  int row = 0;
  for (; row + kRowTile <= rows; row += kRowTile) {
    multiply_columns<kRowTile>(p, right, row, begin, end);
  }
  multiply_last_rows<kRowTile - 1>(p, right, row, rows - row, begin, end);
}

// Writes [k in begin..end, columns in first..last] of a source as floats.
template <typename Source>
REDKNOT_INLINE FloatSource widen(const Source& source, int begin, int end, int first, int last,
                                 int stride, float* out) {
  for (int k = begin; k < end; ++k) {
    for (int column = first; column < last; column += kLanes) {
      store(out + static_cast<std::ptrdiff_t>(k) * stride + column, source.at(k, column));
    }
  }
  return {out, stride};
}

// The same for rows of a width that is no whole number of vectors; the padding becomes zero.
REDKNOT_INLINE FloatSource widen_odd_values(const PageView& page, const float* scales, int begin,
                                            int end, float* out) {
  const int dim = page.head_dim;
  const int stride = padded_dim(dim);
  for (int t = begin; t < end; ++t) {
    for (int d = 0; d < stride; ++d) {
      float value = 0.0f;
      const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(t) * dim + d;
      if (d < dim && page.format == KvFormat::kK8V4) {
        const int block = t * value_blocks(dim) + d / kValueBlock;
        const auto byte = static_cast<unsigned>(page.values[block * (kValueBlock / 2) + d % 16]);
        const unsigned code = d % kValueBlock < 16 ? byte & 15 : byte >> 4;
        value = __builtin_fmaf(static_cast<float>(code), scales[block],
                               f16_to_f32(page.value_minima[block]));
      } else if (d < dim && page.format == KvFormat::kQ8) {
        value =
            static_cast<float>(reinterpret_cast<const std::int8_t*>(page.values)[at]) * scales[t];
      } else if (d < dim && page.format == KvFormat::kF32) {
        value = reinterpret_cast<const float*>(page.values)[at];
      } else if (d < dim) {
        value = f16_to_f32(reinterpret_cast<const std::uint16_t*>(page.values)[at]);
      }
      out[static_cast<std::ptrdiff_t>(t) * stride + d] = value;
    }
  }
  return {out, stride};
}

// The slots that some row sees, rounded outwards to whole vectors of keys.
struct SlotBounds {
  int begin, end;                 // slots
  int first_column, last_column;  // the same in whole vectors
};

REDKNOT_INLINE SlotBounds slot_bounds(const AttendPage& a) {
  SlotBounds b{a.page.page_tokens, 0, 0, 0};
  for (int r = 0; r < a.rows; ++r) {
    const SlotRange& s = a.slots[r];
    const bool recent = s.recent_begin < s.recent_end;
    const int begin = s.sink_end > 0 ? 0 : recent ? s.recent_begin : a.page.page_tokens;
    const int end = recent && s.recent_end > s.sink_end ? s.recent_end : s.sink_end;
    b.begin = begin < b.begin ? begin : b.begin;
    b.end = end > b.end ? end : b.end;
  }
  b.first_column = b.begin / kLanes * kLanes;
  b.last_column = (b.end + kLanes - 1) / kLanes * kLanes;
  return b;
}

// Turns a row of scores into weights in place; updates maximum and sum; returns what the sums so
// far are to be multiplied with.
REDKNOT_INLINE float weigh_row(float* scores, const SlotBounds& bounds, const SlotRange& slots,
                               float* maximum_so_far, float* sum_so_far) {
  const Floats hidden = broadcast(-__builtin_inff());
  Floats peak = hidden;
  for (int c = bounds.first_column; c < bounds.last_column; c += kLanes) {
    Floats x = load(scores + c);
    if (c < slots.recent_begin || c + kLanes > slots.recent_end) {
      const Floats recent = select_lanes(x, hidden, slots.recent_begin - c, slots.recent_end - c);
      x = select_lanes(x, recent, 0, slots.sink_end - c);
      store(scores + c, x);
    }
    peak = maximum(x, peak);
  }
  const float old_maximum = *maximum_so_far;
  const float page_maximum = lanes_maximum(peak);
  const float new_maximum = page_maximum > old_maximum ? page_maximum : old_maximum;
  // A row that has seen nothing yet keeps minus infinity; weights against 0 are then all zero.
  const float base = new_maximum == -__builtin_inff() ? 0.0f : new_maximum;
  Floats sum = zeros();
  for (int c = bounds.first_column; c < bounds.last_column; c += kLanes) {
    const Floats weight = exp2_weight(load(scores + c) - broadcast(base));
    store(scores + c, weight);
    sum += weight;
  }
  const float keep = lane_zero(exp2_weight(broadcast(old_maximum - base)));
  *maximum_so_far = new_maximum;
  *sum_so_far = __builtin_fmaf(*sum_so_far, keep, lanes_sum(sum));
  return keep;
}

// The parts of attend_page's scratch memory.
struct Scratch {
  float* scores;        // [rows, T]
  float* keys;          // [D, T]
  float* values;        // [T, padded D]
  float* key_scales;    // [T]
  float* value_scales;  // [T], or [T, B] of 4-bit values
  float* value_minima;  // [T, B]
};

REDKNOT_INLINE Scratch cut_scratch(const AttendPage& a) {
  const std::ptrdiff_t tokens = a.page.page_tokens;
  const std::ptrdiff_t dim = padded_dim(a.page.head_dim);
  Scratch s{};
  s.scores = a.scratch;
  s.keys = s.scores + a.rows * tokens;
  s.values = s.keys + dim * tokens;
  s.key_scales = s.values + dim * tokens;
  s.value_scales = s.key_scales + tokens;
  s.value_minima = s.value_scales + tokens * value_blocks(a.page.head_dim);
  return s;
}

template <typename KeySource>
REDKNOT_INLINE void score_rows(const AttendPage& a, const KeySource& keys, const SlotBounds& bounds,
                               const Scratch& scratch) {
  const int tokens = a.page.page_tokens;
  const int dim = a.page.head_dim;
  const Product product{a.queries, dim, 0, dim, scratch.scores, tokens, nullptr};
  if (a.rows <= kRowTile) {
    multiply_all(product, keys, a.rows, bounds.first_column, bounds.last_column);
  } else {
    const FloatSource wide =
        widen(keys, 0, dim, bounds.first_column, bounds.last_column, tokens, scratch.keys);
    multiply_all(product, wide, a.rows, bounds.first_column, bounds.last_column);
  }
}

template <typename ValueSource>
REDKNOT_INLINE void sum_values(const AttendPage& a, const ValueSource& values,
                               const SlotBounds& bounds, const Scratch& scratch,
                               const float* keep) {
  const int dim = a.page.head_dim;
  const int padded = padded_dim(dim);
  const Product product{
      scratch.scores, a.page.page_tokens, bounds.begin, bounds.end, a.state.output, padded, keep};
  if (dim != padded) {
    const FloatSource wide =
        widen_odd_values(a.page, scratch.value_scales, bounds.begin, bounds.end, scratch.values);
    multiply_all(product, wide, a.rows, 0, padded);
  } else if (a.rows <= kRowTile) {
    multiply_all(product, values, a.rows, 0, dim);
  } else {
    const FloatSource wide = widen(values, bounds.begin, bounds.end, 0, dim, dim, scratch.values);
    multiply_all(product, wide, a.rows, 0, dim);
  }
}

REDKNOT_INLINE void widen_halves(const std::uint16_t* halves, int count, float* out) {
  for (int i = 0; i < count; i += kLanes) store(out + i, load_f16(halves + i));
}

REDKNOT_INLINE void load_scales(const PageView& page, const Scratch& scratch) {
  const int tokens = page.page_tokens;
  widen_halves(page.key_scales, tokens, scratch.key_scales);
  if (page.format == KvFormat::kQ8) {
    widen_halves(page.value_scales, tokens, scratch.value_scales);
  } else {
    const int blocks = tokens * value_blocks(page.head_dim);
    widen_halves(page.value_scales, blocks, scratch.value_scales);
    widen_halves(page.value_minima, blocks, scratch.value_minima);
  }
}

inline constexpr int kMostRows = 256;  // of one attend_page call; larger ones are cut

void attend_rows(const AttendPage& a) {
  const SlotBounds bounds = slot_bounds(a);
  if (bounds.begin >= bounds.end) return;
  const Scratch scratch = cut_scratch(a);
  const int tokens = a.page.page_tokens;
  const int dim = a.page.head_dim;
  const auto* float_keys = reinterpret_cast<const float*>(a.page.keys);
  const auto* float_values = reinterpret_cast<const float*>(a.page.values);
  if (key_element(a.page.format) == KvElement::kInt8) {
    load_scales(a.page, scratch);
    score_rows(a, ByteKeySource{a.page.keys, tokens, scratch.key_scales}, bounds, scratch);
  } else if (a.page.format == KvFormat::kF32) {
    score_rows(a, FloatSource{float_keys, tokens}, bounds, scratch);
  } else {
    score_rows(a, HalfSource{a.page.keys, tokens}, bounds, scratch);
  }
  alignas(64) float keep[kMostRows];
  for (int r = 0; r < a.rows; ++r) {
    keep[r] = weigh_row(scratch.scores + static_cast<std::ptrdiff_t>(r) * tokens, bounds,
                        a.slots[r], a.state.maximum + r, a.state.sum + r);
  }
  if (a.page.format == KvFormat::kQ8) {
    sum_values(a, ByteValueSource{a.page.values, dim, scratch.value_scales}, bounds, scratch, keep);
  } else if (a.page.format == KvFormat::kK8V4) {
    const int blocks = value_blocks(dim);
    sum_values(a,
               NibbleValueSource{a.page.values, std::ptrdiff_t{blocks} * kValueBlock / 2,
                                 scratch.value_scales, scratch.value_minima, blocks},
               bounds, scratch, keep);
  } else if (a.page.format == KvFormat::kF32) {
    sum_values(a, FloatSource{float_values, dim}, bounds, scratch, keep);
  } else {
    sum_values(a, HalfSource{a.page.values, dim}, bounds, scratch, keep);
  }
}

void attend_page(const AttendPage& attend) {
  for (int first = 0; first < attend.rows; first += kMostRows) {
    AttendPage part = attend;
    part.rows = attend.rows - first < kMostRows ? attend.rows - first : kMostRows;
    part.queries += static_cast<std::ptrdiff_t>(first) * attend.page.head_dim;
    part.slots += first;
    part.state.output += static_cast<std::ptrdiff_t>(first) * padded_dim(attend.page.head_dim);
    part.state.maximum += first;
    part.state.sum += first;
    attend_rows(part);
  }
}

void merge_state(const AttentionState& from, int rows, int head_dim, const AttentionState& into) {
  const int dim = padded_dim(head_dim);
  for (int r = 0; r < rows; ++r) {
    if (from.maximum[r] == -__builtin_inff()) continue;
    const float* source = from.output + static_cast<std::ptrdiff_t>(r) * dim;
    float* target = into.output + static_cast<std::ptrdiff_t>(r) * dim;
    if (into.maximum[r] == -__builtin_inff()) {  // copied, as 0 + -0 is not -0
      __builtin_memcpy(target, source, static_cast<std::size_t>(dim) * sizeof(float));
      into.sum[r] = from.sum[r];
      into.maximum[r] = from.maximum[r];
      continue;
    }
    const float peak = from.maximum[r] > into.maximum[r] ? from.maximum[r] : into.maximum[r];
    const Floats keep = exp2_weight(broadcast(into.maximum[r] - peak));
    const Floats take = exp2_weight(broadcast(from.maximum[r] - peak));
    for (int d = 0; d < dim; d += kLanes) {
      store(target + d, fma(load(target + d), keep, load(source + d) * take));
    }
    into.sum[r] = __builtin_fmaf(into.sum[r], lane_zero(keep), from.sum[r] * lane_zero(take));
    into.maximum[r] = peak;
  }
}
