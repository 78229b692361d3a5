// SPDX-License-Identifier: Apache-2.0
// What is written is read again, bit for bit; everything else is an error that says where.
#include "step/step_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "step/step_json.h"
#include "tests/random_steps.h"
#include "tests/temp_folder.h"

namespace redknot {
namespace {

using testing::HasSubstr;

Result<StepReader> read_text(const std::string& text) {
  return StepReader::read(std::make_unique<std::istringstream>(text), "steps");
}

std::string header_line() {
  std::mt19937 random(1);
  return to_json(tests::random_header(random)) + "\n";
}

std::string message_of_line(const std::string& line) {
  StepReader reader = read_text(header_line() + line + "\n").value();
  const auto step = reader.next();
  return step.ok() ? "" : step.error().message();
}

TEST(StepJson, HeadersComeBackAsTheyWere) {
  std::mt19937 random(3);
  for (int round = 0; round < 100; ++round) {
    const StepFileHeader header = tests::random_header(random);
    const Result<StepFileHeader> read = parse_step_header(to_json(header));
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(read->model, header.model);
    EXPECT_EQ(read->kernels, header.kernels);
    EXPECT_EQ(read->profile, header.profile);
    EXPECT_EQ(read->pages.shape, header.pages.shape);
    EXPECT_EQ(read->pages.page_count, header.pages.page_count);
    EXPECT_EQ(read->vocabulary_size, header.vocabulary_size);
    EXPECT_EQ(read->max_rows, header.max_rows);
    EXPECT_EQ(read->max_logit_rows, header.max_logit_rows);
  }
}

// NaN is not equal to itself, so the texts are compared, which have all bits.
TEST(StepJson, StepsComeBackAsTheyWereBitForBit) {
  std::mt19937 random(5);
  for (int round = 0; round < 500; ++round) {
    const RecordedStep step = tests::random_step(random);
    const std::string text = to_json(step);
    EXPECT_EQ(text.find('\n'), std::string::npos);
    const Result<RecordedStep> read = parse_step(text);
    ASSERT_TRUE(read.ok()) << read.error().message();
    EXPECT_EQ(to_json(*read), text);
    EXPECT_EQ(read->plan.page_ops, step.plan.page_ops);
    EXPECT_EQ(read->plan.slices, step.plan.slices);
    EXPECT_EQ(read->plan.tokens, step.plan.tokens);
    EXPECT_EQ(first_difference(step, *read), std::nullopt);
  }
}

TEST(StepJson, TextsWithAByteChangedAreReadOrRefused) {
  std::mt19937 random(7);
  int refused = 0;
  for (int round = 0; round < 2000; ++round) {
    std::string text = to_json(tests::random_step(random));
    text[random() % text.size()] = static_cast<char>(random());
    refused += parse_step(text).ok() ? 0 : 1;
    text = header_line();
    text[random() % text.size()] = static_cast<char>(random());
    refused += parse_step_header(text).ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 100);
}

TEST(StepFile, IsWrittenAndReadAgain) {
  const tests::TempFolder folder;
  const std::string path = folder / "steps.jsonl";
  std::mt19937 random(9);
  const StepFileHeader header = tests::random_header(random);
  std::vector<std::string> texts;
  {
    StepWriter writer = StepWriter::create(path, header).value();
    for (int i = 0; i < 50; ++i) {
      const RecordedStep step = tests::random_step(random);
      texts.push_back(to_json(step));
      ASSERT_TRUE(writer.write(step).ok());
    }
  }
  const auto permissions = std::filesystem::status(path).permissions();
  EXPECT_EQ(permissions & std::filesystem::perms::others_all, std::filesystem::perms::none);
  StepReader reader = StepReader::open(path).value();
  EXPECT_EQ(to_json(reader.header()), to_json(header));
  for (const std::string& text : texts) EXPECT_EQ(to_json(reader.next().value().value()), text);
  EXPECT_FALSE(reader.next().value());
  EXPECT_FALSE(reader.ends_within_line());
  EXPECT_EQ(reader.bytes(), std::filesystem::file_size(path));
}

TEST(StepFile, ThatEndsWithinALineEndsThere) {
  std::mt19937 random(11);
  const std::string step = to_json(tests::random_step(random));
  StepReader reader =
      read_text(header_line() + step + "\n" + step.substr(0, step.size() / 2)).value();
  EXPECT_TRUE(reader.next().value());
  EXPECT_FALSE(reader.next().value());
  EXPECT_TRUE(reader.ends_within_line());
  EXPECT_THAT(read_text("{\"format\"").error().message(),
              HasSubstr("read steps: line 1: it does not begin with a whole line"));
}

TEST(StepFile, ErrorsSayWhereTheFileIsWrong) {
  EXPECT_THAT(message_of_line("{"), HasSubstr("read steps: line 2: it is not a JSON object"));
  EXPECT_THAT(message_of_line("{}"), HasSubstr("line 2: there is no \"tokens\""));
  EXPECT_THAT(message_of_line("{\"tokens\":[1.5]}"), HasSubstr("\"tokens\" has an entry that is"));
  EXPECT_THAT(message_of_line("{\"tokens\":[],\"positions\":[],\"slices\":[[1,2]]}"),
              HasSubstr("an entry of slices is not a list of 5"));
  EXPECT_THAT(read_text("{}\n").error().message(), HasSubstr("line 1: it is no file of steps"));
  EXPECT_THAT(read_text("{\"format\":\"redknot steps\",\"version\":1}\n").error().message(),
              HasSubstr("version 1"));
  const tests::TempFolder folder;
  EXPECT_EQ(StepReader::open(folder / "no_such_steps").error().code(), ErrorCode::kNotFound);
  EXPECT_EQ(StepReader::open(folder.path()).error().code(), ErrorCode::kIo);
}

TEST(StepFile, CannotBeMadeWhereNothingCanBeWritten) {
  std::mt19937 random(1);
  const StepFileHeader header = tests::random_header(random);
  const tests::TempFolder folder;
  EXPECT_EQ(StepWriter::create(folder / "no_such/steps", header).error().code(),
            ErrorCode::kNotFound);
  EXPECT_THAT(StepWriter::create("/dev/full", header).error().message(),
              HasSubstr("record /dev/full: No space left on device"));
}

TEST(RecordedStep, DifferencesNameWhatDiffers) {
  RecordedStep record;
  record.plan.slices = {{.sequence = SequenceId{5}, .first_row = 0, .rows = 2}};
  record.plan.samples = {{.row = 1}};
  record.sampled = {{.token = TokenId{17}}};
  record.slices = {{.flops = 2, .logits = "ab", .deviations = {1}, .page_mass = {3}}};
  const auto with = [&record](const auto& change) {
    RecordedStep other = record;
    change(other);
    return first_difference(record, other).value_or("");
  };
  EXPECT_EQ(with([](RecordedStep&) {}), "");
  EXPECT_EQ(with([](RecordedStep& step) { step.sampled[0].token = TokenId{42}; }),
            "sequence 5: sampled 42, recorded 17");
  EXPECT_EQ(with([](RecordedStep& step) { step.sampled[0].usable = false; }),
            "sequence 5: sampled no token, recorded 17");
  EXPECT_EQ(with([](RecordedStep& step) { step.sampled[0].log_probability = -0.0f; }),
            "sequence 5: log-probabilities differ");
  EXPECT_EQ(with([](RecordedStep& step) { step.slices[0].logits = "ac"; }),
            "sequence 5: logits differ");
  EXPECT_EQ(with([](RecordedStep& step) { step.slices[0].deviations = {2}; }),
            "sequence 5: deviations differ");
  EXPECT_EQ(with([](RecordedStep& step) { step.slices[0].page_mass = {}; }),
            "sequence 5: the attention given to pages differs");
  EXPECT_EQ(with([](RecordedStep& step) { step.slices[0].flops = 3; }),
            "sequence 5: took 3 flops, recorded 2");
}

}  // namespace
}  // namespace redknot
