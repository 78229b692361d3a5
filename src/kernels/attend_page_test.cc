// SPDX-License-Identifier: Apache-2.0
// Attention over one page and the merge of states: every table against the reference, and the laws
// that hold bit for bit within one table.
#include <array>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/kernels.h"
#include "kernels/kernels_test.h"

namespace redknot {
namespace {

using namespace kernels_test;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Scores are the same bits in every table. What differs is the order in which weights and weighted
// values are added up, and 2^x (relative error 5e-9). So maxima are equal, sums agree to this
// relative error, and outputs to this times the sum times the largest value.
constexpr float kTolerance = 1e-5f;

constexpr std::array kTokens = {16, 32, 64, 128};
constexpr std::array kDims = {1, 7, 8, 16, 40, 64, 80, 96, 128, 256};
constexpr std::array kRows = {1, 2, 3, 4, 5, 6, 7, 12, 63, 64, 100, 300};

struct Shape {
  KvFormat format;
  int tokens, dim, rows;
};

std::string trace(const Shape& shape, std::uint64_t seed) {
  return concat(name(shape.format), ", tokens ", shape.tokens, ", dim ", shape.dim, ", rows ",
                shape.rows, ", seed ", seed);
}

std::size_t product_of(int a, int b) {
  return static_cast<std::size_t>(a) * static_cast<std::size_t>(b);
}

// A page of random keys and values.
class Page : public PageParts {
 public:
  Page(const Shape& shape, Random& random) : PageParts(shape.format, shape.tokens, shape.dim) {
    const auto elements = static_cast<std::size_t>(dim);
    for (int slot = 0; slot < tokens; ++slot) {
      write(slot, random.normals(elements), random.normals(elements));
    }
  }

  void write(int slot, const Floats& key, const Floats& value) {
    kReferenceKernels.write_slot(view(), slot, key.data(), value.data());
    for (const float element : value) peak_ = std::max(peak_, std::abs(element) * 1.01f);
  }

  // The largest finite numbers a page can hold, with random signs.
  void spoil(int slot, Random& random) {
    for (int d = 0; d < dim; ++d) {
      spoil(keys, key_element(format), product_of(d, tokens) + slot, random);
      if (value_element(format) == KvElement::kInt4) continue;
      spoil(values, value_element(format), product_of(slot, dim) + d, random);
    }
    key_scales[static_cast<std::size_t>(slot)] = 0x7bff;
    const std::size_t blocks = value_element(format) == KvElement::kInt4 ? value_blocks(dim) : 1;
    for (std::size_t block = slot * blocks; block < (slot + 1) * blocks; ++block) {
      value_scales[block] = 0xfbff;
      value_minima[block] = 0x7bff;
      if (value_element(format) != KvElement::kInt4) continue;
      for (std::size_t i = 0; i < 16; ++i) {
        values[block * 16 + i] = std::byte{random.coin() ? std::uint8_t{0xf0} : std::uint8_t{0x0f}};
      }
    }
  }

  float peak() const { return peak_; }  // no value written is larger

 private:
  static void spoil(ExactVector<std::byte>& part, KvElement type, std::size_t at, Random& random) {
    // 65504 and its negative; 127 and -128; the largest float and its negative. Little-endian.
    constexpr std::array<std::array<std::uint32_t, 2>, 3> kLargest = {
        {{0x7bff, 0xfbff}, {0x7f, 0x80}, {0x7f7fffff, 0xff7fffff}}};
    constexpr std::array<std::size_t, 3> kBytes = {2, 1, 4};
    const auto index = static_cast<std::size_t>(type);
    const std::uint32_t bits = kLargest[index][random.coin() ? 1 : 0];
    std::memcpy(part.data() + at * kBytes[index], &bits, kBytes[index]);
  }

  float peak_ = 0.0f;
};

// States of all rows, empty at first.
struct State {
  State(int row_count, int dim) : rows(row_count), padded(padded_dim(dim)) {
    output.resize(product_of(rows, padded));
    maximum.assign(static_cast<std::size_t>(rows), -kInfinity);
    sum.resize(static_cast<std::size_t>(rows));
  }
  AttentionState view(int first = 0) {
    return {output.data() + product_of(first, padded), maximum.data() + first, sum.data() + first};
  }
  State row(int index) const {
    State one(1, padded);
    const auto first = output.begin() + static_cast<std::ptrdiff_t>(product_of(index, padded));
    one.output.assign(first, first + padded);
    one.maximum[0] = maximum[static_cast<std::size_t>(index)];
    one.sum[0] = sum[static_cast<std::size_t>(index)];
    return one;
  }

