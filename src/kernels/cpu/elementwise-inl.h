// SPDX-License-Identifier: Apache-2.0
// Norms, rounding, rotation and the other work per element. Included once per instruction set.
#pragma once

REDKNOT_INLINE float lane_zero(Floats x) { return x[0]; }

// 2^x: the Taylor series of the fractional part to degree 7, relative error 5e-9. x is taken into
// [-126, 127]; exact for whole x.
REDKNOT_INLINE Floats exp2_clamped(Floats x) {
  x = minimum(maximum(x, broadcast(-126.0f)), broadcast(127.0f));
  const Floats whole = nearest(x);
  const Floats f = x - whole;
  Floats p = broadcast(1.5252734e-5f);
  p = fma(p, f, broadcast(1.5403530e-4f));
  p = fma(p, f, broadcast(1.3333558e-3f));
  p = fma(p, f, broadcast(9.6181291e-3f));
  p = fma(p, f, broadcast(5.5504109e-2f));
  p = fma(p, f, broadcast(2.4022651e-1f));
  p = fma(p, f, broadcast(6.9314718e-1f));
  p = fma(p, f, broadcast(1.0f));
  return p * power_of_two(whole);
}

// 2^x for x <= 0, and exactly 0 below -126, minus infinity included.
REDKNOT_INLINE Floats exp2_weight(Floats x) { return zero_below(exp2_clamped(x), x, -126.0f); }

void rms_norm(const float* x, const float* weight, float epsilon, int count, float* out) {
  Floats squares = zeros();
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) squares = fma(load(x + i), load(x + i), squares);
  float sum = lanes_sum(squares);
  for (; i < count; ++i) sum += x[i] * x[i];
  const float factor = 1.0f / __builtin_sqrtf(sum / static_cast<float>(count) + epsilon);
  for (i = 0; i + kLanes <= count; i += kLanes) {
    store(out + i, load(x + i) * broadcast(factor) * load(weight + i));
  }
  for (; i < count; ++i) out[i] = x[i] * factor * weight[i];
}

REDKNOT_INLINE float peak_of(const float* x, int count) {
  Floats peak = zeros();
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) peak = maximum(absolute(load(x + i)), peak);
  float result = lanes_maximum(peak);
  for (; i < count; ++i) {
    const float magnitude = __builtin_fabsf(x[i]);
    if (magnitude > result) result = magnitude;
  }
  return result;
}

// The whole number of -127..127 next to x; 127 for a NaN.
REDKNOT_INLINE Floats digit(Floats x) {
  return maximum(minimum(nearest(x), broadcast(127.0f)), broadcast(-127.0f));
}

// One block of 32; returns the sum of its numbers.
template <bool kTwoDigits>
REDKNOT_INLINE std::int32_t quantize_block(const float* x, float inverse, std::int8_t* codes,
                                           std::int8_t* low_codes) {
  Ints sum = broadcast(std::int32_t{0});
  for (int i = 0; i < kQuantBlock; i += kLanes) {
    const Floats scaled = load(x + i);
    const Floats code = digit(scaled * broadcast(inverse));
    const Ints rounded = to_ints(code);
    store_i8(codes + i, rounded);
    if constexpr (kTwoDigits) {
      const Floats rest = fma(scaled, broadcast(inverse), zeros() - code);
      const Ints low = to_ints(digit(rest * broadcast(static_cast<float>(kDigitBase))));
      store_i8(low_codes + i, low);
      sum = add(sum, add(times(rounded, kDigitBase), low));
    } else {
      sum = add(sum, rounded);
    }
  }
  return lanes_sum(sum);
}

void quantize_row(const float* x, int count, const QuantizedRows& out, int row) {
  const int blocks = count / kQuantBlock;
  const std::size_t first = static_cast<std::size_t>(row) * static_cast<std::size_t>(count);
  float* scales = out.scales + first / kQuantBlock;
  std::int32_t* sums = out.sums + first / kQuantBlock;
  for (int block = 0; block < blocks; ++block) {
    const int at = block * kQuantBlock;
    const float peak = peak_of(x + at, kQuantBlock);
    const float inverse = peak >= kLeastPeak ? 127.0f / peak : 0.0f;
    const float scale = peak >= kLeastPeak ? peak / 127.0f : 0.0f;
    std::int8_t* codes = out.codes + first + at;
    if (out.low_codes == nullptr) {
      scales[block] = scale;
      sums[block] = quantize_block<false>(x + at, inverse, codes, nullptr);
    } else {
      scales[block] = scale / kDigitBase;
      sums[block] = quantize_block<true>(x + at, inverse, codes, out.low_codes + first + at);
    }
  }
}

