// SPDX-License-Identifier: Apache-2.0
// Compares token ids and decoded text with the reference data beside the repository. A row of a
// NAME.jsonl file says what llama.cpp gives for one text; its ids_regex, where present, what the
// models' own expressions give.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "base/file.h"
#include "model/vocabulary_files.h"
#include "tests/temp_folder.h"
#include "text/detokenizer.h"
#include "text/tokenizer.h"

namespace redknot::text {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const fs::path kGolden = fs::path(REDKNOT_SOURCE_DIR) / "../shared/golden";

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> texts() {
  std::vector<std::string> out;
  for (const std::string& line : lines_of(kGolden / "tokenizers/texts.jsonl")) {
    out.push_back(Json::parse(line)["text"]);
  }
  return out;
}

// A vocabulary file of the golden folder, unpacked into a folder that goes away with this.
class Unpacked {
 public:
  explicit Unpacked(const std::string& name) {
    file_ = folder_ / (name + ".gguf");
    const fs::path source = kGolden / "tokenizers";
    const std::string command = name.starts_with("patched")
                                    ? "tar -xf '" + (source / "vocab-patched.tar.xz").string() +
                                          "' -C '" + folder_.path().string() + "'"
                                    : "gzip -dc '" + (source / (name + ".gguf.gz")).string() +
                                          "' > '" + file_.string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  const fs::path& file() const { return file_; }

 private:
  tests::TempFolder folder_;
  fs::path file_;
};

Result<Tokenizer> open_tokenizer(const fs::path& path) {
  REDKNOT_TRY(Vocabulary vocabulary, read_vocabulary(path));
  return Tokenizer::create(std::move(vocabulary));
}

std::vector<int> encode(const Tokenizer& tokenizer, const std::string& text,
                        EncodeOptions options) {
  const auto tokens = tokenizer.encode(text, options);
  EXPECT_TRUE(tokens.ok()) << tokens.error().message();
  std::vector<int> ids;
  if (tokens.ok()) {
    for (const TokenId token : *tokens) ids.push_back(static_cast<int>(token));
  }
  return ids;
}

std::vector<int> with_bos(const Json& header, std::vector<int> ids) {
  if (header["add_bos"]) ids.insert(ids.begin(), header["bos"].get<int>());
  return ids;
}

void check_ids(const Tokenizer& tokenizer, const std::string& text, const Json& header,
               const Json& row) {
  const auto ids = row.contains("ids_regex") ? row["ids_regex"].get<std::vector<int>>()
                                             : row["ids"].get<std::vector<int>>();
  EXPECT_EQ(encode(tokenizer, text, {.add_special = false}), ids);
  const auto special =
      row.contains("ids_special") ? row["ids_special"].get<std::vector<int>>() : ids;
  EXPECT_EQ(encode(tokenizer, text, {.add_special = false, .parse_special = true}), special);
  const auto bos =
      row.contains("ids_bos") ? row["ids_bos"].get<std::vector<int>>() : with_bos(header, ids);
  EXPECT_EQ(encode(tokenizer, text, {.add_special = true}), bos);
  const auto bos_special = row.contains("ids_bos_special")
                               ? row["ids_bos_special"].get<std::vector<int>>()
                               : with_bos(header, special);
  EXPECT_EQ(encode(tokenizer, text, {.add_special = true, .parse_special = true}), bos_special);
}

// What decoding must give: the text, but for what a vocabulary cannot express.
std::string readable(const Tokenizer& tokenizer, std::string text, const Json& header) {
  const bool pieces = tokenizer.vocabulary().kind != TokenizerKind::kByteLevelBpe;
  const std::string_view mark = "\u2581";
  for (std::size_t at = 0; pieces && (at = text.find(mark)) != std::string::npos;) {
    text.replace(at, mark.size(), " ");
  }
  if (header["vocab"].get<std::string>().find("falcon") != std::string::npos) {
    std::erase(text, '\x0b');
  }
  return text;
}

void check_decoding(const Tokenizer& tokenizer, const std::string& text, bool add_special) {
  const auto tokens = tokenizer.encode(text, {.add_special = add_special});
  ASSERT_TRUE(tokens.ok());
  const auto decoded = tokenizer.decode(*tokens, /*show_special=*/false);
  ASSERT_TRUE(decoded.ok());
  Detokenizer detokenizer(tokenizer);
  std::string streamed;
  for (const TokenId token : *tokens) streamed += detokenizer.push(token);
  EXPECT_EQ(streamed + detokenizer.flush(), *decoded);
}

void check_rows(const Tokenizer& tokenizer, const fs::path& rows_file) {
  const std::vector<std::string> rows = lines_of(rows_file);
  const std::vector<std::string> all_texts = texts();
  ASSERT_GT(rows.size(), 1u);
  const Json header = Json::parse(rows[0]);
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const Json row = Json::parse(rows[i]);
    const std::string& text = all_texts.at(row["id"].get<std::size_t>());
    SCOPED_TRACE("text " + row["id"].dump() + ": " + text);
    check_ids(tokenizer, text, header, row);
    check_decoding(tokenizer, text, false);
    check_decoding(tokenizer, text, true);
    const auto tokens = tokenizer.encode(text, {.add_special = false});
    ASSERT_TRUE(tokens.ok());
    const auto decoded = tokenizer.decode(*tokens, false);
    ASSERT_TRUE(decoded.ok());
    EXPECT_EQ(*decoded, readable(tokenizer, text, header));
  }
}

class GoldenTokenizer : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data at " << kGolden;
  }
};

