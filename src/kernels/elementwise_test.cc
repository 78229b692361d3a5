// SPDX-License-Identifier: Apache-2.0
// Norms, rounding, activation, rotation and the writing of pages: every table against the
// reference.
#include <array>
#include <cstring>
#include <limits>

#include "kernels/kernels.h"
#include "kernels/kernels_test.h"

namespace redknot {
namespace {

using namespace kernels_test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

// What agrees bit for bit: quantize_row, add_scaled, rotate, write_slot. What does not, and how
// well it agrees, relative: the sum of squares is added up in another order; e^x is 2^(x log2 e),
// whose argument of up to 127 is rounded to a float.
constexpr float kNormTolerance = 1e-5f;
constexpr float kSiluTolerance = 2e-5f;

class Elementwise : public KernelsTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, Elementwise, ::testing::ValuesIn(available_kernels()),
                         table_name);

TEST_P(Elementwise, RmsNormAgreesWithTheReference) {
  std::uint64_t seed = 0;
  for (const int count : {1, 3, 8, 15, 16, 17, 31, 64, 100, 576, 1024, 4096}) {
    for (const float magnitude : {1e-12f, 1e-3f, 1.0f, 1e4f, 1e15f}) {
      SCOPED_TRACE(concat("count ", count, ", magnitude ", magnitude, ", seed ", ++seed));
      Random random(seed);
      const Floats x = random.normals(static_cast<std::size_t>(count), magnitude);
      const Floats weight = random.normals(x.size());
      Floats actual(x.size());
      Floats expected(x.size());
      kernels().rms_norm(x.data(), weight.data(), 1e-6f, count, actual.data());
      kReferenceKernels.rms_norm(x.data(), weight.data(), 1e-6f, count, expected.data());
      for (std::size_t i = 0; i < x.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], kNormTolerance * std::abs(expected[i])) << i;
      }
    }
  }
}

TEST_P(Elementwise, RmsNormOfZerosIsZero) {
  const Floats zeros(100, 0.0f);
  Floats out(100, 1.0f);
  kernels().rms_norm(zeros.data(), zeros.data(), 1e-6f, 100, out.data());
  EXPECT_TRUE(same_bits(out, zeros));
}

struct Quantized {
  Quantized(std::size_t count, bool two_digits)
      : codes(count, 99),
        low_codes(two_digits ? count : 0, 99),
        scales(count / kQuantBlock, 99.0f),
        sums(count / kQuantBlock, 99) {}
  QuantizedRows view() {
    return {codes.data(), low_codes.empty() ? nullptr : low_codes.data(), scales.data(),
            sums.data()};
  }
  // What a scale is multiplied with.
  int number(std::size_t i) const {
    return low_codes.empty() ? codes[i] : kDigitBase * codes[i] + low_codes[i];
  }
  ExactVector<std::int8_t> codes, low_codes;
  Floats scales;
  ExactVector<std::int32_t> sums;
};

// One block of the kinds that activations come in: usual, zero, tiny, huge, ties, not finite.
void fill_block(std::span<float> block, Random& random) {
  const int kind = random.between(0, 8);
  for (float& x : block) {
    switch (kind) {
      case 0:
        x = 0.0f;
        break;
      case 1:
        x = random.power_of_two(-149.0f, -95.0f);
        break;  // about kLeastPeak
      case 2:
        x = random.power_of_two(100.0f, 127.9f);
        break;
      case 3:
        x = random.power_of_two(-140.0f, 127.0f);
        break;
      case 4:
        x = static_cast<float>(random.between(-254, 254)) / 2;
        break;
      case 5:
        x = random.coin() ? kLargest : -kLargest;
        break;
      default:
        x = random.normal(random.coin() ? 0.1f : 10.0f);
        break;
    }
  }
  if (kind == 4) block[0] = 127.0f;  // the scale is 1 and the halves are ties
  const auto last = static_cast<int>(block.size()) - 1;
  if (kind == 6) block[static_cast<std::size_t>(random.between(0, last))] = kNan;
  if (kind == 7) block[static_cast<std::size_t>(random.between(0, last))] = -kInfinity;
}

