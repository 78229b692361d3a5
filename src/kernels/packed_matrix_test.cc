// SPDX-License-Identifier: Apache-2.0
// Packing against dequantize(), the definition of the file formats.
#include "kernels/packed_matrix.h"

#include <array>
#include <cstddef>
#include <cstring>

#include "kernels/kernels_test.h"
#include "tensor/blocks.h"
#include "tensor/half.h"

namespace redknot {

static void PrintTo(DType dtype, std::ostream* out) { *out << name(dtype); }

namespace {

using namespace kernels_test;

std::vector<DType> all_dtypes() {
  std::vector<DType> dtypes;
  for (int i = 0; i < kDTypeCount; ++i) dtypes.push_back(static_cast<DType>(i));
  return dtypes;
}

// Where the halves of a block lie; the first is the scale, the second the minimum.
std::vector<std::size_t> half_offsets(DType dtype) {
  switch (dtype) {
    case DType::kQ8_0:
    case DType::kQ4_0:
    case DType::kQ5_0:
      return {0};
    case DType::kQ4_1:
    case DType::kQ5_1:
    case DType::kQ4_K:
    case DType::kQ5_K:
      return {0, 2};
    case DType::kQ2_K:
      return {offsetof(BlockQ2_K, scale), offsetof(BlockQ2_K, minimum)};
    case DType::kQ3_K:
      return {offsetof(BlockQ3_K, scale)};
    case DType::kQ6_K:
      return {offsetof(BlockQ6_K, scale)};
    default:
      return {};
  }
}

// Rows as a file holds them: random codes, finite scales.
ExactVector<std::byte> random_rows(DType dtype, std::size_t count, Random& random) {
  ExactVector<std::byte> rows(bytes_of(dtype, count));
  random.fill_bytes(rows);
  if (dtype == DType::kF32) {
    const Floats values = random.normals(count);
    std::memcpy(rows.data(), values.data(), rows.size());
  }
  const auto block = static_cast<std::size_t>(block_bytes(dtype));
  for (std::size_t begin = 0; begin < rows.size(); begin += block) {
    for (const std::size_t offset : half_offsets(dtype)) {
      const std::uint16_t half = f32_to_f16(random.power_of_two(-14.0f, 0.0f));
      std::memcpy(rows.data() + begin + offset, &half, sizeof(half));
    }
    if (dtype == DType::kF16 || dtype == DType::kBF16) {
      const float value = random.normal();
      const std::uint16_t half = dtype == DType::kF16 ? f32_to_f16(value) : f32_to_bf16(value);
      std::memcpy(rows.data() + begin, &half, sizeof(half));
    }
  }
  return rows;
}

ExactVector<std::byte> pack(PackedMatrix& matrix, DType dtype, std::span<const std::byte> rows) {
  ExactVector<std::byte> packed(matrix.size_bytes());
  for (int panel = matrix.panels() - 1; panel >= 0; --panel) {
    pack_panel(matrix, panel, dtype, rows, packed.data());
  }
  matrix.bytes = packed.data();
  return packed;
}

// All weights that a matrix stands for, with the rows that do not exist: [32 * panels, inputs].
Floats unpack(const PackedMatrix& matrix) {
  const std::size_t panel = static_cast<std::size_t>(kPanelColumns) * matrix.inputs;
  Floats weights(panel * matrix.panels());
  for (int i = 0; i < matrix.panels(); ++i) {
    unpack_panel(matrix, i, std::span(weights).subspan(panel * i, panel));
  }
  return weights;
}

bool is_exact(DType dtype) { return dtype < DType::kQ5_1; }

// How far a weight may be from the file's, given the largest magnitude of its 32.
//
// Requantised types: half a step of peak / 127, rounded to f16. Q4_K: its scale times 15 and its
// minimum are each rounded to f16; the first is at most peak + |minimum|, and |minimum| is at most
// peak where code 0 occurs and 63 * 1.0 at most here. Subnormal halves add at most 2^-25 a step.
float bound(DType dtype, float peak, float largest_minimum) {
  if (dtype == DType::kQ4_K) return (peak + 2 * largest_minimum) * 0x1p-11f + 16 * 0x1p-25f;
  return 0.5f * peak / 127.0f * 1.001f + 127 * 0x1p-25f;
}

class PackedMatrixOf : public ::testing::TestWithParam<DType> {};
INSTANTIATE_TEST_SUITE_P(DTypes, PackedMatrixOf, ::testing::ValuesIn(all_dtypes()),
                         [](const auto& type) { return std::string(name(type.param)); });

TEST_P(PackedMatrixOf, StandsForTheWeightsOfTheFile) {
  const DType dtype = GetParam();
  const std::vector<int> input_counts = block_elements(dtype) == 1    ? std::vector{1, 33, 64}
                                        : block_elements(dtype) == 32 ? std::vector{32, 96, 256}
                                                                      : std::vector{256, 768};
  std::uint64_t seed = 0;
  for (const int outputs : {1, 31, 32, 33, 70}) {
    for (const int inputs : input_counts) {
      SCOPED_TRACE(concat("outputs ", outputs, ", inputs ", inputs, ", seed ", ++seed));
      Random random(seed);
      const std::size_t count = static_cast<std::size_t>(outputs) * inputs;
      const auto rows = random_rows(dtype, count, random);
      PackedMatrix matrix{packed_format(dtype), outputs, inputs, nullptr};
      const auto packed = pack(matrix, dtype, rows);
      const Floats actual = unpack(matrix);
      Floats expected(count);
      dequantize(dtype, rows, expected);
      expected.resize(actual.size());  // the outputs that do not exist are zero
      for (std::size_t i = 0; i < actual.size(); ++i) {
        if (is_exact(dtype)) {
          ASSERT_EQ(actual[i], expected[i]) << i;
          continue;
        }
        float peak = 0.0f;
        for (std::size_t j = i / 32 * 32; j < i / 32 * 32 + 32; ++j) {
          peak = std::max(peak, std::abs(expected[j]));
        }
        ASSERT_NEAR(actual[i], expected[i], bound(dtype, peak, 63.0f)) << i;
      }
    }
  }
}

TEST_P(PackedMatrixOf, CanBePackedFromAnyBytes) {
  const DType dtype = GetParam();
  const int inputs = 256;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    SCOPED_TRACE(concat("seed ", seed));
    Random random(seed);
    ExactVector<std::byte> rows(bytes_of(dtype, 33 * inputs));
    random.fill_bytes(rows);
    for (std::size_t i = 0; i + 1 < rows.size(); i += 2) {  // infinities and NaNs
      if (random.between(0, 3) == 0)
        rows[i + 1] = random.coin() ? std::byte{0x7c} : std::byte{0xff};
    }
    PackedMatrix matrix{packed_format(dtype), 33, inputs, nullptr};
    const auto packed = pack(matrix, dtype, rows);
    const Floats weights = unpack(matrix);
    for (const float weight : std::span(weights).subspan(34 * inputs)) ASSERT_EQ(weight, 0.0f);
  }
}

TEST(PackedMatrix, BlocksOfTinyWeightsLoseLessThanTheSmallestHalf) {
  Random random(1);
  auto rows = random_rows(DType::kQ6_K, 32 * 256, random);
  for (std::size_t begin = 0; begin < rows.size(); begin += sizeof(BlockQ6_K)) {
    const std::uint16_t smallest = 1;
    std::memcpy(rows.data() + begin + offsetof(BlockQ6_K, scale), &smallest, sizeof(smallest));
  }
  PackedMatrix matrix{WeightFormat::kInt8, 32, 256, nullptr};
  const auto packed = pack(matrix, DType::kQ6_K, rows);
  const Floats actual = unpack(matrix);
  Floats expected(actual.size());
  dequantize(DType::kQ6_K, rows, expected);
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const float peak = 0x1p-24f * 128 * 32;
    ASSERT_NEAR(actual[i], expected[i], bound(DType::kQ6_K, peak, 0.0f));
  }
}

TEST(PackedMatrix, CountsItsPanelsAndBytes) {
  const PackedMatrix float_matrix{WeightFormat::kBF16, 33, 10, nullptr};
  EXPECT_EQ(float_matrix.panels(), 2);
  EXPECT_EQ(float_matrix.size_bytes(), 2u * 10 * 32 * 2);
  const PackedMatrix int8_matrix{WeightFormat::kInt8, 64, 96, nullptr};
  EXPECT_EQ(int8_matrix.size_bytes(), 2u * 3 * (1024 + 64));
  const PackedMatrix int4_matrix{WeightFormat::kInt4Min, 1, 32, nullptr};
  EXPECT_EQ(int4_matrix.size_bytes(), 512u + 128);
}

}  // namespace
}  // namespace redknot
