// SPDX-License-Identifier: Apache-2.0
// Opens the reference models, and compares what is read with what is recorded beside them.
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/json.h"
#include "model/model.h"
#include "model/vocabulary_files.h"

namespace redknot {
namespace {

namespace fs = std::filesystem;

const fs::path kGolden = fs::path(REDKNOT_SOURCE_DIR) / ".." / "shared" / "golden";

// The unpacked copy of a gzip file of the reference data; it stays for the next run.
fs::path unpacked(const fs::path& packed) {
  const fs::path folder = fs::path(REDKNOT_BINARY_DIR) / "golden" / packed.parent_path().filename();
  fs::create_directories(folder);
  const fs::path file = folder / packed.stem();
  if (!fs::exists(file)) {
    const std::string part = file.string() + ".part" + std::to_string(::getpid());
    const std::string command = "gzip -dc '" + packed.string() + "' > '" + part + "'";
    if (std::system(command.c_str()) != 0) return {};
    fs::rename(part, file);
  }
  return file;
}

Json read_json(const fs::path& path) {
  std::ifstream file(path);
  return Json::parse(file);
}

const TensorView* find_view(const ModelWeights& weights, const std::string& name) {
  std::vector<const TensorView*> views = {&weights.token_embedding, &weights.output};
  for (const LayerWeights& layer : weights.layers) {
    for (const TensorView* view : {&layer.query, &layer.key, &layer.value, &layer.attention_output,
                                   &layer.ffn.gate, &layer.ffn.up, &layer.ffn.down}) {
      views.push_back(view);
    }
  }
  for (const TensorView* view : views) {
    if (view->name == name) return view;
  }
  return nullptr;
}

void expect_tensor(const TensorView& view, const Json& check) {
  ASSERT_EQ(view.rows, check["shape"][0].get<int>());
  ASSERT_EQ(view.columns, check["shape"][1].get<int>());
  std::vector<float> row(static_cast<std::size_t>(view.columns));
  double sum = 0.0, squares = 0.0;
  for (int r = 0; r < view.rows; ++r) {
    dequantize(view.dtype, view.row(r), row);
    for (std::size_t i = 0; r == 0 && i < check["head"].size(); ++i) {
      EXPECT_FLOAT_EQ(row[i], check["head"][i].get<float>());
    }
    for (const float value : row) {
      sum += value;
      squares += static_cast<double>(value) * value;
    }
  }
  EXPECT_NEAR(sum, check["sum"].get<double>(), 1e-6 * squares);
  EXPECT_NEAR(squares, check["sumsq"].get<double>(), 1e-6 * squares);
}

void expect_config(const ModelConfig& config, const Json& expected) {
  EXPECT_EQ(config.hidden_size, expected["d"].get<int>());
  EXPECT_EQ(config.layers, expected["L"].get<int>());
  EXPECT_EQ(config.query_heads, expected["hq"].get<int>());
  EXPECT_EQ(config.kv_heads, expected["hkv"].get<int>());
  EXPECT_EQ(config.head_dim, expected["hd"].get<int>());
  EXPECT_EQ(config.vocabulary_size, expected["V"].get<int>());
  EXPECT_EQ(config.context_tokens, expected["ctx"].get<int>());
  EXPECT_DOUBLE_EQ(config.rope.base, expected["theta"].get<double>());
  EXPECT_FLOAT_EQ(config.rms_norm_epsilon, expected["eps"].get<float>());
}

TEST(GoldenModels, AllOpenWithTheRecordedConfigurationAndTensorValues) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data";
  int checked = 0;
  for (const auto& folder : fs::directory_iterator(kGolden / "models")) {
    const Json golden = read_json(folder.path() / "golden.json");
    for (const auto& [type, entry] : golden["dtypes"].items()) {
      const fs::path packed = folder.path() / (entry["file"].get<std::string>());
      SCOPED_TRACE(packed.string());
      const auto model = Model::open(unpacked(packed));
      ASSERT_TRUE(model.ok()) << model.error().message();
      expect_config(model->config(), golden["config"]);
      EXPECT_EQ(model->weights().tied, golden["config"]["tied"].get<bool>());
      const Json checks = entry.value("tensor_check", Json::object());
      for (const auto& [name, check] : checks.items()) {
        const TensorView* view = find_view(model->weights(), name);
        ASSERT_NE(view, nullptr) << name;
        SCOPED_TRACE(name);
        expect_tensor(*view, check);
        ++checked;
      }
    }
  }
  EXPECT_GT(checked, 20);
}

Model open_golden(const std::string& name) {
  return Model::open(unpacked(kGolden / "models" / name / "model.F32.gguf.gz")).value();
}

TEST(GoldenModels, RopeScalingIsReadFromGguf) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data";
  const RopeConfig linear = open_golden("llama-rope-linear").config().rope;
  EXPECT_EQ(linear.scaling, RopeScaling::kLinear);
  EXPECT_EQ(linear.factor, 4.0);
  const RopeConfig yarn = open_golden("llama-rope-yarn").config().rope;
  EXPECT_EQ(yarn.scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.original_context_tokens, 1024);
  EXPECT_NEAR(yarn.yarn_magnitude, 0.1 * std::log(4.0) + 1.0, 1e-12);
  EXPECT_EQ(yarn.pairing, RopePairing::kInterleaved);
  const RopeConfig llama3 = open_golden("llama-rope-llama3").config().rope;
  EXPECT_EQ(llama3.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(llama3.frequency_divisors.size(), 16u);
  const Model moe = open_golden("qwen3moe");
  EXPECT_EQ(moe.config().rope.pairing, RopePairing::kHalfSplit);
  EXPECT_EQ(moe.config().experts, 8);
  EXPECT_EQ(moe.config().experts_per_token, 2);
  EXPECT_EQ(moe.weights().layers[0].experts.size(), 8u);
}

TEST(GoldenModels, HuggingFaceFolderOpensAndEqualsTheGguf) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data";
  const auto folder = Model::open(kGolden / "stories260K-hf");
  const auto file = Model::open(kGolden / "stories260K" / "stories260K.gguf");
  ASSERT_TRUE(folder.ok()) << folder.error().message();
  ASSERT_TRUE(file.ok()) << file.error().message();
  EXPECT_EQ(folder->config().rope.pairing, RopePairing::kHalfSplit);
  EXPECT_EQ(file->config().rope.pairing, RopePairing::kInterleaved);
  EXPECT_EQ(folder->config().name, "stories260K-hf");
  EXPECT_TRUE(folder->weights().tied);
  const TensorView& ours = folder->weights().layers[2].ffn.down;
  const TensorView& theirs = file->weights().layers[2].ffn.down;
  ASSERT_EQ(ours.bytes.size(), theirs.bytes.size());
  EXPECT_TRUE(std::equal(ours.bytes.begin(), ours.bytes.end(), theirs.bytes.begin()));
  EXPECT_EQ(folder->vocabulary().tokens.size(), 512u);
  EXPECT_EQ(folder->vocabulary().kind, TokenizerKind::kRankedPieces);
}