TEST_P(GoldenTokenizer, GivesTheReferenceIds) {
  const Unpacked vocabulary(GetParam());
  const auto tokenizer = open_tokenizer(vocabulary.file());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  check_rows(*tokenizer, kGolden / "tokenizers" / (std::string(GetParam()) + ".jsonl"));
}

// llama.cpp's own test files: texts separated by a line, and one line of ids for each.
using GoldenTokenizerWithOwnTest = GoldenTokenizer;

TEST_P(GoldenTokenizerWithOwnTest, GivesItsIds) {
  const fs::path inputs = kGolden / "tokenizers" / (std::string(GetParam()) + ".gguf.inp");
  const Unpacked vocabulary(GetParam());
  const auto tokenizer = open_tokenizer(vocabulary.file());
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  const auto content = read_file(inputs, 1 << 20);
  ASSERT_TRUE(content.ok());
  const std::string separator = "\n__ggml_vocab_test__\n";
  std::string rest = *content;
  for (const std::string& line :
       lines_of(kGolden / "tokenizers" / (std::string(GetParam()) + ".gguf.out"))) {
    const std::size_t end = rest.find(separator);
    ASSERT_NE(end, std::string::npos);
    const std::string text = rest.substr(0, end);
    rest.erase(0, end + separator.size());
    std::istringstream stream(line);
    std::vector<int> ids;
    for (int id = 0; stream >> id;) ids.push_back(id);
    EXPECT_EQ(encode(*tokenizer, text, {.add_special = false}), ids) << text;
  }
}

std::string test_name(const testing::TestParamInfo<const char*>& param) {
  std::string name = param.param;
  std::erase(name, '-');
  return name;
}

constexpr const char* kOriginals[] = {"ggml-vocab-gpt-2",        "ggml-vocab-deepseek-coder",
                                      "ggml-vocab-deepseek-llm", "ggml-vocab-falcon",
                                      "ggml-vocab-starcoder",    "ggml-vocab-llama-spm",
                                      "ggml-vocab-phi-3"};
constexpr const char* kPatched[] = {"patched-gpt-2-as-llama-bpe", "patched-gpt-2-as-qwen2",
                                    "patched-gpt-2-as-tekken"};

INSTANTIATE_TEST_SUITE_P(Originals, GoldenTokenizer, testing::ValuesIn(kOriginals), test_name);
INSTANTIATE_TEST_SUITE_P(Patched, GoldenTokenizer, testing::ValuesIn(kPatched), test_name);
INSTANTIATE_TEST_SUITE_P(Originals, GoldenTokenizerWithOwnTest, testing::ValuesIn(kOriginals),
                         test_name);

TEST(GoldenStories, GgufGivesTheReferenceIds) {
  if (!fs::exists(kGolden)) GTEST_SKIP();
  const auto tokenizer = open_tokenizer(kGolden / "stories260K/stories260K.gguf");
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  check_rows(*tokenizer, kGolden / "stories260K/tokenizer.jsonl");
}

TEST(GoldenStories, MergingByRankEqualsMergingByScore) {
  if (!fs::exists(kGolden)) GTEST_SKIP();
  const auto by_score = open_tokenizer(kGolden / "stories260K/stories260K.gguf");
  const auto by_rank = open_tokenizer(kGolden / "stories260K-hf");
  ASSERT_TRUE(by_score.ok()) << by_score.error().message();
  ASSERT_TRUE(by_rank.ok()) << by_rank.error().message();
  for (const std::string& text : texts()) {
    for (const bool parse_special : {false, true}) {
      const EncodeOptions options = {.add_special = true, .parse_special = parse_special};
      EXPECT_EQ(encode(*by_rank, text, options), encode(*by_score, text, options)) << text;
    }
  }
}

}  // namespace
}  // namespace redknot::text
