// SPDX-License-Identifier: Apache-2.0
#include "base/file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "tests/temp_folder.h"

namespace redknot {
namespace {

using ::testing::HasSubstr;

std::string_view text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// A folder of its own for each test, removed afterwards.
class File : public ::testing::Test {
 protected:
  std::filesystem::path path(std::string_view name) const { return folder_ / name; }
  void write(const std::filesystem::path& file, std::string_view content) const {
    ASSERT_TRUE(write_file(file, std::as_bytes(std::span(content))).ok());
  }

 private:
  tests::TempFolder folder_;
};

TEST_F(File, ReadsBackWhatWasWritten) {
  const std::string content(100'000, 'x');
  write(path("a"), content);
  EXPECT_EQ(*read_file(path("a"), 100'000), content);
  EXPECT_EQ(text(MappedFile::open(path("a"))->bytes()), content);
}

TEST_F(File, WritingReplacesALongerFile) {
  write(path("a"), "a long text");
  write(path("a"), "short");
  EXPECT_EQ(*read_file(path("a"), 100), "short");
}

TEST_F(File, AnEmptyFileIsNoBytes) {
  write(path("empty"), "");
  EXPECT_EQ(*read_file(path("empty"), 0), "");
  EXPECT_TRUE(MappedFile::open(path("empty"))->bytes().empty());
}

TEST_F(File, AFileLargerThanTheLimitIsNotRead) {
  write(path("a"), "12345");
  EXPECT_TRUE(read_file(path("a"), 5).ok());
  const auto refused = read_file(path("a"), 4);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().code(), ErrorCode::kResourceExhausted);
  EXPECT_THAT(refused.error().message(), HasSubstr("5 bytes, more than the limit of 4"));
}

TEST_F(File, AMissingFileIsNotFoundAndNamed) {
  for (const auto& missing : {path("missing"), path("missing") / "below"}) {
    const auto file = MappedFile::open(missing);
    ASSERT_FALSE(file.ok());
    EXPECT_EQ(file.error().code(), ErrorCode::kNotFound);
    EXPECT_THAT(file.error().message(), HasSubstr(missing.string()));
  }
}

TEST_F(File, AFolderIsRefused) {
  const auto file = MappedFile::open(path("."));
  ASSERT_FALSE(file.ok());
  EXPECT_EQ(file.error().code(), ErrorCode::kInvalidArgument);
}

TEST_F(File, WritingSaysWhyItFailed) {
  EXPECT_EQ(write_file(path("missing") / "a", {}).error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(write_file(path("."), {}).error().code(), ErrorCode::kIo);
  if (!std::filesystem::exists("/dev/full")) GTEST_SKIP();
  const Status full = write_file("/dev/full", std::as_bytes(std::span("text")));
  ASSERT_FALSE(full.ok());
  EXPECT_EQ(full.error().code(), ErrorCode::kIo);
  EXPECT_THAT(full.error().message(), HasSubstr("No space left"));
}

TEST_F(File, AMappingMovesWithItsObject) {
  write(path("a"), "first");
  write(path("b"), "second");
  MappedFile a = *MappedFile::open(path("a"));
  MappedFile b = *MappedFile::open(path("b"));
  const MappedFile moved(std::move(a));
  EXPECT_EQ(text(moved.bytes()), "first");
  b = *MappedFile::open(path("a"));
  EXPECT_EQ(text(b.bytes()), "first");
}

TEST_F(File, DroppedBytesAreReadAgain) {
  const std::string content(50'000, 'x');
  write(path("a"), content);
  const MappedFile file = *MappedFile::open(path("a"));
  EXPECT_EQ(text(file.bytes()), content);
  file.drop(file.bytes().subspan(1, 40'000));
  file.drop({});
  EXPECT_EQ(text(file.bytes()), content);
}

}  // namespace
}  // namespace redknot
