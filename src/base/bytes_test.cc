// SPDX-License-Identifier: Apache-2.0
#include "base/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <limits>

namespace redknot {
namespace {

using ::testing::HasSubstr;

constexpr std::array<std::byte, 7> kBytes = {std::byte{1},   std::byte{2}, std::byte{3},
                                             std::byte{4},   std::byte{5}, std::byte{6},
                                             std::byte{0xff}};

TEST(ByteReader, ReadsLittleEndianValuesOneAfterTheOther) {
  ByteReader reader(kBytes);
  EXPECT_EQ(*reader.read<std::uint32_t>("magic"), 0x04030201u);
  EXPECT_EQ(reader.offset(), 4u);
  EXPECT_EQ(*reader.read<std::uint16_t>("kind"), 0x0605u);
  EXPECT_EQ(*reader.read<std::int8_t>("sign"), -1);
  EXPECT_EQ(reader.remaining(), 0u);
}

TEST(ByteReader, TakesASpanOfTheBytesThemselves) {
  ByteReader reader(kBytes);
  ASSERT_TRUE(reader.take(2, "header").ok());
  const auto part = reader.take(5, "rest");
  ASSERT_TRUE(part.ok());
  EXPECT_EQ(part->data(), kBytes.data() + 2);
  EXPECT_EQ(part->size(), 5u);
}

TEST(ByteReader, NamesTheFieldAndTheOffsetThatEndPastTheBytes) {
  ByteReader reader(kBytes);
  ASSERT_TRUE(reader.read<std::uint32_t>("magic").ok());
  const auto value = reader.read<std::uint64_t>("tensor count");
  ASSERT_FALSE(value.ok());
  EXPECT_EQ(value.error().code(), ErrorCode::kCorrupt);
  EXPECT_EQ(value.error().message(), "tensor count at offset 4 needs 8 bytes, 3 remain");
}

TEST(ByteReader, StandsWhereItStoodAfterAFailure) {
  ByteReader reader(kBytes);
  ASSERT_TRUE(reader.read<std::uint32_t>("magic").ok());
  ASSERT_FALSE(reader.read<std::uint32_t>("version").ok());
  EXPECT_EQ(reader.offset(), 4u);
  EXPECT_EQ(*reader.read<std::uint8_t>("byte"), 5);
}

TEST(ByteReader, ALyingSizeIsAnErrorAndNoOverflow) {
  ByteReader reader(kBytes);
  ASSERT_TRUE(reader.take(1, "first").ok());
  const auto part = reader.take(std::numeric_limits<std::size_t>::max(), "string");
  ASSERT_FALSE(part.ok());
  EXPECT_THAT(part.error().message(), HasSubstr("string at offset 1 needs 18446744073709551615"));
}

TEST(ByteReader, NothingCanBeTakenFromNoBytesButNothing) {
  ByteReader reader({});
  EXPECT_TRUE(reader.take(0, "nothing").ok());
  EXPECT_FALSE(reader.read<std::uint8_t>("byte").ok());
}

}  // namespace
}  // namespace redknot
