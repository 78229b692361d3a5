// SPDX-License-Identifier: Apache-2.0
// Matrix products of every table against the reference: bit for bit, because all chain the same
// fused multiply-adds in the same order.
#include <array>
#include <cstring>

#include "kernels/kernels.h"
#include "kernels/kernels_test.h"
#include "tensor/half.h"

namespace redknot {
namespace {

using namespace kernels_test;

// What the rows of a product are rounded to.
enum class Rounding { kNone, kOneDigit, kTwoDigits, kBf16 };

struct Kind {
  WeightFormat format;
  Rounding rounding = Rounding::kNone;
};
constexpr std::array kKinds = {Kind{WeightFormat::kF32},
                               Kind{WeightFormat::kF16},
                               Kind{WeightFormat::kBF16},
                               Kind{WeightFormat::kInt8},
                               Kind{WeightFormat::kInt4},
                               Kind{WeightFormat::kInt4Min},
                               Kind{WeightFormat::kInt8, Rounding::kOneDigit},
                               Kind{WeightFormat::kInt4, Rounding::kOneDigit},
                               Kind{WeightFormat::kInt4Min, Rounding::kOneDigit},
                               Kind{WeightFormat::kInt8, Rounding::kTwoDigits},
                               Kind{WeightFormat::kInt4, Rounding::kTwoDigits},
                               Kind{WeightFormat::kInt4Min, Rounding::kTwoDigits},
                               Kind{WeightFormat::kBF16, Rounding::kBf16}};
constexpr std::array kRows = {0, 1, 2, 5, 6, 7, 13, 64, 97};
constexpr std::array kOutputs = {1, 5, 31, 32, 33, 70};
constexpr std::array kFloatInputs = {1, 3, 8, 33, 64, 100};
constexpr std::array kIntegerInputs = {32, 64, 96, 256};

struct Shape {
  Kind kind;
  int rows, outputs, inputs;
};

std::string trace(const Shape& shape, std::uint64_t seed) {
  return concat("format ", static_cast<int>(shape.kind.format), ", rounding ",
                static_cast<int>(shape.kind.rounding), ", rows ", shape.rows, ", outputs ",
                shape.outputs, ", inputs ", shape.inputs, ", seed ", seed);
}

void store_half(ExactVector<std::byte>& bytes, std::size_t offset, std::uint16_t half) {
  std::memcpy(bytes.data() + offset, &half, sizeof(half));
}

// Bytes of a whole packed matrix: random weights, also for outputs that do not exist.
ExactVector<std::byte> random_weights(const PackedMatrix& matrix, Random& random) {
  ExactVector<std::byte> bytes(matrix.size_bytes());
  if (matrix.format == WeightFormat::kF32) {
    const Floats values = random.normals(bytes.size() / 4);
    std::memcpy(bytes.data(), values.data(), bytes.size());
  } else if (!is_integer(matrix.format)) {
    for (std::size_t i = 0; i < bytes.size(); i += 2) {
      const float value = random.normal();
      const bool half = matrix.format == WeightFormat::kF16;
      store_half(bytes, i, half ? f32_to_f16(value) : f32_to_bf16(value));
    }
  } else {
    random.fill_bytes(bytes);
    const std::size_t codes = matrix.format == WeightFormat::kInt8 ? 1024 : 512;
    const std::size_t block = integer_block_bytes(matrix.format);
    for (std::size_t begin = 0; begin < bytes.size(); begin += block) {
      for (std::size_t i = codes; i < block; i += 2) {
        store_half(bytes, begin + i, f32_to_f16(random.normal(0.01f)));
      }
    }
  }
  return bytes;
}

// A product with everything it reads, in memory of its exact size.
class Product {
 public:
  Product(const Shape& shape, Random& random) {
    weights_ = {shape.kind.format, shape.outputs, shape.inputs, nullptr};
    packed_ = random_weights(weights_, random);
    weights_.bytes = packed_.data();
    const int input_rows = shape.rows + random.between(1, 3);
    const auto inputs = static_cast<std::size_t>(shape.inputs);
    input = random.normals(static_cast<std::size_t>(input_rows) * inputs);
    if (shape.kind.rounding == Rounding::kBf16) {
      round(input_rows, shape.inputs);
    } else if (shape.kind.rounding != Rounding::kNone) {
      quantize(input_rows, shape.inputs, shape.kind.rounding == Rounding::kTwoDigits);
    }
    stride_ = static_cast<std::size_t>(shape.outputs + random.between(0, 3));
    before = random.normals(static_cast<std::size_t>(shape.rows) * stride_);
    bias_ = random.normals(static_cast<std::size_t>(shape.outputs));
    for (int row = 0; row < shape.rows; ++row) {
      rows_.push_back(random.between(0, input_rows - 1));
    }
    first_panel = random.between(0, weights_.panels() - 1);
    panel_count = random.between(1, weights_.panels() - first_panel);
    bias = random.coin();
    accumulate = random.coin();
    gather = random.coin();
  }
  Product(const Product&) = delete;

