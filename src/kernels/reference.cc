// SPDX-License-Identifier: Apache-2.0
// Every kernel in plain loops: the definition the fast ones are tested against, and the path for
// CPUs without AVX2. Sums of products are chained fused multiply-adds in index order, as in cpu/,
// so that matrix products agree with those bit for bit.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "kernels/kernels.h"
#include "tensor/half.h"

namespace redknot {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLargestFloat = std::numeric_limits<float>::max();

void rms_norm(const float* x, const float* weight, float epsilon, int count, float* out) {
  double squares = 0.0;
  for (int i = 0; i < count; ++i) squares += static_cast<double>(x[i]) * x[i];
  const auto factor = static_cast<float>(1.0 / std::sqrt(squares / count + epsilon));
  for (int i = 0; i < count; ++i) out[i] = x[i] * factor * weight[i];
}

// The whole number of -127..127 next to x; 127 for a NaN.
float digit(float x) { return std::max(-127.0f, std::min(127.0f, std::nearbyint(x))); }

void quantize_row(const float* x, int count, const QuantizedRows& out, int row) {
  const std::size_t blocks = static_cast<std::size_t>(count) / kQuantBlock;
  const auto first = static_cast<std::size_t>(row) * static_cast<std::size_t>(count);
  for (std::size_t block = 0; block < blocks; ++block) {
    const float* values = x + block * kQuantBlock;
    float peak = 0.0f;
    for (int i = 0; i < kQuantBlock; ++i) peak = std::max(peak, std::abs(values[i]));
    const float scale = peak >= kLeastPeak ? peak / 127.0f : 0.0f;
    const float inverse = peak >= kLeastPeak ? 127.0f / peak : 0.0f;
    std::int32_t sum = 0;
    for (std::size_t i = 0; i < kQuantBlock; ++i) {
      const std::size_t at = first + block * kQuantBlock + i;
      const float code = digit(values[i] * inverse);
      out.codes[at] = static_cast<std::int8_t>(code);
      sum += out.codes[at];
      if (out.low_codes == nullptr) continue;
      out.low_codes[at] =
          static_cast<std::int8_t>(digit(std::fma(values[i], inverse, -code) * kDigitBase));
      sum += (kDigitBase - 1) * out.codes[at] + out.low_codes[at];
    }
    const std::size_t at = static_cast<std::size_t>(row) * blocks + block;
    out.scales[at] = out.low_codes == nullptr ? scale : scale / kDigitBase;
    out.sums[at] = sum;
  }
}

// One output element of an integer product: exact sums per block of 32, scaled and chained.
float integer_dot(const PackedMatrix& weights, const std::byte* panel, int n,
                  const QuantizedRows& input, std::size_t row) {
  const std::size_t blocks = static_cast<std::size_t>(weights.inputs) / kQuantBlock;
  const std::size_t first = row * static_cast<std::size_t>(weights.inputs);
  const auto number = [&](std::size_t k) {
    const int code = input.codes[first + k];
    return input.low_codes == nullptr ? code : kDigitBase * code + input.low_codes[first + k];
  };
  const std::size_t bytes = integer_block_bytes(weights.format);
  const bool wide = weights.format == WeightFormat::kInt8;
  const auto f16_at = [](const std::byte* at) {
    std::uint16_t half;
    std::memcpy(&half, at, sizeof(half));
    return f16_to_f32(half);
  };
  float total = 0.0f;
  for (std::size_t b = 0; b < blocks; ++b) {
    const std::byte* block = panel + b * bytes;
    const int offset = wide ? 128 : weights.format == WeightFormat::kInt4 ? 8 : 0;
    std::int32_t sum = 0;
    for (int i = 0; i < kQuantBlock; ++i) {
      const int lane = wide ? i : i % 16;
      const int byte = std::to_integer<int>(block[(lane / 4) * 128 + n * 4 + lane % 4]);
      const int code = wide ? byte : i < 16 ? byte & 15 : byte >> 4;
      sum += (code - offset) * number(b * kQuantBlock + static_cast<std::size_t>(i));
    }
    const float scale = input.scales[row * blocks + b];
    total = std::fma(static_cast<float>(sum), f16_at(block + (wide ? 1024 : 512) + n * 2) * scale,
                     total);
    if (weights.format == WeightFormat::kInt4Min) {
      const float input_sum = static_cast<float>(input.sums[row * blocks + b]) * scale;
      total = std::fma(f16_at(block + 576 + n * 2), input_sum, total);
    }
  }
  return total;
}

float float_dot(const PackedMatrix& weights, const std::byte* panel, int n, const float* input) {
  float total = 0.0f;
  for (int k = 0; k < weights.inputs; ++k) {
    total = std::fma(input[k], packed_weight(weights, panel, n, k), total);
  }
  return total;
}

// x, or a zero of its sign if it is below the normal numbers.
float flushed(float x) {
  return std::abs(x) < std::numeric_limits<float>::min() ? std::copysign(0.0f, x) : x;
}

void round_row(const float* x, int count, std::uint16_t* out) {
  for (int i = 0; i < count; ++i) out[i] = f32_to_bf16(flushed(x[i]));
  if (count % 2 != 0) out[count] = 0;
}

float bf16_dot(const PackedMatrix& weights, const std::byte* panel, int n,
               const std::uint16_t* input) {
  float total = 0.0f;
  const auto add = [&](int k) {
    const float weight = k < weights.inputs ? packed_weight(weights, panel, n, k) : 0.0f;
    total = flushed(std::fma(flushed(bf16_to_f32(input[k])), flushed(weight), total));
  };
  for (int k = 0; k < weights.inputs; k += 2) {
    add(k + 1);
    add(k);
  }
  return total;
}

// One output element, without bias.
float dot(const Matmul& m, int panel_index, int n, std::size_t row) {
  const PackedMatrix& weights = *m.weights;
  const std::byte* panel = weights.panel(panel_index);
  if (is_integer(weights.format) && m.quantized.codes != nullptr) {
    return integer_dot(weights, panel, n, m.quantized, row);
  }
  const auto inputs = static_cast<std::size_t>(weights.inputs);
  if (weights.format == WeightFormat::kBF16 && m.bf16 != nullptr) {
    return bf16_dot(weights, panel, n, m.bf16 + row * ((inputs + 1) / 2 * 2));
  }
  return float_dot(weights, panel, n, m.input + row * inputs);
}

void matmul(const Matmul& m) {
  const PackedMatrix& weights = *m.weights;
  for (int r = 0; r < m.rows; ++r) {
    const auto row = static_cast<std::size_t>(m.input_rows == nullptr ? r : m.input_rows[r]);
    for (int p = m.first_panel; p < m.first_panel + m.panel_count; ++p) {
      for (int n = 0; n < kPanelColumns && p * kPanelColumns + n < weights.outputs; ++n) {
        float value = dot(m, p, n, row);
        const int column = p * kPanelColumns + n;
        if (m.bias != nullptr) value += m.bias[column];
        float& out = m.output[static_cast<std::size_t>(r) * m.output_stride +
                              static_cast<std::size_t>(column)];
        out = m.accumulate ? out + value : value;
      }
    }
  }
}

void silu_multiply(float* gate, const float* up, int count) {
  for (int i = 0; i < count; ++i) gate[i] = gate[i] / (1.0f + std::exp(-gate[i])) * up[i];
}

void add_scaled(float* out, const float* x, float weight, int count) {
  for (int i = 0; i < count; ++i) out[i] = std::fma(weight, x[i], out[i]);
}

void rotate(const float* x, const Rope& rope, int head_dim, float scale, float* out) {
  const int half = rope.dims / 2;
  for (int i = 0; i < half; ++i) {
    const int first = rope.interleaved ? 2 * i : i;
    const int second = rope.interleaved ? 2 * i + 1 : i + half;
    const float a = x[first];
    const float b = x[second];
    out[first] = (a * rope.cos[i] - b * rope.sin[i]) * scale;
    out[second] = (a * rope.sin[i] + b * rope.cos[i]) * scale;
  }
  for (int i = rope.dims; i < head_dim; ++i) out[i] = x[i] * scale;
}

void hadamard(float* x, int head_dim) {
  const int block = hadamard_block(head_dim);
  const auto scale = static_cast<float>(1.0 / std::sqrt(static_cast<double>(block)));
  for (int first = 0; first < head_dim; first += block) {
    for (int stride = 1; stride < block; stride *= 2) {
      for (int i = first; i < first + block; ++i) {
        if (((i - first) & stride) != 0) continue;
        const float a = x[i];
        const float b = x[i + stride];
        x[i] = a + b;
        x[i + stride] = a - b;
      }
    }
  }
  for (int i = 0; i < head_dim; ++i) x[i] *= scale;
}

float finite(float value, float limit) {
  if (std::isnan(value)) return 0.0f;
  return std::clamp(value, -limit, limit);
}

float finite_half(float value) { return finite(value, 65504.0f); }

// The smallest f16 that is at least max|x| / 127, so that no code is clipped.
std::uint16_t scale_for(const float* x, int count) {
  float peak = 0.0f;
  for (int i = 0; i < count; ++i) peak = std::max(peak, std::abs(finite_half(x[i])));
  std::uint16_t half = f32_to_f16(peak / 127.0f);
  if (f16_to_f32(half) < peak / 127.0f) ++half;
  return half;
}

void write_q8(const float* x, int count, float scale, std::byte* out, int stride) {
  for (int i = 0; i < count; ++i) {
    const float code = scale == 0.0f ? 0.0f : std::nearbyint(finite_half(x[i]) / scale);
    out[static_cast<std::ptrdiff_t>(i) * stride] =
        static_cast<std::byte>(static_cast<std::int8_t>(std::clamp(code, -127.0f, 127.0f)));
  }
}

// One block of a 4-bit value. The minimum is rounded down and the scale up, so that no code is
// clipped; elements beyond the head count as its last one.
void write_q4_block(const PageView& page, int slot, int block, const float* value) {
  float x[kValueBlock];
  for (int i = 0; i < kValueBlock; ++i) {
    x[i] = finite_half(value[std::min(block * kValueBlock + i, page.head_dim - 1)]);
  }
  const auto [least, greatest] = std::minmax_element(x, x + kValueBlock);
  const std::ptrdiff_t at = static_cast<std::ptrdiff_t>(slot) * value_blocks(page.head_dim) + block;
  page.value_minima[at] = f32_to_f16_down(*least + 0.0f);  // -0 is 0
  const float minimum = f16_to_f32(page.value_minima[at]);
  page.value_scales[at] = f32_to_f16_up((*greatest - minimum) / 15.0f);
  const float scale = f16_to_f32(page.value_scales[at]);
  for (int i = 0; i < kValueBlock; ++i) {
    const float code = scale == 0.0f ? 0.0f : std::nearbyint((x[i] - minimum) / scale);
    const auto bits = static_cast<unsigned>(std::clamp(code, 0.0f, 15.0f));
    std::byte& byte = page.values[at * (kValueBlock / 2) + i % 16];
    byte = i < 16 ? static_cast<std::byte>(bits) : byte | static_cast<std::byte>(bits << 4);
  }
}

void write_slot(const PageView& page, int slot, const float* key, const float* value) {
  const int tokens = page.page_tokens;
  const int dim = page.head_dim;
  if (key_element(page.format) == KvElement::kInt8) {
    page.key_scales[slot] = scale_for(key, dim);
    write_q8(key, dim, f16_to_f32(page.key_scales[slot]), page.keys + slot, tokens);
    if (page.format == KvFormat::kK8V4) {
      for (int b = 0; b < value_blocks(dim); ++b) write_q4_block(page, slot, b, value);
      return;
    }
    page.value_scales[slot] = scale_for(value, dim);
    write_q8(value, dim, f16_to_f32(page.value_scales[slot]), page.values + slot * dim, 1);
    return;
  }
  if (page.format == KvFormat::kF32) {
    for (int d = 0; d < dim; ++d) {
      reinterpret_cast<float*>(page.keys)[d * tokens + slot] = finite(key[d], kLargestFloat);
      reinterpret_cast<float*>(page.values)[slot * dim + d] = finite(value[d], kLargestFloat);
    }
    return;
  }
  for (int d = 0; d < dim; ++d) {
    const std::uint16_t k = f32_to_f16(finite_half(key[d]));
    const std::uint16_t v = f32_to_f16(finite_half(value[d]));
    std::memcpy(page.keys + (static_cast<std::ptrdiff_t>(d) * tokens + slot) * 2, &k, 2);
    std::memcpy(page.values + (static_cast<std::ptrdiff_t>(slot) * dim + d) * 2, &v, 2);
  }
}

// Element `index` of a part of a page; `scale` is that of its slot, of 8-bit integers.
float element(KvElement type, const std::byte* part, std::ptrdiff_t index, float scale) {
  if (type == KvElement::kInt8) {
    return static_cast<float>(static_cast<std::int8_t>(std::to_integer<int>(part[index]))) * scale;
  }
  if (type == KvElement::kF32) return reinterpret_cast<const float*>(part)[index];
  std::uint16_t half;
  std::memcpy(&half, part + index * 2, 2);
  return f16_to_f32(half);
}

float key_at(const PageView& page, int d, int slot) {
  const KvElement type = key_element(page.format);
  const float scale = type == KvElement::kInt8 ? f16_to_f32(page.key_scales[slot]) : 1.0f;
  return element(type, page.keys, static_cast<std::ptrdiff_t>(d) * page.page_tokens + slot, scale);
}

float value_at(const PageView& page, int slot, int d) {
  const KvElement type = value_element(page.format);
  if (type == KvElement::kInt4) {
    const std::ptrdiff_t at =
        static_cast<std::ptrdiff_t>(slot) * value_blocks(page.head_dim) + d / kValueBlock;
    const int byte = std::to_integer<int>(page.values[at * (kValueBlock / 2) + d % 16]);
    const int code = d % kValueBlock < 16 ? byte & 15 : byte >> 4;
    return std::fma(static_cast<float>(code), f16_to_f32(page.value_scales[at]),
                    f16_to_f32(page.value_minima[at]));
  }
  const float scale = type == KvElement::kInt8 ? f16_to_f32(page.value_scales[slot]) : 1.0f;
  return element(type, page.values, static_cast<std::ptrdiff_t>(slot) * page.head_dim + d, scale);
}

bool sees(const SlotRange& range, int slot) {
  return slot < range.sink_end || (slot >= range.recent_begin && slot < range.recent_end);
}

void attend_page(const AttendPage& a) {
  const int tokens = a.page.page_tokens;
  const int dim = a.page.head_dim;
  for (int r = 0; r < a.rows; ++r) {
    const float* query = a.queries + static_cast<std::ptrdiff_t>(r) * dim;
    float* output = a.state.output + static_cast<std::ptrdiff_t>(r) * padded_dim(dim);
    for (int t = 0; t < tokens; ++t) {
      if (!sees(a.slots[r], t)) continue;
      float score = 0.0f;
      for (int d = 0; d < dim; ++d) score = std::fma(query[d], key_at(a.page, d, t), score);
      const float maximum = std::max(a.state.maximum[r], score);
      const float keep = std::exp2(a.state.maximum[r] - maximum);
      const float weight = std::exp2(score - maximum);
      for (int d = 0; d < dim; ++d) {
        output[d] = output[d] * keep + weight * value_at(a.page, t, d);
      }
      a.state.sum[r] = a.state.sum[r] * keep + weight;
      a.state.maximum[r] = maximum;
    }
  }
}

void bound_keys(const PageView& page) {
  for (int d = 0; d < page.head_dim; ++d) {
    float greatest = -kInfinity, least = kInfinity;
    for (int slot = 0; slot < page.page_tokens; ++slot) {
      greatest = std::max(greatest, key_at(page, d, slot));
      least = std::min(least, key_at(page, d, slot));
    }
    page.key_bounds[d] = f32_to_f16_up(greatest);
    page.key_bounds[page.head_dim + d] = f32_to_f16_down(least);
  }
}

float score_page(const PageView& page, const float* query) {
  double score = 0.0;
  for (int d = 0; d < page.head_dim; ++d) {
    const double greatest = f16_to_f32(page.key_bounds[d]);
    const double least = f16_to_f32(page.key_bounds[page.head_dim + d]);
    score += std::max(query[d] * greatest, query[d] * least);
  }
  return static_cast<float>(score);
}

void merge_state(const AttentionState& from, int rows, int head_dim, const AttentionState& into) {
  const int dim = padded_dim(head_dim);
  for (int r = 0; r < rows; ++r) {
    if (from.maximum[r] == -kInfinity) continue;
    const std::ptrdiff_t first = static_cast<std::ptrdiff_t>(r) * dim;
    if (into.maximum[r] == -kInfinity) {  // copied, as 0 + -0 is not -0
      std::copy_n(from.output + first, dim, into.output + first);
      into.sum[r] = from.sum[r];
      into.maximum[r] = from.maximum[r];
      continue;
    }
    const float maximum = std::max(from.maximum[r], into.maximum[r]);
    const float keep = std::exp2(into.maximum[r] - maximum);
    const float add = std::exp2(from.maximum[r] - maximum);
    for (std::ptrdiff_t i = first; i < first + dim; ++i) {
      into.output[i] = std::fma(into.output[i], keep, from.output[i] * add);
    }
    into.sum[r] = std::fma(into.sum[r], keep, from.sum[r] * add);
    into.maximum[r] = maximum;
  }
}

double peak_fp32_operations(int rounds, float* out) {
  for (int i = 0; i < kPeakResults; ++i) out[i] = static_cast<float>(i);
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < kPeakResults; ++i) out[i] = out[i] * 0.999f + 0.999f;
  }
  return 2.0 * kPeakResults * rounds;
}