// Gates below kLeastGate count as kLeastGate, whose activation is -8e-37: the denominator stops at
// 2^127, which the largest gates would outgrow. A NaN stays one (maximum gives its second operand).
inline constexpr float kLeastGate = -128.0f;

void silu_multiply(float* gate, const float* up, int count) {
  const Floats minus_log2e = broadcast(-1.44269504f);
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    const Floats x = maximum(broadcast(kLeastGate), load(gate + i));
    const Floats denominator = broadcast(1.0f) + exp2_clamped(x * minus_log2e);
    store(gate + i, x / denominator * load(up + i));
  }
  for (; i < count; ++i) {
    const float x = gate[i] < kLeastGate ? kLeastGate : gate[i];
    const float power = lane_zero(exp2_clamped(broadcast(x) * minus_log2e));
    gate[i] = x / (1.0f + power) * up[i];
  }
}

void add_scaled(float* out, const float* x, float weight, int count) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    store(out + i, fma(broadcast(weight), load(x + i), load(out + i)));
  }
  for (; i < count; ++i) out[i] = __builtin_fmaf(weight, x[i], out[i]);
}

void rotate(const float* x, const Rope& rope, int head_dim, float scale, float* out) {
  const int half = rope.dims / 2;
  if (rope.interleaved) {
    for (int i = 0; i < half; ++i) {
      const float a = x[2 * i];
      const float b = x[2 * i + 1];
      out[2 * i] = (a * rope.cos[i] - b * rope.sin[i]) * scale;
      out[2 * i + 1] = (a * rope.sin[i] + b * rope.cos[i]) * scale;
    }
  } else {
    int i = 0;
    for (; i + kLanes <= half; i += kLanes) {
      const Floats a = load(x + i);
      const Floats b = load(x + half + i);
      const Floats cos = load(rope.cos + i);
      const Floats sin = load(rope.sin + i);
      store(out + i, (a * cos - b * sin) * broadcast(scale));
      store(out + half + i, (a * sin + b * cos) * broadcast(scale));
    }
    for (; i < half; ++i) {
      const float a = x[i];
      const float b = x[half + i];
      out[i] = (a * rope.cos[i] - b * rope.sin[i]) * scale;
      out[half + i] = (a * rope.sin[i] + b * rope.cos[i]) * scale;
    }
  }
  for (int i = rope.dims; i < head_dim; ++i) out[i] = x[i] * scale;
}

// One step of the Hadamard transform: sum and difference of elements `stride` apart.
REDKNOT_INLINE void add_and_subtract(float* x, int count, int stride) {
  for (int group = 0; group < count; group += 2 * stride) {
    for (int i = group; i < group + stride; ++i) {
      const float a = x[i];
      const float b = x[i + stride];
      x[i] = a + b;
      x[i + stride] = a - b;
    }
  }
}
REDKNOT_INLINE void add_and_subtract_vectors(float* x, int count, int stride) {
  for (int group = 0; group < count; group += 2 * stride) {
    for (int i = group; i < group + stride; i += kLanes) {
      const Floats a = load(x + i);
      const Floats b = load(x + i + stride);
      store(x + i, a + b);
      store(x + i + stride, a - b);
    }
  }
}

// The steps within a vector: a lane's partner plus or minus the lane itself.
REDKNOT_INLINE Floats hadamard_lanes(Floats x) {
  x = fma(x, alternating<1>(), swap_lanes<1>(x));
  x = fma(x, alternating<2>(), swap_lanes<2>(x));
  x = fma(x, alternating<4>(), swap_lanes<4>(x));
  if constexpr (kLanes == 16) x = fma(x, alternating<8>(), swap_lanes<8>(x));
  return x;
}