  int rows, padded;
  Floats output, maximum, sum;
};

::testing::AssertionResult same_bits(const State& actual, const State& expected) {
  if (auto same = kernels_test::same_bits(actual.maximum, expected.maximum); !same) {
    return same << " (maximum)";
  }
  if (auto same = kernels_test::same_bits(actual.sum, expected.sum); !same) return same << " (sum)";
  return kernels_test::same_bits(actual.output, expected.output) << " (output)";
}

// `peak`: of the values.
::testing::AssertionResult agree(const State& actual, const State& expected, float peak) {
  if (actual.maximum != expected.maximum) return ::testing::AssertionFailure() << "maxima differ";
  for (std::size_t row = 0; row < expected.sum.size(); ++row) {
    const float bound = kTolerance * expected.sum[row];
    if (!(std::abs(actual.sum[row] - expected.sum[row]) <= bound)) {
      return ::testing::AssertionFailure()
             << "sum of row " << row << ": " << actual.sum[row] << ", not " << expected.sum[row];
    }
    const std::size_t width = static_cast<std::size_t>(expected.padded);
    for (std::size_t i = row * width; i < (row + 1) * width; ++i) {
      if (std::abs(actual.output[i] - expected.output[i]) <= bound * peak) continue;
      return ::testing::AssertionFailure()
             << "output " << i - row * width << " of row " << row << ": " << actual.output[i]
             << ", not " << expected.output[i];
    }
  }
  return ::testing::AssertionSuccess();
}

SlotRange random_slots(Random& random, int tokens) {
  const int a = random.between(0, tokens);
  const int b = random.between(0, tokens);
  const int c = random.between(0, tokens);
  const int single = random.between(0, tokens - 1);
  switch (random.between(0, 8)) {
    case 0:
      return {};
    case 1:
      return {0, a, a};
    case 2:
      return {0, 0, tokens};
    case 3:
      return {0, single, single + 1};
    case 4:
      return {a, 0, 0};
    case 5:
      return {0, std::min(a, b), std::max(a, b)};
    case 6:
      return {std::min(a, b), std::max(a, b), tokens};
    case 7:
      return {tokens, a, a};
    default:
      return {a, b, c};  // overlapping, or nothing recent
  }
}

bool sees(const SlotRange& range, int slot) {
  return slot < range.sink_end || (slot >= range.recent_begin && slot < range.recent_end);
}

// Query rows, each with what it may see of a page.
struct Rows {
  Rows(const Shape& shape, Random& random)
      : dim(shape.dim),
        count(shape.rows),
        queries(random.normals(product_of(shape.rows, shape.dim),
                               3.0f / std::sqrt(static_cast<float>(shape.dim)))) {
    look_elsewhere(shape.tokens, random);
  }
  void look_elsewhere(int tokens, Random& random) {
    slots.clear();
    for (int row = 0; row < count; ++row) slots.push_back(random_slots(random, tokens));
  }