  // What stands in the output afterwards, `before` where nothing was written.
  Floats run(const Kernels& kernels) const {
    Floats output = before;
    Matmul m = matmul();
    m.output = output.data();
    kernels.matmul(m);
    return output;
  }

  // The same for output row `row` computed alone.
  Floats run_alone(const Kernels& kernels, int row) const {
    const auto first = before.begin() + row * static_cast<std::ptrdiff_t>(stride_);
    Floats output(first, first + static_cast<std::ptrdiff_t>(stride_));
    Matmul m = matmul();
    const int input_row = gather ? rows_[static_cast<std::size_t>(row)] : row;
    m.rows = 1;
    m.input_rows = &input_row;
    m.output = output.data();
    kernels.matmul(m);
    return output;
  }

  const PackedMatrix& weights() const { return weights_; }
  std::size_t stride() const { return stride_; }
  int first_panel, panel_count;
  bool bias, accumulate, gather;
  Floats input, before;
  ExactVector<std::int8_t> codes, low_codes;
  ExactVector<float> scales;
  ExactVector<std::int32_t> sums;
  ExactVector<std::uint16_t> bf16;

  ExactVector<std::byte>& packed() { return packed_; }
  void add_up_codes() {
    for (std::size_t i = 0; i < codes.size(); ++i) {
      if (i % kQuantBlock == 0) sums[i / kQuantBlock] = 0;
      sums[i / kQuantBlock] += number(i);
    }
  }
  // What a scale is multiplied with.
  std::int32_t number(std::size_t i) const {
    return low_codes.empty() ? codes[i] : kDigitBase * codes[i] + low_codes[i];
  }

 private:
  void quantize(int rows, int inputs, bool two_digits) {
    codes.resize(input.size());
    if (two_digits) low_codes.resize(input.size());
    scales.resize(input.size() / kQuantBlock);
    sums.resize(input.size() / kQuantBlock);
    for (int row = 0; row < rows; ++row) {
      kReferenceKernels.quantize_row(input.data() + static_cast<std::ptrdiff_t>(row) * inputs,
                                     inputs, quantized(), row);
    }
  }

  void round(int rows, int inputs) {
    const auto stride = static_cast<std::size_t>((inputs + 1) / 2 * 2);
    bf16.resize(static_cast<std::size_t>(rows) * stride);
    for (int row = 0; row < rows; ++row) {
      kReferenceKernels.round_row(input.data() + static_cast<std::ptrdiff_t>(row) * inputs, inputs,
                                  bf16.data() + static_cast<std::size_t>(row) * stride);
    }
  }

  QuantizedRows quantized() const {
    if (codes.empty()) return {};
    return {const_cast<std::int8_t*>(codes.data()),
            low_codes.empty() ? nullptr : const_cast<std::int8_t*>(low_codes.data()),
            const_cast<float*>(scales.data()), const_cast<std::int32_t*>(sums.data())};
  }

