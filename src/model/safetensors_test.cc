// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.h"

#include <cstring>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace redknot {
namespace {

using testing::HasSubstr;

std::vector<std::byte> file_of(const std::string& header, std::size_t data_bytes) {
  std::vector<std::byte> out(8 + header.size() + data_bytes);
  const std::uint64_t size = header.size();
  std::memcpy(out.data(), &size, 8);
  std::memcpy(out.data() + 8, header.data(), header.size());
  return out;
}

std::string error_of(const std::string& header, std::size_t data_bytes) {
  const auto file = file_of(header, data_bytes);
  const auto tensors = read_safetensors(file);
  return tensors.ok() ? "no error" : tensors.error().message();
}

constexpr const char* kTwo =
    R"({"__metadata__":{"format":"pt"},
        "a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},
        "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]}})";

TEST(Safetensors, ReadsTypesShapesAndBytes) {
  const auto file = file_of(kTwo, 32);
  const auto tensors = read_safetensors(file);
  ASSERT_TRUE(tensors.ok()) << tensors.error().message();
  ASSERT_EQ(tensors->size(), 2u);
  EXPECT_EQ((*tensors)[0].name, "a");
  EXPECT_THAT((*tensors)[0].shape, testing::ElementsAre(2, 3));
  EXPECT_EQ((*tensors)[1].dtype, DType::kBF16);
  EXPECT_EQ((*tensors)[1].bytes.data(), file.data() + file.size() - 8);
}

TEST(Safetensors, EveryTruncationIsAnError) {
  const auto file = file_of(kTwo, 32);
  for (std::size_t size = 0; size < file.size(); ++size) {
    const std::vector<std::byte> part(file.begin(),
                                      file.begin() + static_cast<std::ptrdiff_t>(size));
    const auto tensors = read_safetensors(part);
    ASSERT_FALSE(tensors.ok()) << size;
    ASSERT_EQ(tensors.error().code(), ErrorCode::kCorrupt);
  }
}

TEST(Safetensors, LyingHeaderLengthsAreRefused) {
  for (const std::uint64_t size : {std::uint64_t{1} << 63, std::uint64_t{200'000'000}}) {
    auto file = file_of("{}", 0);
    std::memcpy(file.data(), &size, 8);
    const auto tensors = read_safetensors(file);
    ASSERT_FALSE(tensors.ok());
    EXPECT_THAT(tensors.error().message(), HasSubstr("header length at offset 0"));
  }
}

TEST(Safetensors, BrokenEntriesAreRefused) {
  EXPECT_THAT(error_of("[]", 0), HasSubstr("not a JSON object"));
  EXPECT_THAT(error_of("{", 0), HasSubstr("not valid JSON"));
  EXPECT_THAT(error_of(R"({"a":7})", 0), HasSubstr("tensor a has no dtype"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})", 0),
              HasSubstr("extent"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4),
              HasSubstr("extent"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}})", 8),
              HasSubstr("has 8 bytes, its shape 4"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}})", 8),
              HasSubstr("not within"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 3),
              HasSubstr("not within the 3 bytes"));
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}})", 4),
              HasSubstr("data_offsets"));
  const std::string huge = "[2147483647,2147483647,2147483647,2147483647]";
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F32","shape":)" + huge + R"(,"data_offsets":[0,4]}})", 4),
              HasSubstr("overflows"));
}

TEST(Safetensors, OverlappingTensorsAreRefused) {
  EXPECT_THAT(error_of(R"({"a":{"dtype":"F16","shape":[4],"data_offsets":[0,8]},
                           "b":{"dtype":"F16","shape":[4],"data_offsets":[4,12]}})",
                       12),
              HasSubstr("tensor b at offset"));
}

TEST(Safetensors, OtherTypesKeepTheirName) {
  const auto file = file_of(R"({"a":{"dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4]}})", 4);
  const auto tensors = read_safetensors(file);
  ASSERT_TRUE(tensors.ok());
  EXPECT_EQ(tensors->front().type, "F8_E4M3");
  EXPECT_FALSE(tensors->front().dtype);
}

}  // namespace
}  // namespace redknot