TEST_P(Elementwise, QuantizedRowsEqualTheReferenceBitForBit) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(concat("seed ", seed));
    Random random(seed);
    const int count = 32 * random.between(1, 9);
    constexpr int kRowCount = 3;
    Quantized actual(static_cast<std::size_t>(count) * kRowCount, seed % 2 == 1);
    Quantized expected = actual;
    for (const int row : {2, 0}) {  // row 1 is not written
      Floats x(static_cast<std::size_t>(count));
      for (std::size_t i = 0; i < x.size(); i += 32)
        fill_block(std::span(x).subspan(i, 32), random);
      kernels().quantize_row(x.data(), count, actual.view(), row);
      kReferenceKernels.quantize_row(x.data(), count, expected.view(), row);
    }
    ASSERT_EQ(actual.codes, expected.codes);
    ASSERT_EQ(actual.low_codes, expected.low_codes);
    ASSERT_TRUE(same_bits(actual.scales, expected.scales));
    ASSERT_EQ(actual.sums, expected.sums);
  }
}

// A hundredth of a step more for two digits, whose inverse scale is rounded itself.
TEST_P(Elementwise, QuantizedValuesAreWithinHalfAStep) {
  Random random(1);
  const Floats x = random.normals(32 * 100);
  for (const bool two_digits : {false, true}) {
    Quantized rows(x.size(), two_digits);
    kernels().quantize_row(x.data(), static_cast<int>(x.size()), rows.view(), 0);
    for (std::size_t block = 0; block < rows.scales.size(); ++block) {
      std::int32_t sum = 0;
      for (std::size_t i = block * 32; i < (block + 1) * 32; ++i) {
        const double scale = rows.scales[block];
        EXPECT_NEAR(rows.number(i) * scale, x[i], (two_digits ? 0.51 : 0.5001) * scale);
        sum += rows.number(i);
      }
      EXPECT_EQ(rows.sums[block], sum);
    }
  }
}

TEST_P(Elementwise, RowsRoundedToBf16EqualTheReferenceBitForBit) {
  if (!kernels().multiply_bf16) return;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(concat("seed ", seed));
    Random random(seed);
    Floats x(static_cast<std::size_t>(random.between(1, 130)));
    for (std::size_t i = 0; i < x.size(); i += 32) {
      fill_block(std::span(x).subspan(i, std::min<std::size_t>(32, x.size() - i)), random);
    }
    ExactVector<std::uint16_t> actual((x.size() + 1) / 2 * 2, 99), expected = actual;
    kernels().round_row(x.data(), static_cast<int>(x.size()), actual.data());
    kReferenceKernels.round_row(x.data(), static_cast<int>(x.size()), expected.data());
    ASSERT_EQ(actual, expected);
  }
}

TEST_P(Elementwise, SiluMultiplyAgreesWithTheReference) {
  for (const int count : {1, 7, 8, 16, 33, 100, 1000}) {
    SCOPED_TRACE(concat("count ", count));
    Random random(static_cast<std::uint64_t>(count));
    Floats gate(static_cast<std::size_t>(count));
    for (float& x : gate)
      x = random.coin() ? random.normal(5.0f) : random.power_of_two(-60, 127.9f);
    gate.front() = -kLargest;
    gate.back() = count > 1 ? kLargest : -0.0f;
    const Floats up = random.normals(gate.size());
    Floats actual = gate;
    Floats expected = gate;
    kernels().silu_multiply(actual.data(), up.data(), count);
    kReferenceKernels.silu_multiply(expected.data(), up.data(), count);
    for (std::size_t i = 0; i < gate.size(); ++i) {
      if (actual[i] == expected[i]) continue;  // infinite, too
      const float bound = kSiluTolerance * std::abs(expected[i]) + 1e-35f * std::abs(up[i]);
      ASSERT_NEAR(actual[i], expected[i], bound) << "gate " << gate[i];
    }
  }
}

TEST_P(Elementwise, ANanInTheGateIsNotHidden) {
  Floats gate(33, kNan);
  const Floats up(33, 1.0f);
  kernels().silu_multiply(gate.data(), up.data(), 33);
  EXPECT_TRUE(std::all_of(gate.begin(), gate.end(), [](float x) { return std::isnan(x); }));
}

TEST_P(Elementwise, AddScaledEqualsTheReferenceBitForBit) {
  for (const int count : {0, 1, 7, 8, 15, 16, 17, 64, 100, 1000}) {
    SCOPED_TRACE(concat("count ", count));
    Random random(static_cast<std::uint64_t>(count));
    const Floats x = random.normals(static_cast<std::size_t>(count));
    Floats actual = random.normals(x.size());
    Floats expected = actual;
    kernels().add_scaled(actual.data(), x.data(), 0.3f, count);
    kReferenceKernels.add_scaled(expected.data(), x.data(), 0.3f, count);
    ASSERT_TRUE(same_bits(actual, expected));
  }
}