  Matmul matmul() const {
    Matmul m;
    m.weights = &weights_;
    m.first_panel = first_panel;
    m.panel_count = panel_count;
    m.rows = static_cast<int>(rows_.size());
    m.input_rows = gather ? rows_.data() : nullptr;
    m.input = input.data();
    m.quantized = quantized();
    m.bf16 = bf16.empty() ? nullptr : bf16.data();
    m.output_stride = stride_;
    m.bias = bias ? bias_.data() : nullptr;
    m.accumulate = accumulate;
    return m;
  }

  PackedMatrix weights_;
  ExactVector<std::byte> packed_;
  ExactVector<int> rows_;
  Floats bias_;
  std::size_t stride_;
};

std::vector<Shape> shapes_of(const Kind& kind) {
  const std::span<const int> inputs = is_integer(kind.format) ? std::span<const int>(kIntegerInputs)
                                                              : std::span<const int>(kFloatInputs);
  std::vector<Shape> shapes;
  for (const int rows : kRows) {
    for (const int outputs : kOutputs) {
      for (const int count : inputs) shapes.push_back({kind, rows, outputs, count});
    }
  }
  return shapes;
}

class Matmuls : public KernelsTest {
 protected:
  // Those that this table multiplies.
  std::vector<Kind> kinds() const {
    std::vector<Kind> kinds;
    for (const Kind& kind : kKinds) {
      if (kind.rounding != Rounding::kBf16 || kernels().multiply_bf16) kinds.push_back(kind);
    }
    return kinds;
  }
};
INSTANTIATE_TEST_SUITE_P(Kernels, Matmuls, ::testing::ValuesIn(available_kernels()), table_name);

TEST_P(Matmuls, EqualTheReferenceBitForBit) {
  std::uint64_t seed = 0;
  for (const Kind& kind : kinds()) {
    for (const Shape& shape : shapes_of(kind)) {
      SCOPED_TRACE(trace(shape, ++seed));
      Random random(seed);
      const Product product(shape, random);
      ASSERT_TRUE(same_bits(product.run(kernels()), product.run(kReferenceKernels)));
    }
  }
}

TEST_P(Matmuls, ARowAloneEqualsTheRowAmongManyBitForBit) {
  std::uint64_t seed = 1000;
  for (const Kind& kind : kinds()) {
    for (const int rows : kRows) {
      const Shape shape{kind, rows, 70, is_integer(kind.format) ? 96 : 100};
      SCOPED_TRACE(trace(shape, ++seed));
      Random random(seed);
      const Product product(shape, random);
      const Floats together = product.run(kernels());
      for (int row = 0; row < rows; ++row) {
        const std::size_t first = static_cast<std::size_t>(row) * product.stride();
        ASSERT_TRUE(same_bits(product.run_alone(kernels(), row),
                              std::span(together).subspan(first, product.stride())))
            << "row " << row;
      }
    }
  }
}

TEST_P(Matmuls, PanelsComputedApartEqualAllPanelsBitForBit) {
  std::uint64_t seed = 2000;
  for (const Kind& kind : kinds()) {
    const Shape shape{kind, 7, 33 * 3, 64};
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Product product(shape, random);
    product.first_panel = 0;
    product.panel_count = product.weights().panels();
    const Floats whole = product.run(kernels());
    for (int panel = 0; panel < product.weights().panels(); ++panel) {
      product.first_panel = panel;
      product.panel_count = 1;
      product.before = product.run(kernels());
    }
    EXPECT_TRUE(same_bits(product.before, whole));
  }
}

// 255 * 127 + 255 * 127 does not fit in the 16 bits of AVX2's sums of pairs.
TEST_P(Matmuls, TheLargestCodesDoNotSaturate) {
  std::uint64_t seed = 3000;
  for (const Kind& kind : kinds()) {
    if (kind.rounding == Rounding::kNone || kind.rounding == Rounding::kBf16) continue;
    for (int pattern = 0; pattern < 9; ++pattern) {
      const Shape shape{kind, 7, 64, 64};
      SCOPED_TRACE(trace(shape, ++seed));
      Random random(seed);
      Product product(shape, random);
      const auto extreme = [&](int kind, auto low, auto high) {
        return kind == 0 ? low : kind == 1 ? high : random.coin() ? low : high;
      };
      const std::size_t block = integer_block_bytes(kind.format);
      const std::size_t code_bytes = kind.format == WeightFormat::kInt8 ? 1024 : 512;
      for (std::size_t i = 0; i < product.packed().size(); ++i) {
        if (i % block >= code_bytes) continue;
        product.packed()[i] = extreme(pattern % 3, std::byte{0}, std::byte{255});
      }
      for (auto* codes : {&product.codes, &product.low_codes}) {
        for (std::int8_t& code : *codes) {
          code = extreme(pattern / 3, std::int8_t{-127}, std::int8_t{127});
        }
      }
      product.add_up_codes();
      ASSERT_TRUE(same_bits(product.run(kernels()), product.run(kReferenceKernels)));
    }
  }
}

TEST_P(Matmuls, TinyHugeAndZeroBlocksEqualTheReferenceBitForBit) {
  constexpr std::array<std::uint16_t, 5> kHalves = {0x0000, 0x0001, 0x03ff, 0x7bff, 0xfbff};
  constexpr std::array kScales = {0.0f, 1e-38f, 1e-30f, 1.0f, 1e30f, 3e38f};
  for (std::uint64_t seed = 4000; seed < 4120; ++seed) {
    Random random(seed);
    const Kind kind = kinds()[seed % kinds().size()];
    const Shape shape{kind, 13, 70, 64};
    SCOPED_TRACE(trace(shape, seed));
    Product product(shape, random);
    for (float& scale : product.scales) {
      scale = kScales[static_cast<std::size_t>(random.between(0, 5))];
    }
    for (float& value : product.input) {
      value = random.coin() ? 0.0f : random.power_of_two(-149.0f, 127.0f);
    }
    for (std::size_t i = 0; i < product.packed().size(); i += 64) {
      if (kind.format == WeightFormat::kF32) break;
      store_half(product.packed(), i + static_cast<std::size_t>(random.between(0, 31)) * 2,
                 kHalves[static_cast<std::size_t>(random.between(0, 4))]);
    }
    ASSERT_TRUE(same_bits(product.run(kernels()), product.run(kReferenceKernels)));
  }
}

// Rounding of `inputs` chained products: each at most 2^-24 of the sum of magnitudes.
TEST(ReferenceMatmul, IsTheProductWithTheUnpackedWeights) {
  std::uint64_t seed = 5000;
  for (const Kind& kind : kKinds) {
    const Shape shape{kind, 5, 33, is_integer(kind.format) ? 96 : 33};
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Product product(shape, random);
    product.first_panel = 1;
    product.panel_count = 1;
    product.bias = product.accumulate = product.gather = false;
    const Floats actual = product.run(kReferenceKernels);
    std::vector<float> weights(32 * static_cast<std::size_t>(shape.inputs));
    unpack_panel(product.weights(), 1, weights);
    for (int row = 0; row < shape.rows; ++row) {
      double expected = 0.0;
      double magnitude = 0.0;
      for (int k = 0; k < shape.inputs; ++k) {
        const auto i = static_cast<std::size_t>(row * shape.inputs + k);
        const double x = kind.rounding == Rounding::kNone ? product.input[i]
                         : kind.rounding == Rounding::kBf16
                             ? bf16_to_f32(f32_to_bf16(product.input[i]))
                             : static_cast<double>(product.number(i)) * product.scales[i / 32];
        expected += x * weights[static_cast<std::size_t>(k)];
        magnitude += std::abs(x * weights[static_cast<std::size_t>(k)]);
      }
      const float got = actual[static_cast<std::size_t>(row) * product.stride() + 32];
      EXPECT_NEAR(got, expected, magnitude * shape.inputs * 0x1p-24);
    }
  }
}

}  // namespace
}  // namespace redknot
