// SPDX-License-Identifier: Apache-2.0
// Hugging Face models made up on the spot, without a tokenizer.
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/json.h"
#include "model/model_parts.h"

namespace redknot {
namespace {

using testing::HasSubstr;
using Shapes = std::map<std::string, std::vector<int>>;
using Bytes = std::vector<std::byte>;

constexpr int kWidth = 8, kHeadDim = 4, kQueryRows = 8, kKvRows = 4, kFfn = 6, kVocabulary = 5;

Json config_of(const char* type) {
  return Json{{"model_type", type},        {"hidden_size", kWidth},
              {"intermediate_size", kFfn}, {"moe_intermediate_size", kFfn},
              {"num_hidden_layers", 1},    {"num_attention_heads", 2},
              {"num_key_value_heads", 1},  {"head_dim", kHeadDim},
              {"vocab_size", kVocabulary}, {"max_position_embeddings", 64}};
}

Shapes attention_shapes() {
  const std::string layer = "model.layers.0.";
  return {{"model.embed_tokens.weight", {kVocabulary, kWidth}},
          {"model.norm.weight", {kWidth}},
          {"lm_head.weight", {kVocabulary, kWidth}},
          {layer + "input_layernorm.weight", {kWidth}},
          {layer + "post_attention_layernorm.weight", {kWidth}},
          {layer + "self_attn.q_proj.weight", {kQueryRows, kWidth}},
          {layer + "self_attn.k_proj.weight", {kKvRows, kWidth}},
          {layer + "self_attn.v_proj.weight", {kKvRows, kWidth}},
          {layer + "self_attn.o_proj.weight", {kWidth, kQueryRows}}};
}

void add_ffn(Shapes& shapes, const std::string& prefix) {
  shapes[prefix + "gate_proj.weight"] = {kFfn, kWidth};
  shapes[prefix + "up_proj.weight"] = {kFfn, kWidth};
  shapes[prefix + "down_proj.weight"] = {kWidth, kFfn};
}

void add_biases(Shapes& shapes) {
  const std::string prefix = "model.layers.0.self_attn.";
  shapes[prefix + "q_proj.bias"] = {kQueryRows};
  shapes[prefix + "k_proj.bias"] = {kKvRows};
  shapes[prefix + "v_proj.bias"] = {kKvRows};
}

// A safetensors file of zeros in BF16.
Bytes safetensors_of(const Shapes& shapes) {
  Json header = Json::object();
  std::size_t end = 0;
  for (const auto& [name, shape] : shapes) {
    std::size_t bytes = 2;
    for (const int extent : shape) bytes *= static_cast<std::size_t>(extent);
    header[name] = {{"dtype", "BF16"}, {"shape", shape}, {"data_offsets", {end, end + bytes}}};
    end += bytes;
  }
  const std::string text = header.dump();
  Bytes file(8 + text.size() + end);
  const std::uint64_t size = text.size();
  std::memcpy(file.data(), &size, 8);
  std::memcpy(file.data() + 8, text.data(), text.size());
  return file;
}

Result<ModelParts> open(const Json& config, const std::vector<Bytes>& shards) {
  HuggingFaceModelFiles files;
  files.tokenizer.config = config.dump();
  for (const Bytes& shard : shards) files.shards.push_back(shard);
  return model_from_huggingface(files);
}

TEST(HuggingFaceModel, ShardsMakeOneModel) {
  Shapes ffn;
  add_ffn(ffn, "model.layers.0.mlp.");
  const std::vector<Bytes> shards = {safetensors_of(attention_shapes()), safetensors_of(ffn)};
  const auto parts = open(config_of("mistral"), shards);
  ASSERT_TRUE(parts.ok()) << parts.error().message();
  EXPECT_EQ(parts->format, "Hugging Face folder");
  EXPECT_EQ(parts->tensors.size(), 12u);
  EXPECT_FALSE(parts->weights.tied);
  EXPECT_EQ(parts->weights.layers[0].ffn.down.dtype, DType::kBF16);
  EXPECT_EQ(parts->config.rope.pairing, RopePairing::kHalfSplit);
  EXPECT_EQ(parts->vocabulary.kind, TokenizerKind::kNone);
  const auto twice = open(config_of("mistral"), {shards[0], shards[1], shards[1]});
  EXPECT_THAT(twice.error().message(), HasSubstr("appears twice"));
}

TEST(HuggingFaceModel, TyingFollowsTheConfigAndElseTheFile) {
  Shapes shapes = attention_shapes();
  add_ffn(shapes, "model.layers.0.mlp.");
  Json config = config_of("llama");
  config["tie_word_embeddings"] = true;
  EXPECT_TRUE(open(config, {safetensors_of(shapes)}).value().weights.tied);
  shapes.erase("lm_head.weight");
  EXPECT_TRUE(open(config_of("llama"), {safetensors_of(shapes)}).value().weights.tied);
  config["tie_word_embeddings"] = false;
  EXPECT_THAT(open(config, {safetensors_of(shapes)}).error().message(),
              HasSubstr("lm_head.weight is missing"));
}

TEST(HuggingFaceModel, BiasesAreRequiredWhereTheConfigSaysSo) {
  Shapes shapes = attention_shapes();
  add_ffn(shapes, "model.layers.0.mlp.");
  EXPECT_THAT(open(config_of("qwen2"), {safetensors_of(shapes)}).error().message(),
              HasSubstr("q_proj.bias is missing"));
  add_biases(shapes);
  const auto qwen2 = open(config_of("qwen2"), {safetensors_of(shapes)});
  ASSERT_TRUE(qwen2.ok()) << qwen2.error().message();
  EXPECT_TRUE(qwen2->weights.layers[0].value_bias.present());
  Json llama = config_of("llama");
  llama["attention_bias"] = true;
  EXPECT_THAT(open(llama, {safetensors_of(shapes)}).error().message(),
              HasSubstr("o_proj.bias is missing"));
}

TEST(HuggingFaceModel, ExpertsAreSeparateTensors) {
  Shapes shapes = attention_shapes();
  shapes["model.layers.0.self_attn.q_norm.weight"] = {kHeadDim};
  shapes["model.layers.0.self_attn.k_norm.weight"] = {kHeadDim};
  shapes["model.layers.0.mlp.gate.weight"] = {3, kWidth};
  for (const char* expert : {"0.", "1.", "2."}) {
    add_ffn(shapes, std::string("model.layers.0.mlp.experts.") + expert);
  }
  Json config = config_of("qwen3_moe");
  config["num_experts"] = 3;
  config["num_experts_per_tok"] = 2;
  const auto parts = open(config, {safetensors_of(shapes)});
  ASSERT_TRUE(parts.ok()) << parts.error().message();
  EXPECT_EQ(parts->weights.layers[0].experts.size(), 3u);
  EXPECT_EQ(parts->weights.layers[0].router.rows, 3);
}

TEST(HuggingFaceModel, DeeplyNestedJsonIsRefused) {
  const std::string deep = R"({"model_type": "[[", "x": )" + std::string(200, '[');
  HuggingFaceModelFiles files;
  files.tokenizer.config = deep;
  EXPECT_THAT(model_from_huggingface(files).error().message(), HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace redknot