void hadamard(float* x, int head_dim) {
  const int block = hadamard_block(head_dim);
  const auto scale = static_cast<float>(1.0 / __builtin_sqrt(static_cast<double>(block)));
  if (block < kLanes) {
    for (int stride = 1; stride < block; stride *= 2) add_and_subtract(x, head_dim, stride);
    for (int i = 0; i < head_dim; ++i) x[i] *= scale;
    return;
  }
  for (int i = 0; i < head_dim; i += kLanes) store(x + i, hadamard_lanes(load(x + i)));
  for (int stride = kLanes; stride < block; stride *= 2) {
    add_and_subtract_vectors(x, head_dim, stride);
  }
  for (int i = 0; i < head_dim; i += kLanes) store(x + i, load(x + i) * broadcast(scale));
}

REDKNOT_INLINE Floats finite(Floats x, float limit) {
  return maximum(minimum(zero_if_nan(x), broadcast(limit)), broadcast(-limit));
}

// Copies into a buffer whose length is a whole number of vectors, made finite; zeros after the end.
REDKNOT_INLINE int copy_finite(const float* x, int count, float limit, float* out) {
  int i = 0;
  for (; i + kLanes <= count; i += kLanes) store(out + i, finite(load(x + i), limit));
  if (i == count) return i;
  store(out + i, zeros());
  for (int j = i; j < count; ++j) out[j] = x[j];
  store(out + i, finite(load(out + i), limit));
  return i + kLanes;
}

inline constexpr int kLargestHead = 512;
inline constexpr float kLargestHalf = 65504.0f;
inline constexpr float kLargestFloat = __FLT_MAX__;

REDKNOT_INLINE void write_f16(const PageView& page, int slot, const float* x, bool key) {
  alignas(64) float finite[kLargestHead + 16];
  alignas(64) std::uint16_t halves[kLargestHead + 16];
  const int padded = copy_finite(x, page.head_dim, kLargestHalf, finite);
  for (int i = 0; i < padded; i += kLanes) store_f16(halves + i, load(finite + i));
  if (key) {
    auto* keys = reinterpret_cast<std::uint16_t*>(page.keys) + slot;
    for (int d = 0; d < page.head_dim; ++d) keys[d * page.page_tokens] = halves[d];
  } else {
    __builtin_memcpy(page.values + static_cast<std::ptrdiff_t>(slot) * page.head_dim * 2, halves,
                     static_cast<std::size_t>(page.head_dim) * 2);
  }
}

REDKNOT_INLINE std::uint16_t write_q8(const PageView& page, int slot, const float* x, bool key) {
  alignas(64) float finite[kLargestHead + 16];
  alignas(64) std::int8_t codes[kLargestHead + 16];
  const int padded = copy_finite(x, page.head_dim, kLargestHalf, finite);
  const float exact = peak_of(finite, padded) / 127.0f;
  std::uint16_t half = f32_to_f16(exact);
  if (f16_to_f32(half) < exact) ++half;
  const float scale = f16_to_f32(half);
  for (int i = 0; i < padded; i += kLanes) {
    Floats code = scale == 0.0f ? zeros() : nearest(load(finite + i) / broadcast(scale));
    code = maximum(minimum(code, broadcast(127.0f)), broadcast(-127.0f));
    store_i8(codes + i, to_ints(code));
  }
  if (key) {
    auto* keys = reinterpret_cast<std::int8_t*>(page.keys) + slot;
    for (int d = 0; d < page.head_dim; ++d) keys[d * page.page_tokens] = codes[d];
  } else {
    __builtin_memcpy(page.values + static_cast<std::ptrdiff_t>(slot) * page.head_dim, codes,
                     static_cast<std::size_t>(page.head_dim));
  }
  return half;
}

