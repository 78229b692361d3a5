// SPDX-License-Identifier: Apache-2.0
#include "profiler/prefix_shift.h"

#include <gtest/gtest.h>

#include <numeric>

namespace redknot {
namespace {

// Two layers, two KV heads of one query head each, two dimensions.
ModelConfig config() {
  ModelConfig config;
  config.layers = 2;
  config.query_heads = config.kv_heads = 2;
  config.head_dim = 2;
  return config;
}

// Shows one step of `positions` whose output for head h of layer l is `value(l, h, position)`.
template <typename Value>
void show(PrefixShift& shift, int begin, int end, const Value& value) {
  std::vector<int> positions(static_cast<std::size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  const SequenceRows sequence{.positions = positions, .first_row = 0};
  for (int layer = 0; layer < 2; ++layer) {
    std::vector<float> outputs;
    for (const int position : positions) {
      for (int head = 0; head < 2; ++head) {
        outputs.push_back(value(layer, head, position));
        outputs.push_back(0);
      }
    }
    shift.attended(layer, {&sequence, 1}, nullptr, outputs.data());
  }
}

TEST(PrefixShift, IsTheMeanChangeOfTheMeasuredRows) {
  PrefixShift shift(config(), 4, 8);
  EXPECT_EQ(shift.shift(0, 0), 0);
  shift.begin_first();
  show(shift, 0, 6, [](int, int, int) { return 2.0f; });
  show(shift, 6, 10, [](int, int, int) { return 2.0f; });
  shift.begin_second();
  // Only layer 1, head 0 changes, and only at position 5 and, not compared, 9.
  show(shift, 0, 10, [](int layer, int head, int position) {
    return layer == 1 && head == 0 && (position == 5 || position == 9) ? -1.0f : 2.0f;
  });
  EXPECT_DOUBLE_EQ(shift.shift(1, 0), 1.5 / 4);
  EXPECT_EQ(shift.shift(1, 1), 0);
  EXPECT_EQ(shift.shift(0, 0), 0);
}

TEST(PrefixShift, OutputsOfZerosDoNotShift) {
  PrefixShift shift(config(), 0, 1);
  shift.begin_first();
  show(shift, 0, 1, [](int, int, int) { return 0.0f; });
  shift.begin_second();
  show(shift, 0, 1, [](int, int, int) { return 1.0f; });
  EXPECT_EQ(shift.shift(0, 0), 0);
}

}  // namespace
}  // namespace redknot
