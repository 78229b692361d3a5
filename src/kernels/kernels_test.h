// SPDX-License-Identifier: Apache-2.0
// What the kernel tests share: a run over every table of kernels this CPU has, random numbers from
// a seed, memory of exact size, and comparison bit for bit.
//
// A test names its shape and seed with SCOPED_TRACE, so a failure can be repeated alone. The tests
// of src/kernels include it, and everything in it lives on a test's one thread.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <ostream>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "kernels/kernels.h"
#include "tensor/half.h"

namespace redknot {

// How GoogleTest names the parameter of a failing test. Found through the type's namespace.
inline void PrintTo(const Kernels* kernels, std::ostream* out) { *out << kernels->name; }

}  // namespace redknot

namespace redknot::kernels_test {

// A test suite that runs once per table, the reference too: laws bind it as well.
class KernelsTest : public ::testing::TestWithParam<const Kernels*> {
 protected:
  const Kernels& kernels() const { return *GetParam(); }
};

inline std::string table_name(const ::testing::TestParamInfo<const Kernels*>& info) {
  return std::string(info.param->name);
}

// 64-byte aligned, and ends where its last element ends: a sanitizer sees the first byte read past
// it.
template <typename T>
struct ExactAllocator {
  using value_type = T;
  ExactAllocator() = default;
  template <typename Other>
  explicit ExactAllocator(const ExactAllocator<Other>&) {}
  T* allocate(std::size_t count) {
    return static_cast<T*>(::operator new (count * sizeof(T), std::align_val_t{64}));
  }
  void deallocate(T* memory, std::size_t) { ::operator delete (memory, std::align_val_t{64}); }
  bool operator==(const ExactAllocator&) const { return true; }
};
template <typename T>
using ExactVector = std::vector<T, ExactAllocator<T>>;
using Floats = ExactVector<float>;

// Element `index` of a part of a page; `scale` (f16) is that of its slot, of 8-bit integers.
inline float part_element(KvElement type, const std::byte* part, std::size_t index,
                          std::uint16_t scale) {
  if (type == KvElement::kInt8) {
    return static_cast<float>(static_cast<std::int8_t>(part[index])) * f16_to_f32(scale);
  }
  float single;
  std::uint16_t half;
  if (type == KvElement::kF32) {
    std::memcpy(&single, part + index * sizeof single, sizeof single);
    return single;
  }
  std::memcpy(&half, part + index * sizeof half, sizeof half);
  return f16_to_f32(half);
}

// What a page holds.
inline float stored_key(const PageView& page, int slot, int d) {
  const KvElement type = key_element(page.format);
  const auto at = static_cast<std::size_t>(d) * static_cast<std::size_t>(page.page_tokens) +
                  static_cast<std::size_t>(slot);
  return part_element(type, page.keys, at, type == KvElement::kInt8 ? page.key_scales[slot] : 0);
}
inline float stored_value(const PageView& page, int slot, int d) {
  const KvElement type = value_element(page.format);
  if (type == KvElement::kInt4) {
    const int block = slot * value_blocks(page.head_dim) + d / 32;
    const auto byte = static_cast<int>(page.values[block * 16 + d % 16]);
    const int code = d % 32 < 16 ? byte % 16 : byte / 16;
    return f16_to_f32(page.value_minima[block]) +
           static_cast<float>(code) * f16_to_f32(page.value_scales[block]);
  }
  const auto at = static_cast<std::size_t>(slot) * static_cast<std::size_t>(page.head_dim) +
                  static_cast<std::size_t>(d);
  return part_element(type, page.values, at,
                      type == KvElement::kInt8 ? page.value_scales[slot] : 0);
}

// The parts of a page, each in memory of its exact size, filled with a pattern.
struct PageParts {
  PageParts(KvFormat page_format, int page_tokens, int head_dim)
      : format(page_format),
        tokens(page_tokens),
        dim(head_dim),
        key_scales(static_cast<std::size_t>(tokens), 0x5a5a),
        value_scales(static_cast<std::size_t>(tokens * value_blocks(dim)), 0x5a5a),
        value_minima(value_scales),
        bounds(static_cast<std::size_t>(2 * dim)) {
    constexpr std::array<std::size_t, kKvFormatCount> kBytes = {2, 1, 4, 1};
    const auto elements = static_cast<std::size_t>(tokens * dim);
    keys.assign(elements * kBytes[index_of(format)], std::byte{0x5a});
    values = keys;
    if (format == KvFormat::kK8V4) values.assign(value_scales.size() * 16, std::byte{0x5a});
  }

  PageView view() const {
    return {.format = format,
            .page_tokens = tokens,
            .head_dim = dim,
            .keys = const_cast<std::byte*>(keys.data()),
            .values = const_cast<std::byte*>(values.data()),
            .key_scales = const_cast<std::uint16_t*>(key_scales.data()),
            .value_scales = const_cast<std::uint16_t*>(value_scales.data()),
            .key_bounds = const_cast<std::uint16_t*>(bounds.data()),
            .value_minima = const_cast<std::uint16_t*>(value_minima.data())};
  }
  double key(int slot, int d) const { return stored_key(view(), slot, d); }
  double value(int slot, int d) const { return stored_value(view(), slot, d); }

  KvFormat format;
  int tokens, dim;
  ExactVector<std::byte> keys, values;
  ExactVector<std::uint16_t> key_scales, value_scales, value_minima, bounds;
};

class Random {
 public:
  explicit Random(std::uint64_t seed) : bits_(seed) {}

  int between(int low, int high) {  // both included
    return std::uniform_int_distribution<int>(low, high)(bits_);
  }
  bool coin() { return between(0, 1) == 1; }
  float normal(float deviation = 1.0f) {
    return std::normal_distribution<float>(0.0f, deviation)(bits_);
  }
  // +-2^e, e uniform.
  float power_of_two(float low, float high) {
    const float exponent = std::uniform_real_distribution<float>(low, high)(bits_);
    return std::copysign(std::exp2(exponent), coin() ? 1.0f : -1.0f);
  }
  Floats normals(std::size_t count, float deviation = 1.0f) {
    Floats values(count);
    for (float& value : values) value = normal(deviation);
    return values;
  }
  void fill_bytes(std::span<std::byte> bytes) {
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(between(0, 255));
  }

 private:
  std::mt19937_64 bits_;
};

// Equal bits, signs of zeros included; any NaN equals any other.
inline ::testing::AssertionResult same_bits(std::span<const float> actual,
                                            std::span<const float> expected) {
  if (actual.size() != expected.size()) return ::testing::AssertionFailure() << "sizes differ";
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const float a = actual[i];
    const float b = expected[i];
    if (std::isnan(a) && std::isnan(b)) continue;
    if (std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b)) continue;
    return ::testing::AssertionFailure() << "element " << i << " of " << actual.size() << ": "
                                         << std::hexfloat << a << " instead of " << b;
  }
  return ::testing::AssertionSuccess();
}

}  // namespace redknot::kernels_test