  int dim, count;
  Floats queries;
  ExactVector<SlotRange> slots;
};

// Rows [first, first + count) of `rows` into the states [first, ..) of `state`.
void attend(const Kernels& kernels, const Page& page, const Rows& rows, int first, int count,
            State& state) {
  const PageView view = page.view();
  Floats scratch(attend_scratch_floats(count, rows.dim, view.page_tokens), std::nanf(""));
  kernels.attend_page({view, count, rows.queries.data() + product_of(first, rows.dim),
                       rows.slots.data() + first, state.view(first), scratch.data()});
}
void attend(const Kernels& kernels, const Page& page, const Rows& rows, State& state) {
  attend(kernels, page, rows, 0, rows.count, state);
}

// Every format, page size and dimension, each with `picks` of the row counts.
std::vector<Shape> shapes(std::size_t picks) {
  std::vector<Shape> shapes;
  std::size_t next = 0;  // advances by 7 of 12, so that every count is met
  for (const KvFormat format : kKvFormats) {
    for (const int tokens : kTokens) {
      for (const int dim : kDims) {
        for (std::size_t i = 0; i < picks; ++i) {
          shapes.push_back({format, tokens, dim, kRows[(next + i) % kRows.size()]});
        }
        next += 7;
      }
    }
  }
  return shapes;
}

class AttendPage : public KernelsTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, AttendPage, ::testing::ValuesIn(available_kernels()), table_name);

TEST_P(AttendPage, AgreesWithTheReferenceOverSeveralPages) {
  std::uint64_t seed = 0;
  for (const Shape& shape : shapes(2)) {
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Rows rows(shape, random);
    State actual(shape.rows, shape.dim);
    State expected(shape.rows, shape.dim);
    const int pages = shape.rows > 12 ? 1 : 4;
    float peak = 0.0f;
    for (int i = 0; i < pages; ++i) {
      const Page page(shape, random);
      peak = std::max(peak, page.peak());
      attend(kernels(), page, rows, actual);
      attend(kReferenceKernels, page, rows, expected);
      rows.look_elsewhere(shape.tokens, random);
    }
    ASSERT_TRUE(agree(actual, expected, peak));
  }
}

TEST_P(AttendPage, ARowAloneEqualsTheRowAmongManyBitForBit) {
  std::uint64_t seed = 1000;
  for (Shape shape : shapes(1)) {
    if (shape.rows == 300 && shape.dim > 64) shape.rows = 13;
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Rows rows(shape, random);
    State together(shape.rows, shape.dim);
    State alone(shape.rows, shape.dim);
    for (int i = 0; i < 2; ++i) {
      const Page page(shape, random);
      attend(kernels(), page, rows, together);
      for (int row = 0; row < shape.rows; ++row) attend(kernels(), page, rows, row, 1, alone);
      rows.look_elsewhere(shape.tokens, random);
    }
    ASSERT_TRUE(same_bits(alone, together));
  }
}

TEST_P(AttendPage, SlotsOutOfSightChangeNothing) {
  std::uint64_t seed = 2000;
  for (const int row_count : {1, 12, 63}) {
    for (const KvFormat format : kKvFormats) {
      for (const int dim : {7, 64, 80}) {
        const Shape shape{format, 64, dim, row_count};
        SCOPED_TRACE(trace(shape, ++seed));
        Random random(seed);
        const Rows rows(shape, random);
        const Page page(shape, random);
        State clean(shape.rows, dim);
        attend(kernels(), page, rows, clean);
        for (int row = 0; row < row_count; row += 5) {
          Page spoilt = page;
          for (int slot = 0; slot < shape.tokens; ++slot) {
            if (!sees(rows.slots[static_cast<std::size_t>(row)], slot)) spoilt.spoil(slot, random);
          }
          State state(shape.rows, dim);
          attend(kernels(), spoilt, rows, state);
          ASSERT_TRUE(same_bits(state.row(row), clean.row(row))) << "row " << row;
        }
      }
    }
  }
}

TEST_P(AttendPage, ARowThatSeesNothingKeepsItsState) {
  std::uint64_t seed = 3000;
  for (const Shape& shape : shapes(1)) {
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    const Page page(shape, random);
    Rows rows(shape, random);
    const State empty(shape.rows, shape.dim);
    for (int row = 0; row < shape.rows; row += 2) {
      rows.slots[static_cast<std::size_t>(row)] = {0, row % shape.tokens, row % shape.tokens};
    }
    State first(shape.rows, shape.dim);
    attend(kernels(), page, rows, first);
    for (int row = 0; row < shape.rows; row += 2) {
      ASSERT_TRUE(same_bits(first.row(row), empty.row(row))) << "row " << row;
    }
    State second = first;
    for (SlotRange& slots : rows.slots) slots = {};
    attend(kernels(), page, rows, second);
    ASSERT_TRUE(same_bits(second, first));
    rows.slots[0] = {0, 0, shape.tokens};  // the others take part and see nothing
    attend(kernels(), page, rows, second);
    for (int row = 1; row < shape.rows; ++row) {
      ASSERT_TRUE(same_bits(second.row(row), first.row(row))) << "row " << row;
    }
  }
}

TEST_P(AttendPage, ScoresOfTenThousandDoNotOverflow) {
  std::uint64_t seed = 4000;
  for (const Shape& shape : shapes(1)) {
    if (shape.rows > 12) continue;
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Rows rows(shape, random);
    for (float& query : rows.queries) query *= 3000.0f;
    State actual(shape.rows, shape.dim);
    State expected(shape.rows, shape.dim);
    float peak = 0.0f;
    for (int i = 0; i < 3; ++i) {
      const Page page(shape, random);
      peak = std::max(peak, page.peak());
      attend(kernels(), page, rows, actual);
      attend(kReferenceKernels, page, rows, expected);
    }
    ASSERT_TRUE(agree(actual, expected, peak));
    for (const float sum : actual.sum)
      ASSERT_TRUE(std::isfinite(sum) && (sum == 0 || sum >= 0.99f));
  }
}

// Scores are floats here and doubles there: an error of D * 2^-24 of each score goes into a weight.
TEST_P(AttendPage, TheStateIsTheSoftmaxOverWhatTheRowSees) {
  std::uint64_t seed = 5000;
  for (const Shape& shape : shapes(1)) {
    if (shape.rows > 12) continue;
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    const Page page(shape, random);
    const Rows rows(shape, random);
    State state(shape.rows, shape.dim);
    attend(kernels(), page, rows, state);
    for (int row = 0; row < shape.rows; ++row) {
      std::vector<double> expected(static_cast<std::size_t>(shape.dim));
      double sum = 0.0;
      for (int slot = 0; slot < shape.tokens; ++slot) {
        if (!sees(rows.slots[static_cast<std::size_t>(row)], slot)) continue;
        double score = 0.0;
        for (int d = 0; d < shape.dim; ++d) {
          score += rows.queries[product_of(row, shape.dim) + d] * page.key(slot, d);
        }
        const double weight = std::exp2(score);
        sum += weight;
        for (int d = 0; d < shape.dim; ++d) {
          expected[static_cast<std::size_t>(d)] += weight * page.value(slot, d);
        }
      }
      if (sum == 0.0) continue;
      const State one = state.row(row);
      EXPECT_NEAR(one.maximum[0] + std::log2(one.sum[0]), std::log2(sum), 1e-4);
      for (int d = 0; d < shape.dim; ++d) {
        ASSERT_NEAR(one.output[static_cast<std::size_t>(d)] / one.sum[0],
                    expected[static_cast<std::size_t>(d)] / sum, 1e-4 * page.peak());
      }
    }
  }
}

State random_state(const Shape& shape, Random& random) {
  State state(shape.rows, shape.dim);
  for (int row = 0; row < shape.rows; ++row) {
    const auto index = static_cast<std::size_t>(row);
    if (random.between(0, 5) == 0) continue;  // empty
    state.maximum[index] = random.normal(random.coin() ? 10.0f : 1000.0f);
    state.sum[index] = 1.0f + std::abs(random.normal(10.0f));
    for (int d = 0; d < state.padded; ++d) {
      const float value = std::clamp(random.normal(), -4.0f, 4.0f) * state.sum[index];
      state.output[product_of(row, state.padded) + d] = d % 7 == 3 ? -0.0f : value;
    }
  }
  return state;
}

State merged(const Kernels& kernels, State from, State into, int dim) {
  kernels.merge_state(from.view(), from.rows, dim, into.view());
  return into;
}

class MergeState : public KernelsTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, MergeState, ::testing::ValuesIn(available_kernels()), table_name);

