// SPDX-License-Identifier: Apache-2.0
#include "model/gguf.h"

#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/models/gguf_writer.h"

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Bytes = std::vector<std::byte>;

constexpr std::int64_t kMatrix[] = {3, 32};

// Two tensors and a key of each kind.
Bytes small_file() {
  GgufWriter writer;
  writer.put_integer("a.count", 7);
  writer.put_number("a.number", 0.5f);
  writer.put_bool("a.switch", true);
  writer.put_text("a.text", "hello");
  writer.put_texts("a.texts", std::vector<std::string>{"x", "", "yz"});
  writer.put_integers("a.integers", std::vector<std::int32_t>{-1, 2});
  writer.put_numbers("a.numbers", std::vector<float>{0.25f, 4.0f});
  writer.add_tensor("first", DType::kF32, kMatrix);
  writer.add_tensor("second", DType::kQ8_0, kMatrix);
  Bytes file = writer.header();
  file.resize(file.size() + writer.data_bytes());
  return file;
}

template <typename T>
Bytes patched(Bytes file, std::size_t offset, T value) {
  std::memcpy(file.data() + offset, &value, sizeof(value));
  return file;
}

// Where a text first occurs.
std::size_t offset_of(const Bytes& file, std::string_view text) {
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  return all.find(text);
}

std::string error_of(const Bytes& file) {
  const auto gguf = Gguf::parse(file);
  return gguf.ok() ? "no error" : gguf.error().message();
}

TEST(Gguf, ReadsEveryKindOfValue) {
  const Bytes file = small_file();
  const auto gguf = Gguf::parse(file);
  ASSERT_TRUE(gguf.ok()) << gguf.error().message();
  EXPECT_EQ(gguf->version(), 3);
  EXPECT_EQ(gguf->integer("a.count").value(), 7);
  EXPECT_EQ(gguf->number("a.number").value(), 0.5);
  EXPECT_EQ(gguf->number("a.count").value(), 7.0);
  EXPECT_EQ(gguf->boolean("a.switch").value(), true);
  EXPECT_EQ(gguf->text("a.text").value(), "hello");
  EXPECT_THAT(*gguf->texts("a.texts").value(), ElementsAre("x", "", "yz"));
  EXPECT_THAT(*gguf->integers("a.integers").value(), ElementsAre(-1, 2));
  EXPECT_THAT(*gguf->numbers("a.numbers").value(), ElementsAre(0.25f, 4.0f));
  EXPECT_EQ(gguf->integer("absent").value(), std::nullopt);
}

TEST(Gguf, ReadsTensorsWithTheirBytes) {
  const Bytes file = small_file();
  const auto gguf = Gguf::parse(file);
  ASSERT_TRUE(gguf.ok()) << gguf.error().message();
  ASSERT_EQ(gguf->tensors().size(), 2u);
  const StoredTensor& second = gguf->tensors()[1];
  EXPECT_EQ(second.name, "second");
  EXPECT_EQ(second.dtype, DType::kQ8_0);
  EXPECT_THAT(second.shape, ElementsAre(3, 32));
  EXPECT_EQ(second.bytes.size(), 3u * 34u);
  EXPECT_EQ(second.bytes.data(), file.data() + second.offset);
  EXPECT_EQ(second.offset % kGgufDefaultAlignment, 0u);
}

TEST(Gguf, VersionTwoHasTheSameLayout) {
  EXPECT_EQ(error_of(patched(small_file(), 4, std::uint32_t{2})), "no error");
}

