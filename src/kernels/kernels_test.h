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

inline std::size_t element_bytes(KvFormat format) {
  return format == KvFormat::kQ8 ? 1 : format == KvFormat::kF32 ? 4 : 2;
}

// Element `index` of a part of a page; `scale` (f16) is that of its slot, for q8.
inline float page_element(KvFormat format, const std::byte* part, std::size_t index,
                          std::uint16_t scale) {
  const std::byte* at = part + index * element_bytes(format);
  if (format == KvFormat::kQ8) {
    return static_cast<float>(static_cast<std::int8_t>(*at)) * f16_to_f32(scale);
  }
  float single;
  std::uint16_t half;
  if (format == KvFormat::kF32) {
    std::memcpy(&single, at, sizeof single);
    return single;
  }
  std::memcpy(&half, at, sizeof half);
  return f16_to_f32(half);
}

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
