// SPDX-License-Identifier: Apache-2.0
#include "model/model.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/model_parts.h"
#include "tests/models/random_model.h"
#include "tests/temp_folder.h"

namespace redknot {
namespace {

using testing::HasSubstr;

std::vector<std::byte> tiny(std::string_view shape, const std::string& type = "Q8_0") {
  RandomModelOptions options{.shape = *find_shape(shape), .type = type};
  options.shape.layers = 1;
  return random_model_bytes(options).value();
}

// Renames the first occurrence of a text to one of equal length.
std::vector<std::byte> renamed(std::vector<std::byte> file, std::string_view from,
                               std::string_view to) {
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  std::memcpy(file.data() + all.find(from), to.data(), to.size());
  return file;
}

TEST(Model, EveryArchitectureAndTypeOpens) {
  for (const char* shape : {"tiny-llama", "tiny-qwen2", "tiny-qwen3", "tiny-qwen3moe"}) {
    for (const char* type : {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K",
                             "Q3_K", "Q4_K", "Q5_K", "Q6_K", "Q4_K_M"}) {
      SCOPED_TRACE(std::string(shape) + " " + type);
      const auto file = tiny(shape, type);
      const auto parts = model_from_gguf(file);
      ASSERT_TRUE(parts.ok()) << parts.error().message();
      const LayerWeights& layer = parts->weights.layers.at(0);
      EXPECT_EQ(parts->weights.tied, find_shape(shape)->tied);
      EXPECT_EQ(layer.query_bias.present(), parts->config.architecture == Architecture::kQwen2);
      EXPECT_EQ(layer.query_norm.present(), parts->config.qk_norm);
      EXPECT_EQ(layer.experts.size(), static_cast<std::size_t>(parts->config.experts));
      EXPECT_EQ(layer.ffn.gate.present(), parts->config.experts == 0);
    }
  }
}

TEST(Model, AnExpertsMatricesAreSlicesOfTheStack) {
  const auto file = tiny("tiny-qwen3moe");
  const auto parts = model_from_gguf(file);
  ASSERT_TRUE(parts.ok());
  const auto& experts = parts->weights.layers[0].experts;
  for (std::size_t i = 1; i < experts.size(); ++i) {
    EXPECT_EQ(experts[i].down.bytes.data(),
              experts[i - 1].down.bytes.data() + experts[i - 1].down.bytes.size());
    EXPECT_EQ(experts[i].down.rows, 256);
    EXPECT_EQ(experts[i].down.bytes.size(), bytes_of(DType::kQ8_0, 256 * 256));
  }
}

TEST(Model, EqualOptionsGiveEqualBytesAndRowsDiffer) {
  const auto file = tiny("tiny-llama");
  EXPECT_EQ(file, tiny("tiny-llama"));
  const auto parts = model_from_gguf(file);
  ASSERT_TRUE(parts.ok());
  const TensorView& output = parts->weights.output;
  for (int row = 1; row < output.rows; ++row) {
    EXPECT_FALSE(std::ranges::equal(output.row(0), output.row(row))) << row;
  }
}

TEST(Model, MissingAndUnknownTensorsAreNamed) {
  const auto file = tiny("tiny-llama");
  const auto missing = model_from_gguf(renamed(file, "blk.0.attn_v.weight", "blk.0.attn_x.weight"));
  ASSERT_FALSE(missing.ok());
  EXPECT_THAT(missing.error().message(), HasSubstr("tensor blk.0.attn_v.weight is missing"));
  // The file has two layers, of which the metadata mentions one.
  RandomModelOptions options{.shape = *find_shape("tiny-llama")};
  auto more = random_model_bytes(options).value();
  const std::string_view all(reinterpret_cast<const char*>(more.data()), more.size());
  const std::uint32_t one = 1;
  std::memcpy(more.data() + all.find("llama.block_count") + 17 + 4, &one, 4);
  const auto unknown = model_from_gguf(more);
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(unknown.error().message(), HasSubstr("tensor blk.1."));
}

TEST(Model, WrongShapesAndTypesAreNamed) {
  auto file = tiny("tiny-llama");
  const std::string_view all(reinterpret_cast<const char*>(file.data()), file.size());
  const std::size_t entry = all.find("blk.0.attn_k.weight") + 19 + 4;
  auto short_rows = file;
  const std::uint64_t columns = 32;
  std::memcpy(short_rows.data() + entry, &columns, 8);
  const auto shape = model_from_gguf(short_rows);
  ASSERT_FALSE(shape.ok());
  EXPECT_THAT(shape.error().message(), HasSubstr("has shape [64, 32], expected [64, 256]"));
  const std::uint32_t iq4_nl = 20;
  std::memcpy(file.data() + entry + 16, &iq4_nl, 4);
  const auto type = model_from_gguf(file);
  ASSERT_FALSE(type.ok());
  EXPECT_EQ(type.error().code(), ErrorCode::kUnsupported);
  EXPECT_THAT(type.error().message(), testing::AllOf(HasSubstr("IQ4_NL"), HasSubstr("Q6_K")));
}

TEST(Model, OpensFromDiskAndDropsItsBytes) {
  const tests::TempFolder folder;
  const auto path = folder / "model.gguf";
  ASSERT_TRUE(write_file(path, tiny("tiny-qwen3")).ok());
  const auto model = Model::open(path);
  ASSERT_TRUE(model.ok()) << model.error().message();
  EXPECT_EQ(model->format(), "GGUF v3");
  EXPECT_GT(model->file_bytes(), 100'000u);
  const TensorView& gate = model->weights().layers[0].ffn.gate;
  const std::vector<std::byte> before(gate.bytes.begin(), gate.bytes.end());
  model->drop(gate);
  EXPECT_TRUE(std::ranges::equal(gate.bytes, before));
  std::filesystem::remove(path);
  EXPECT_EQ(Model::open(path).error().code(), ErrorCode::kNotFound);
}

TEST(ShardNames, ArePlainNamesEachOnce) {
  const auto names = shard_names(R"({"weight_map": {"a": "x.safetensors", "b": "x.safetensors"}})");
  ASSERT_TRUE(names.ok());
  EXPECT_THAT(*names, testing::ElementsAre("x.safetensors"));
  for (const char* name : {"../x.safetensors", "/x.safetensors", "x.bin", ""}) {
    EXPECT_FALSE(shard_names(std::string(R"({"weight_map": {"a": ")") + name + R"("}})").ok());
  }
  EXPECT_FALSE(shard_names(R"({"weight_map": {}})").ok());
}

}  // namespace
}  // namespace redknot
