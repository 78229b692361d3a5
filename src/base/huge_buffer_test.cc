// SPDX-License-Identifier: Apache-2.0
#include "base/huge_buffer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <utility>

namespace redknot {
namespace {

TEST(HugeBuffer, IsAlignedZeroedAndAtLeastAsLargeAsAskedFor) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, HugeBuffer::kAlignment, HugeBuffer::kAlignment + 1}) {
    const HugeBuffer buffer = HugeBuffer::allocate(size).value();
    const std::span<std::byte> bytes = buffer.bytes();
    EXPECT_GE(bytes.size(), size);
    EXPECT_LT(bytes.size(), size + 2 * HugeBuffer::kAlignment);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(bytes.data()) % HugeBuffer::kAlignment, 0u);
    EXPECT_TRUE(std::all_of(bytes.begin(), bytes.end(),
                            [](std::byte byte) { return byte == std::byte{0}; }));
    bytes.front() = bytes.back() = std::byte{1};
  }
}

TEST(HugeBuffer, PopulatingChangesNoByte) {
  // More than is populated in one go.
  const HugeBuffer buffer = HugeBuffer::allocate((std::size_t{64} << 20) + 1).value();
  EXPECT_TRUE(buffer.populate().ok());
  EXPECT_TRUE(std::all_of(buffer.bytes().begin(), buffer.bytes().end(),
                          [](std::byte byte) { return byte == std::byte{0}; }));
  EXPECT_TRUE(HugeBuffer().populate().ok());
}

TEST(HugeBuffer, MovingKeepsTheMemoryAndEmptiesTheSource) {
  HugeBuffer first = HugeBuffer::allocate(100).value();
  first.bytes()[7] = std::byte{42};
  const std::byte* const memory = first.bytes().data();
  HugeBuffer second = std::move(first);
  EXPECT_EQ(second.bytes().data(), memory);
  HugeBuffer third;
  third = std::move(second);
  EXPECT_EQ(third.bytes().data(), memory);
  EXPECT_EQ(third.bytes()[7], std::byte{42});
  EXPECT_TRUE(HugeBuffer().bytes().empty());
}

TEST(HugeBuffer, MoreThanThereIsIsAnAnswerThatSaysHowMuch) {
  for (const std::size_t size : {std::size_t{1} << 50, std::numeric_limits<std::size_t>::max()}) {
    const auto buffer = HugeBuffer::allocate(size);
    ASSERT_FALSE(buffer.ok());
    EXPECT_EQ(buffer.error().code(), ErrorCode::kResourceExhausted);
    EXPECT_THAT(buffer.error().message(), testing::MatchesRegex("allocate [0-9]+ MiB: .+"));
  }
}

}  // namespace
}  // namespace redknot