TEST(Gguf, EveryTruncationIsAnError) {
  const Bytes file = small_file();
  const std::size_t padding = GgufWriter::padded(3 * 34) - 3 * 34;
  for (std::size_t size = 0; size < file.size() - padding; ++size) {
    // A copy of exactly this size, so that a sanitizer sees a read past it.
    const Bytes part(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
    const auto gguf = Gguf::parse(part);
    ASSERT_FALSE(gguf.ok()) << size;
    ASSERT_EQ(gguf.error().code(), size < 4 ? ErrorCode::kInvalidArgument : ErrorCode::kCorrupt);
    ASSERT_THAT(gguf.error().message(), testing::AnyOf(HasSubstr("offset"), HasSubstr("bytes")));
  }
}

TEST(Gguf, NoFlippedByteDoesHarm) {
  const Bytes file = small_file();
  const std::size_t header = offset_of(file, "second") + 64;
  for (std::size_t offset = 0; offset < header; ++offset) {
    for (const int flip : {0x01, 0x80, 0xff}) {
      Bytes broken = file;
      broken[offset] ^= static_cast<std::byte>(flip);
      const auto gguf = Gguf::parse(broken);
      if (!gguf.ok()) continue;
      for (const auto& [key, value] : gguf->metadata()) {
        (void)gguf->integers(key);
        (void)gguf->texts(key);
        (void)gguf->number(key);
      }
    }
  }
}

TEST(Gguf, OtherFilesAndVersionsAreRefusedByName) {
  EXPECT_THAT(error_of(patched(small_file(), 0, 'X')), HasSubstr("not a GGUF file"));
  EXPECT_THAT(error_of(patched(small_file(), 4, std::uint32_t{1})), HasSubstr("GGUF version 1"));
  EXPECT_THAT(error_of(patched(small_file(), 4, std::uint32_t{0x03000000})),
              HasSubstr("big-endian"));
}

TEST(Gguf, CountsThatTheFileCannotHoldAreRefused) {
  const std::uint64_t huge = std::uint64_t{1} << 62;
  const Bytes file = small_file();
  EXPECT_THAT(error_of(patched(file, 8, huge)), HasSubstr("tensor count at offset 8"));
  EXPECT_THAT(error_of(patched(file, 16, huge)), HasSubstr("metadata count at offset 16"));
  const std::size_t key = offset_of(file, "a.count");
  EXPECT_THAT(error_of(patched(file, key - 8, huge)),
              testing::AllOf(HasSubstr("metadata key 0 at offset 24"), HasSubstr("claims")));
  // The count of an array follows its key, its type and the type of its elements.
  const std::size_t texts = offset_of(file, "a.texts") + 7 + 4 + 4;
  EXPECT_THAT(error_of(patched(file, texts, huge)), HasSubstr("a.texts at offset"));
  const std::size_t numbers = offset_of(file, "a.numbers") + 9 + 4 + 4;
  EXPECT_THAT(error_of(patched(file, numbers, huge)), HasSubstr("a.numbers at offset"));
  const std::size_t text = offset_of(file, "a.text") + 6 + 4;
  EXPECT_THAT(error_of(patched(file, text, huge)), HasSubstr("a.text at offset"));
}

TEST(Gguf, UnknownTypesAndNestedArraysAreRefused) {
  const Bytes file = small_file();
  const std::size_t type = offset_of(file, "a.count") + 7;
  EXPECT_THAT(error_of(patched(file, type, std::uint32_t{13})),
              testing::AllOf(HasSubstr("a.count"), HasSubstr("unknown type 13")));
  const std::size_t element_type = offset_of(file, "a.texts") + 7 + 4;
  EXPECT_THAT(error_of(patched(file, element_type, std::uint32_t{9})),
              HasSubstr("array of arrays"));
  const std::size_t tensor_type = offset_of(file, "first") + 5 + 4 + 16;
  EXPECT_THAT(error_of(patched(file, tensor_type, std::uint32_t{77})),
              testing::AllOf(HasSubstr("tensor first"), HasSubstr("unknown type 77")));
}

TEST(Gguf, TypesThatDoNotRunKeepTheirNameAndHaveNoBytes) {
  const Bytes file = small_file();
  const std::size_t type = offset_of(file, "second") + 6 + 4 + 16;
  const Bytes other = patched(file, type, std::uint32_t{17});
  const auto gguf = Gguf::parse(other);
  ASSERT_TRUE(gguf.ok()) << gguf.error().message();
  EXPECT_EQ(gguf->tensors()[1].type, "IQ2_XS");
  EXPECT_FALSE(gguf->tensors()[1].dtype);
  EXPECT_TRUE(gguf->tensors()[1].bytes.empty());
}

TEST(Gguf, ShapesAreChecked) {
  const Bytes file = small_file();
  const std::size_t dimensions = offset_of(file, "first") + 5;
  EXPECT_THAT(error_of(patched(file, dimensions, std::uint32_t{0})), HasSubstr("0 dimensions"));
  EXPECT_THAT(error_of(patched(file, dimensions, std::uint32_t{5})), HasSubstr("5 dimensions"));
  const std::size_t extent = dimensions + 4;
  EXPECT_THAT(error_of(patched(file, extent, std::uint64_t{0})), HasSubstr("extent of 0"));
  EXPECT_THAT(error_of(patched(file, extent, ~std::uint64_t{0})), HasSubstr("extent of"));
  EXPECT_THAT(error_of(patched(file, extent, std::uint64_t{0x7fffffff})),
              HasSubstr("past the file"));
  const std::size_t columns = offset_of(file, "second") + 6 + 4;
  EXPECT_THAT(error_of(patched(file, columns, std::uint64_t{31})),
              HasSubstr("not a multiple of Q8_0's blocks"));
}

TEST(Gguf, OffsetsAreChecked) {
  const Bytes file = small_file();
  const std::size_t offset = offset_of(file, "second") + 6 + 4 + 16 + 4;
  EXPECT_THAT(error_of(patched(file, offset, std::uint64_t{8})), HasSubstr("alignment"));
  EXPECT_THAT(error_of(patched(file, offset, std::uint64_t{32})),
              HasSubstr("overlaps tensor first"));
  EXPECT_THAT(error_of(patched(file, offset, std::uint64_t{1} << 40)), HasSubstr("past the end"));
  EXPECT_THAT(error_of(patched(file, offset, ~std::uint64_t{31})), HasSubstr("past the end"));
}

TEST(Gguf, AlignmentIsAPowerOfTwo) {
  for (const std::uint32_t alignment : {0u, 1u, 24u, 0x80000000u}) {
    GgufWriter writer;
    writer.put_integer("general.alignment", alignment);
    EXPECT_THAT(error_of(writer.header()), HasSubstr("general.alignment"));
  }
  GgufWriter writer;
  writer.put_integer("general.alignment", 64);
  EXPECT_EQ(error_of(writer.header()), "no error");
}

TEST(Gguf, KeysAreUnique) {
  GgufWriter writer;
  writer.put_bool("twice", true);
  writer.put_bool("twice", true);
  EXPECT_THAT(error_of(writer.header()), HasSubstr("twice at offset"));
}

TEST(Gguf, AWrongTypeNamesTheKeyAndTheOffset) {
  const Bytes file = small_file();
  const auto gguf = Gguf::parse(file);
  ASSERT_TRUE(gguf.ok());
  EXPECT_THAT(
      gguf->integer("a.text").error().message(),
      testing::AllOf(HasSubstr("a.text at offset"), HasSubstr("is text, expected an integer")));
  EXPECT_THAT(gguf->text("a.texts").error().message(), HasSubstr("is an array of text"));
  EXPECT_FALSE(gguf->boolean("a.count").ok());
  EXPECT_FALSE(gguf->number("a.switch").ok());
  EXPECT_FALSE(gguf->integers("a.count").ok());
  EXPECT_FALSE(gguf->numbers("a.integers").ok());
  EXPECT_FALSE(gguf->texts("a.integers").ok());
}

}  // namespace
}  // namespace redknot
