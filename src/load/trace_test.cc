// SPDX-License-Identifier: Apache-2.0
#include "load/trace.h"

#include <gtest/gtest.h>

#include <string>

namespace redknot::load {
namespace {

std::string line(const std::string& timestamp, const std::string& input, const std::string& output,
                 const std::string& ids) {
  return "{\"timestamp\": " + timestamp + ", \"input_length\": " + input +
         ", \"output_length\": " + output + ", \"hash_ids\": " + ids + "}\n";
}

TEST(Trace, ReadsLinesInTheOrderOfTime) {
  const auto trace = parse_trace(line("3000", "513", "7", "[46, 18446744073709551615]") +
                                 "\n \r\n" + line("27.5", "512", "1", "[0]"));
  ASSERT_TRUE(trace.ok()) << trace.error().message();
  ASSERT_EQ(trace->size(), 2u);
  EXPECT_EQ(trace->at(0).timestamp_ms, 27.5);
  EXPECT_EQ(trace->at(0).blocks, (std::vector<std::uint64_t>{0}));
  EXPECT_EQ(trace->at(1).input_tokens, 513);
  EXPECT_EQ(trace->at(1).output_tokens, 7);
  EXPECT_EQ(trace->at(1).blocks, (std::vector<std::uint64_t>{46, 18446744073709551615u}));
}

TEST(Trace, NothingIsATraceOfNothing) {
  ASSERT_TRUE(parse_trace("").ok());
  EXPECT_TRUE(parse_trace("\n\n")->empty());
}

TEST(Trace, TheLastLineNeedsNoEnd) {
  std::string text = line("0", "1", "1", "[1]");
  text.pop_back();
  ASSERT_TRUE(parse_trace(text).ok());
  EXPECT_EQ(parse_trace(text)->size(), 1u);
}

TEST(Trace, AnErrorNamesTheLineAndTheField) {
  struct Wrong {
    std::string text;
    const char* field;
  };
  const Wrong all[] = {{"[]\n", "object"},
                       {"{\n", "object"},
                       {"{}\n", "timestamp"},
                       {line("-1", "1", "1", "[1]"), "timestamp"},
                       {line("\"1\"", "1", "1", "[1]"), "timestamp"},
                       {line("1e300", "1", "1", "[1]"), "timestamp"},
                       {line("0", "0", "1", "[]"), "input_length"},
                       {line("0", "1.5", "1", "[1]"), "input_length"},
                       {line("0", "-3", "1", "[1]"), "input_length"},
                       {line("0", "18446744073709551615", "1", "[1]"), "input_length"},
                       {line("0", "1", "0", "[1]"), "output_length"},
                       {line("0", "1", "16777217", "[1]"), "output_length"},
                       {line("0", "1", "null", "[1]"), "output_length"},
                       {line("0", "513", "1", "[1]"), "hash_ids"},
                       {line("0", "512", "1", "[1, 2]"), "hash_ids"},
                       {line("0", "1", "1", "[-1]"), "hash_ids\"[0"},
                       {line("0", "1", "1", "[\"a\"]"), "hash_ids\"[0"},
                       {line("0", "1", "1", "7"), "hash_ids"}};
  for (const Wrong& wrong : all) {
    const auto trace = parse_trace(line("0", "1", "1", "[1]") + "\n" + wrong.text);
    ASSERT_FALSE(trace.ok()) << wrong.text;
    EXPECT_TRUE(trace.error().message().starts_with("line 3: ")) << trace.error().message();
    EXPECT_EQ(trace.error().code(), ErrorCode::kInvalidArgument);
    EXPECT_NE(trace.error().message().find(wrong.field), std::string::npos)
        << trace.error().message();
  }
}

TEST(Trace, AFileThatIsNotThereIsSaidSo) {
  const auto trace = read_trace("nowhere/trace.jsonl");
  ASSERT_FALSE(trace.ok());
  EXPECT_EQ(trace.error().code(), ErrorCode::kNotFound);
}

}  // namespace
}  // namespace redknot::load