TEST_P(Elementwise, RotateEqualsTheReferenceBitForBitInPlaceAndNot) {
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const int head_dim = random.between(1, 260);
    const int dims =
        random.between(0, 2) == 0 ? random.between(0, head_dim / 2) * 2 : head_dim / 2 * 2;
    const bool interleaved = random.coin();
    SCOPED_TRACE(concat("head_dim ", head_dim, ", dims ", dims, interleaved ? " interleaved" : "",
                        ", seed ", seed));
    const Floats x = random.normals(static_cast<std::size_t>(head_dim));
    const Floats cos = random.normals(static_cast<std::size_t>(dims / 2));
    const Floats sin = random.normals(cos.size());
    const Rope rope{cos.data(), sin.data(), dims, interleaved};
    Floats actual(x.size(), kNan);
    Floats expected(x.size(), kNan);
    Floats in_place = x;
    kernels().rotate(x.data(), rope, head_dim, 0.7f, actual.data());
    kernels().rotate(in_place.data(), rope, head_dim, 0.7f, in_place.data());
    kReferenceKernels.rotate(x.data(), rope, head_dim, 0.7f, expected.data());
    ASSERT_TRUE(same_bits(actual, expected));
    ASSERT_TRUE(same_bits(in_place, expected));
  }
}

TEST_P(Elementwise, RotatedScoresDependOnTheDistanceAlone) {
  constexpr int kDim = 64;
  for (const bool interleaved : {false, true}) {
    Random random(interleaved);
    const Floats query = random.normals(kDim);
    const Floats key = random.normals(kDim);
    const auto rotated = [&](const Floats& x, int position) {
      Floats cos(kDim / 2), sin(kDim / 2), out(kDim);
      for (std::size_t i = 0; i < cos.size(); ++i) {
        const double angle = position * std::pow(1e4, -2.0 * static_cast<double>(i) / kDim);
        cos[i] = static_cast<float>(std::cos(angle));
        sin[i] = static_cast<float>(std::sin(angle));
      }
      kernels().rotate(x.data(), {cos.data(), sin.data(), kDim, interleaved}, kDim, 1, out.data());
      return out;
    };
    const auto score = [&](int query_position, int key_position) {
      const Floats q = rotated(query, query_position);
      const Floats k = rotated(key, key_position);
      double sum = 0.0;
      for (std::size_t i = 0; i < q.size(); ++i) sum += static_cast<double>(q[i]) * k[i];
      return sum;
    };
    EXPECT_NEAR(score(1000, 960), score(40, 0), 1e-4);
    EXPECT_GT(std::abs(score(1000, 960) - score(41, 0)), 1e-3);
  }
}

TEST_P(Elementwise, HadamardEqualsTheReferenceBitForBit) {
  for (int dim = 1; dim <= 512; dim = dim < 40 ? dim + 1 : dim + 8) {
    SCOPED_TRACE(concat("head_dim ", dim));
    Random random(static_cast<std::uint64_t>(dim));
    Floats actual =
        random.normals(static_cast<std::size_t>(dim), std::abs(random.power_of_two(-20, 20)));
    Floats expected = actual;
    kernels().hadamard(actual.data(), dim);
    kReferenceKernels.hadamard(expected.data(), dim);
    ASSERT_TRUE(same_bits(actual, expected));
  }
}

// Sylvester's matrix: the sign is the parity of the bits that row and column have in common.
TEST_P(Elementwise, HadamardMultipliesEachBlockWithTheMatrixAndIsItsOwnInverse) {
  for (const int dim : {1, 2, 7, 12, 16, 64, 80, 96, 128, 512}) {
    SCOPED_TRACE(concat("head_dim ", dim));
    const int block = hadamard_block(dim);
    ASSERT_EQ(dim % (2 * block), block);
    Random random(static_cast<std::uint64_t>(dim));
    const Floats x = random.normals(static_cast<std::size_t>(dim));
    Floats mixed = x;
    kernels().hadamard(mixed.data(), dim);
    for (int d = 0; d < dim; ++d) {
      double sum = 0.0;
      for (int i = 0; i < block; ++i) {
        const double term = x[static_cast<std::size_t>(d / block * block + i)];
        sum += __builtin_parity(static_cast<unsigned>(d % block & i)) == 0 ? term : -term;
      }
      ASSERT_NEAR(mixed[static_cast<std::size_t>(d)], sum / std::sqrt(block), 1e-5) << d;
    }
    kernels().hadamard(mixed.data(), dim);
    for (std::size_t d = 0; d < x.size(); ++d) ASSERT_NEAR(mixed[d], x[d], 1e-5) << d;
  }
}