// 4-bit values, a block at a time; the order and rounding of the reference.
REDKNOT_INLINE void write_q4_values(const PageView& page, int slot, const float* x) {
  alignas(64) float finite[kLargestHead + kValueBlock];
  alignas(64) std::int8_t codes[kValueBlock];
  const int blocks = value_blocks(page.head_dim);
  copy_finite(x, page.head_dim, kLargestHalf, finite);
  for (int i = page.head_dim; i < blocks * kValueBlock; ++i) finite[i] = finite[page.head_dim - 1];
  for (int block = 0; block < blocks; ++block) {
    const float* from = finite + block * kValueBlock;
    Floats most = load(from), least = load(from);
    for (int i = kLanes; i < kValueBlock; i += kLanes) {
      most = maximum(most, load(from + i));
      least = minimum(least, load(from + i));
    }
    const std::uint16_t low = f32_to_f16_down(-lanes_maximum(zeros() - least) + 0.0f);
    const float base = f16_to_f32(low);
    const std::uint16_t step = f32_to_f16_up((lanes_maximum(most) - base) / 15.0f);
    const float scale = f16_to_f32(step);
    for (int i = 0; i < kValueBlock; i += kLanes) {
      Floats code = zeros();
      if (scale != 0.0f) code = nearest((load(from + i) - broadcast(base)) / broadcast(scale));
      store_i8(codes + i, to_ints(maximum(minimum(code, broadcast(15.0f)), zeros())));
    }
    const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(slot) * blocks + block;
    page.value_minima[at] = low;
    page.value_scales[at] = step;
    for (int i = 0; i < kValueBlock / 2; ++i) {
      page.values[at * (kValueBlock / 2) + i] =
          static_cast<std::byte>(codes[i] | codes[i + kValueBlock / 2] << 4);
    }
  }
}

REDKNOT_INLINE void write_f32(const PageView& page, int slot, const float* key,
                              const float* value) {
  alignas(64) float finite[kLargestHead + 16];
  copy_finite(key, page.head_dim, kLargestFloat, finite);
  auto* keys = reinterpret_cast<float*>(page.keys) + slot;
  for (int d = 0; d < page.head_dim; ++d) keys[d * page.page_tokens] = finite[d];
  copy_finite(value, page.head_dim, kLargestFloat, finite);
  __builtin_memcpy(page.values + static_cast<std::ptrdiff_t>(slot) * page.head_dim * 4, finite,
                   static_cast<std::size_t>(page.head_dim) * 4);
}

void write_slot(const PageView& page, int slot, const float* key, const float* value) {
  if (page.format == KvFormat::kQ8) {
    page.key_scales[slot] = write_q8(page, slot, key, true);
    page.value_scales[slot] = write_q8(page, slot, value, false);
  } else if (page.format == KvFormat::kK8V4) {
    page.key_scales[slot] = write_q8(page, slot, key, true);
    write_q4_values(page, slot, value);
  } else if (page.format == KvFormat::kF32) {
    write_f32(page, slot, key, value);
  } else {
    write_f16(page, slot, key, true);
    write_f16(page, slot, value, false);
  }
}

// Lanes of one element of the keys of consecutive slots; kLanes divides every page size.
REDKNOT_INLINE Floats load_keys(const PageView& page, int d, int slot) {
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(d) * page.page_tokens + slot;
  if (page.format == KvFormat::kF32) return load(reinterpret_cast<const float*>(page.keys) + at);
  if (page.format == KvFormat::kF16) return load_f16(page.keys + 2 * at);
  return load_i8(page.keys + at) * load_f16(page.key_scales + slot);
}

void bound_keys(const PageView& page) {
  for (int d = 0; d < page.head_dim; ++d) {
    const Floats first = load_keys(page, d, 0);
    Floats greatest = first;
    Floats negated = zeros() - first;
    for (int slot = kLanes; slot < page.page_tokens; slot += kLanes) {
      const Floats keys = load_keys(page, d, slot);
      greatest = maximum(greatest, keys);
      negated = maximum(negated, zeros() - keys);
    }
    page.key_bounds[d] = f32_to_f16_up(lanes_maximum(greatest));
    page.key_bounds[page.head_dim + d] = f32_to_f16_down(-lanes_maximum(negated));
  }
}

float score_page(const PageView& page, const float* query) {
  const std::uint16_t* greatest = page.key_bounds;
  const std::uint16_t* least = page.key_bounds + page.head_dim;
  Floats sums = zeros();
  int d = 0;
  for (; d + kLanes <= page.head_dim; d += kLanes) {
    const Floats q = load(query + d);
    sums = sums + maximum(q * load_f16(greatest + d), q * load_f16(least + d));
  }
  float score = lanes_sum(sums);
  for (; d < page.head_dim; ++d) {
    const float high = query[d] * f16_to_f32(greatest[d]);
    const float low = query[d] * f16_to_f32(least[d]);
    score += high > low ? high : low;
  }
  return score;
}