TEST_P(MergeState, AgreesWithTheReferenceAndIsAssociative) {
  std::uint64_t seed = 6000;
  for (const int dim : kDims) {
    const Shape shape{KvFormat::kF16, 0, dim, 37};
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    const State a = random_state(shape, random);
    const State b = random_state(shape, random);
    const State c = random_state(shape, random);
    const auto merge = [&](const State& from, const State& into) {
      return merged(kernels(), from, into, dim);
    };
    EXPECT_TRUE(agree(merge(a, b), merged(kReferenceKernels, a, b, dim), 4.0f));
    EXPECT_TRUE(agree(merge(a, merge(b, c)), merge(merge(a, b), c), 4.0f));
    EXPECT_TRUE(agree(merge(a, b), merge(b, a), 4.0f));
  }
}

TEST_P(MergeState, AnEmptyStateOnEitherSideIsTheIdentity) {
  std::uint64_t seed = 7000;
  for (const int dim : kDims) {
    const Shape shape{KvFormat::kF16, 0, dim, 37};
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    const State state = random_state(shape, random);
    const State empty(shape.rows, dim);
    EXPECT_TRUE(same_bits(merged(kernels(), empty, state, dim), state));
    EXPECT_TRUE(same_bits(merged(kernels(), state, empty, dim), state));
    EXPECT_TRUE(same_bits(merged(kernels(), empty, empty, dim), empty));
  }
}

TEST_P(MergeState, TheHalvesOfASequenceMergeToTheWhole) {
  std::uint64_t seed = 8000;
  for (const Shape& shape : shapes(1)) {
    if (shape.rows > 12) continue;
    SCOPED_TRACE(trace(shape, ++seed));
    Random random(seed);
    Rows rows(shape, random);
    State whole(shape.rows, shape.dim);
    std::array halves = {whole, whole};
    float peak = 0.0f;
    for (int i = 0; i < 4; ++i) {
      const Page page(shape, random);
      peak = std::max(peak, page.peak());
      attend(kernels(), page, rows, whole);
      attend(kernels(), page, rows, halves[static_cast<std::size_t>(i / 2)]);
      rows.look_elsewhere(shape.tokens, random);
    }
    ASSERT_TRUE(agree(merged(kernels(), halves[1], halves[0], shape.dim), whole, peak));
  }
}

}  // namespace
}  // namespace redknot