// Usual numbers, and everything that must not get into a page.
float element_to_write(Random& random, bool wild) {
  constexpr std::array kEdges = {0.0f,     -0.0f,     kNan,     -kNan,    kInfinity, -kInfinity,
                                 kLargest, -kLargest, 65504.0f, 65519.0f, 65520.0f,  -70000.0f,
                                 6e-8f,    -2.9e-8f,  3.05e-5f, 1e-40f,   65503.0f,  6.1e-5f};
  if (!wild) return random.normal(3.0f);
  if (random.coin()) return random.power_of_two(-30.0f, 20.0f);
  return kEdges[static_cast<std::size_t>(random.between(0, kEdges.size() - 1))];
}

TEST_P(Elementwise, WrittenSlotsEqualTheReferenceBitForBit) {
  std::uint64_t seed = 0;
  for (const KvFormat format : kKvFormats) {
    for (const int dim : {1, 7, 8, 40, 64, 128, 512}) {
      for (const int tokens : {16, 64, 128}) {
        SCOPED_TRACE(concat(name(format), ", tokens ", tokens, ", dim ", dim, ", seed ", ++seed));
        Random random(seed);
        PageParts actual(format, tokens, dim);
        PageParts expected(format, tokens, dim);
        const int skipped = random.between(0, tokens - 1);
        for (int slot = 0; slot < tokens; ++slot) {
          if (slot == skipped) continue;
          Floats key(static_cast<std::size_t>(dim));
          Floats value(key.size());
          const bool wild = random.coin();
          for (float& x : key) x = element_to_write(random, wild);
          for (float& x : value) x = element_to_write(random, !wild);
          kernels().write_slot(actual.view(), slot, key.data(), value.data());
          kReferenceKernels.write_slot(expected.view(), slot, key.data(), value.data());
        }
        ASSERT_EQ(actual.keys, expected.keys);
        ASSERT_EQ(actual.values, expected.values);
        ASSERT_EQ(actual.key_scales, expected.key_scales);
        ASSERT_EQ(actual.value_scales, expected.value_scales);
        ASSERT_EQ(actual.value_minima, expected.value_minima);
      }
    }
  }
}

// Half a step of f16, or of the row's 8-bit scale, which is itself an f16 not below peak / 127, or
// of the block's 4-bit one; f32 not at all.
TEST_P(Elementwise, PagesHoldWhatWasWrittenMadeFiniteAndRounded) {
  for (const KvFormat format : kKvFormats) {
    Random random(static_cast<std::uint64_t>(format));
    constexpr int kTokens = 16, kDim = 40;
    PageParts page(format, kTokens, kDim);
    for (int slot = 0; slot < kTokens; ++slot) {
      Floats key(kDim), value(kDim);
      for (float& x : key) x = element_to_write(random, slot % 2 == 0);
      for (float& x : value) x = element_to_write(random, slot % 2 == 0);
      kernels().write_slot(page.view(), slot, key.data(), value.data());
      for (const bool is_key : {true, false}) {
        const Floats& row = is_key ? key : value;
        const float limit = format == KvFormat::kF32 ? kLargest : 65504.0f;
        const auto wanted = [limit](float x) {
          return std::isnan(x) ? 0.0f : std::clamp(x, -limit, limit);
        };
        float peak = 0.0f;
        for (const float x : row) peak = std::max(peak, std::abs(wanted(x)));
        const KvElement type = is_key ? key_element(format) : value_element(format);
        for (int d = 0; d < kDim; ++d) {
          const float stored = is_key ? page.key(slot, d) : page.value(slot, d);
          const float x = wanted(row[static_cast<std::size_t>(d)]);
          const float step = type == KvElement::kF32    ? 0.0f
                             : type == KvElement::kInt8 ? peak / 127.0f * 1.001f + 0x1p-24f
                             : type == KvElement::kInt4 ? 2 * peak / 15.0f * 1.002f + 0x1p-23f
                                                        : std::abs(x) * 0x1p-10f + 0x1p-24f;
          ASSERT_TRUE(std::isfinite(stored));
          ASSERT_NEAR(stored, x, 0.5001f * step) << "slot " << slot << ", element " << d;
        }
      }
    }
  }
}

TEST(Kernels, AreFoundByNameAndTheBestByNone) {
  for (const Kernels* kernels : available_kernels()) {
    EXPECT_EQ(find_kernels(kernels->name), kernels);
  }
  EXPECT_EQ(available_kernels().front(), &kReferenceKernels);
  EXPECT_EQ(find_kernels(""), available_kernels().back());
  EXPECT_EQ(find_kernels("avx1024"), nullptr);
}

}  // namespace
}  // namespace redknot