double peak_int8_operations(int rounds, float* out) {
  std::int32_t sums[kPeakResults] = {};
  for (int round = 0; round < rounds; ++round) {
    for (int i = 0; i < kPeakResults; ++i) sums[i] += (round & 127) * (i - 8);
  }
  for (int i = 0; i < kPeakResults; ++i) out[i] = static_cast<float>(sums[i]);
  return 2.0 * kPeakResults * rounds;
}

void read_memory(const std::byte* memory, std::size_t bytes, float* out) {
  std::uint64_t sum = 0;
  for (std::size_t at = 0; at < bytes; at += sizeof(sum)) {
    std::uint64_t word;
    std::memcpy(&word, memory + at, sizeof(word));
    sum += word;
  }
  std::fill_n(out, kPeakResults, static_cast<float>(sum));
}

}  // namespace

const Kernels kReferenceKernels = {
    .name = "reference",
    .rms_norm = rms_norm,
    .quantize_row = quantize_row,
    .matmul = matmul,
    .multiply_bf16 = true,
    .round_row = round_row,
    .silu_multiply = silu_multiply,
    .add_scaled = add_scaled,
    .rotate = rotate,
    .hadamard = hadamard,
    .write_slot = write_slot,
    .attend_page = attend_page,
    .bound_keys = bound_keys,
    .score_page = score_page,
    .merge_state = merge_state,
    .peak_fp32_operations = peak_fp32_operations,
    .peak_int8_operations = peak_int8_operations,
    .read_memory = read_memory,
};

std::size_t attend_scratch_floats(int rows, int head_dim, int page_tokens) {
  const auto dim = static_cast<std::size_t>(padded_dim(head_dim));
  const auto tokens = static_cast<std::size_t>(page_tokens);
  return static_cast<std::size_t>(rows) * tokens + 2 * tokens * dim + tokens +
         2 * tokens * static_cast<std::size_t>(value_blocks(head_dim));
}

}  // namespace redknot
