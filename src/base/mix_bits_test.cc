// SPDX-License-Identifier: Apache-2.0
#include "base/mix_bits.h"

#include <gtest/gtest.h>

namespace redknot {
namespace {

// The first numbers of the published generator from state 0.
TEST(MixBits, IsSplitMix64) {
  EXPECT_EQ(mix_bits(kGoldenGamma), 0xe220a8397b1dcdafU);
  EXPECT_EQ(mix_bits(2 * kGoldenGamma), 0x6e789e6aa1b965f4U);
  EXPECT_EQ(mix_bits(0), 0U);
}

}  // namespace
}  // namespace redknot