TEST(GoldenVocabularies, HaveTheRecordedDefaults) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data";
  for (const char* name :
       {"deepseek-coder", "deepseek-llm", "falcon", "gpt-2", "llama-spm", "phi-3", "starcoder"}) {
    SCOPED_TRACE(name);
    const std::string stem = std::string("ggml-vocab-") + name;
    const auto vocabulary = read_vocabulary(unpacked(kGolden / "tokenizers" / (stem + ".gguf.gz")));
    ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message();
    std::ifstream lines(kGolden / "tokenizers" / (stem + ".jsonl"));
    std::string header_line;
    std::getline(lines, header_line);
    const Json header = Json::parse(header_line);
    EXPECT_EQ(vocabulary->add_bos, header["add_bos"].get<bool>());
    EXPECT_EQ(vocabulary->add_eos, header["add_eos"].get<bool>());
    EXPECT_EQ(static_cast<int>(*vocabulary->bos), header["bos"].get<int>());
    EXPECT_THAT(vocabulary->end_of_generation, testing::Contains(*vocabulary->eos));
  }
}

TEST(GoldenVocabularies, Phi3sSpecialTokensSwallowTheSpaceBehindThem) {
  if (!fs::exists(kGolden)) GTEST_SKIP() << "no reference data";
  const auto phi3 = read_vocabulary(unpacked(kGolden / "tokenizers" / "ggml-vocab-phi-3.gguf.gz"));
  ASSERT_TRUE(phi3.ok());
  EXPECT_FALSE(phi3->tokens[1].strip_right);             // <s>
  EXPECT_TRUE(phi3->tokens[2].strip_right);              // </s>
  EXPECT_EQ(phi3->tokens[2].kind, TokenKind::kControl);  // user-defined in the file
  EXPECT_TRUE(phi3->tokens[32007].strip_right);          // <|end|>
  EXPECT_THAT(phi3->end_of_generation,
              testing::ElementsAre(TokenId{2}, TokenId{32000}, TokenId{32007}));
}

}  // namespace
}  // namespace redknot
