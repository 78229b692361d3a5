// SPDX-License-Identifier: Apache-2.0
#include <cmath>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/config_files.h"
#include "model/json.h"
#include "tests/models/gguf_writer.h"

namespace redknot {
namespace {

using testing::HasSubstr;

// ---- config.json ----

Json llama_json() {
  return Json::parse(R"({"model_type": "llama", "hidden_size": 64, "intermediate_size": 172,
    "num_hidden_layers": 5, "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 512,
    "max_position_embeddings": 512, "rms_norm_eps": 1e-05, "rope_theta": 500000.0,
    "hidden_act": "silu", "rope_scaling": null})");
}

Json with(Json json, const char* key, Json value) {
  json[key] = std::move(value);
  return json;
}

ModelConfig config_of(const Json& json) {
  const auto config = config_from_json(json.dump());
  EXPECT_TRUE(config.ok()) << (config.ok() ? "" : config.error().message());
  return config.ok() ? config->config : ModelConfig{};
}

Error error_of(const Json& json) {
  const auto config = config_from_json(json.dump());
  return config.ok() ? Error(ErrorCode::kCancelled, "no error") : config.error();
}

TEST(ConfigJson, HeadSizeFollowsTheWidthUnlessGiven) {
  EXPECT_EQ(config_of(llama_json()).head_dim, 8);
  EXPECT_EQ(config_of(with(llama_json(), "head_dim", 32)).head_dim, 32);
  EXPECT_EQ(config_of(with(llama_json(), "model_type", "qwen3")).head_dim, 128);
  EXPECT_THAT(error_of(with(llama_json(), "hidden_size", 63)).message(), HasSubstr("head_dim"));
}

TEST(ConfigJson, EveryQueryHeadHasItsOwnKeysUnlessSaidOtherwise) {
  for (const char* type : {"llama", "qwen2", "qwen3"}) {
    Json json = with(llama_json(), "model_type", type);
    EXPECT_EQ(config_of(with(json, "num_key_value_heads", nullptr)).kv_heads, 8);
    json.erase("num_key_value_heads");
    EXPECT_EQ(config_of(json).kv_heads, 8);
  }
}

TEST(ConfigJson, NumbersOutOfRangeNameTheirKey) {
  for (const auto& [key, value] : std::vector<std::pair<const char*, Json>>{
           {"num_hidden_layers", 0},
           {"num_hidden_layers", 1u << 31},
           {"hidden_size", -4},
           {"hidden_size", 64.5},
           {"vocab_size", "many"},
           {"num_attention_heads", 0},
           {"rms_norm_eps", -1.0},
           {"rope_theta", 0.0},
           {"max_position_embeddings", Json(~std::uint64_t{0})}}) {
    const Error error = error_of(with(llama_json(), key, value));
    EXPECT_EQ(error.code(), ErrorCode::kCorrupt);
    EXPECT_THAT(error.message(), HasSubstr(key));
  }
  EXPECT_THAT(error_of(with(llama_json(), "rms_norm_eps", 1e-15)).message(),
              HasSubstr("rms_norm_eps is 1e-15, expected 1e-12 to 0.1"));
  EXPECT_THAT(error_of(with(llama_json(), "num_key_value_heads", 3)).message(),
              HasSubstr("multiple of 3 KV heads"));
}

TEST(ConfigJson, WhatDoesNotRunIsRefusedByName) {
  for (const auto& [key, value, word] : std::vector<std::tuple<const char*, Json, const char*>>{
           {"model_type", "gemma2", "gemma2"},
           {"quantization_config", Json{{"quant_method", "awq"}}, "awq"},
           {"hidden_act", "gelu", "gelu"},
           {"mlp_bias", true, "mlp_bias"},
           {"rope_scaling", Json{{"type", "dynamic"}, {"factor", 2.0}}, "dynamic"},
           {"rope_scaling", Json{{"rope_type", "longrope"}}, "longrope"},
           {"rope_parameters", Json{{"full_attention", Json::object()}},
            "differ between layers"}}) {
    const Error error = error_of(with(llama_json(), key, value));
    EXPECT_EQ(error.code(), ErrorCode::kUnsupported);
    EXPECT_THAT(error.message(), HasSubstr(word));
  }
  EXPECT_THAT(error_of(with(llama_json(), "model_type", "gemma2")).message(),
              HasSubstr("qwen3moe"));
}

TEST(ConfigJson, ASlidingWindowIsRefusedWhereItWouldHideSomething) {
  const Json mistral = with(llama_json(), "model_type", "mistral");
  EXPECT_EQ(error_of(with(mistral, "sliding_window", 128)).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(config_of(with(mistral, "sliding_window", 512)).layers, 5);
  EXPECT_EQ(config_of(with(mistral, "sliding_window", nullptr)).layers, 5);
  const Json qwen2 = with(with(llama_json(), "model_type", "qwen2"), "sliding_window", 128);
  EXPECT_EQ(config_of(qwen2).layers, 5);
  EXPECT_EQ(error_of(with(qwen2, "use_sliding_window", true)).code(), ErrorCode::kUnsupported);
  const Json no_layer = with(with(qwen2, "use_sliding_window", true), "max_window_layers", 5);
  EXPECT_EQ(config_of(no_layer).layers, 5);
}

TEST(ConfigJson, ReadsRopeScaling) {
  const Json linear = with(llama_json(), "rope_scaling", Json{{"type", "linear"}, {"factor", 4.0}});
  EXPECT_EQ(config_of(linear).rope.scaling, RopeScaling::kLinear);
  EXPECT_EQ(config_of(linear).rope.factor, 4.0);
  const RopeConfig yarn = config_of(with(llama_json(), "rope_parameters",
                                         Json{{"rope_type", "yarn"},
                                              {"rope_theta", 1e6},
                                              {"factor", 4.0},
                                              {"original_max_position_embeddings", 256}}))
                              .rope;
  EXPECT_EQ(yarn.scaling, RopeScaling::kYarn);
  EXPECT_EQ(yarn.base, 1e6);
  EXPECT_EQ(yarn.original_context_tokens, 256);
  EXPECT_NEAR(yarn.yarn_magnitude, 0.1 * std::log(4.0) + 1.0, 1e-12);
}

// The divisors of Llama 3.1: 1 for fast dimensions, the factor for slow ones, between them between.
TEST(ConfigJson, ComputesLlama3sDivisors) {
  const Json scaling = {{"rope_type", "llama3"},
                        {"factor", 8.0},
                        {"low_freq_factor", 1.0},
                        {"high_freq_factor", 4.0},
                        {"original_max_position_embeddings", 8192}};
  const Json json = with(with(llama_json(), "head_dim", 128), "rope_scaling", scaling);
  const RopeConfig rope = config_of(json).rope;
  ASSERT_EQ(rope.frequency_divisors.size(), 64u);
  EXPECT_EQ(rope.scaling, RopeScaling::kLlama3);
  EXPECT_EQ(rope.frequency_divisors.front(), 1.0f);
  EXPECT_EQ(rope.frequency_divisors.back(), 8.0f);
  // Dimension 30: wavelength 2 pi 500000^(60/128), 8192 / wavelength turns.
  const double turns = 8192.0 / (2.0 * M_PI * std::pow(500000.0, 60.0 / 128.0));
  const double smooth = (turns - 1.0) / 3.0;
  EXPECT_NEAR(rope.frequency_divisors[30], 1.0 / ((1.0 - smooth) / 8.0 + smooth), 1e-5);
}

TEST(ConfigJson, ExpertsComeFromQwen3Moe) {
  Json json = with(llama_json(), "model_type", "qwen3_moe");
  json.update(Json{{"num_experts", 8}, {"num_experts_per_tok", 2}, {"moe_intermediate_size", 32}});
  const ModelConfig config = config_of(json);
  EXPECT_EQ(config.experts, 8);
  EXPECT_EQ(config.intermediate_size, 32);
  EXPECT_FALSE(config.renormalize_experts);
  EXPECT_TRUE(config_of(with(json, "norm_topk_prob", true)).renormalize_experts);
  EXPECT_EQ(error_of(with(json, "decoder_sparse_step", 2)).code(), ErrorCode::kUnsupported);
  EXPECT_EQ(error_of(with(json, "num_experts_per_tok", 9)).code(), ErrorCode::kCorrupt);
}

// ---- GGUF metadata ----

// A llama without weights but the embedding, and whatever else `add` puts.
template <typename Add>
Result<ModelConfig> gguf_config(Add add) {
  GgufWriter writer;
  writer.put_text("general.architecture", "llama");
  for (const auto& [key, value] : {std::pair{"block_count", 2},
                                   {"embedding_length", 64},
                                   {"context_length", 1024},
                                   {"feed_forward_length", 128},
                                   {"attention.head_count", 4}}) {
    writer.put_integer(concat("llama.", key), static_cast<std::uint32_t>(value));
  }
  writer.put_number("llama.attention.layer_norm_rms_epsilon", 1e-5f);
  const std::int64_t embedding[] = {10, 64};
  writer.add_tensor("token_embd.weight", DType::kF32, embedding);
  add(writer);
  std::vector<std::byte> file = writer.header();
  file.resize(file.size() + writer.data_bytes());
  REDKNOT_TRY(const Gguf gguf, Gguf::parse(file));
  return config_from_gguf(gguf);
}

TEST(ConfigGguf, DefaultsAreLlamaCpps) {
  const auto config = gguf_config([](GgufWriter&) {});
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_EQ(config->kv_heads, 4);
  EXPECT_EQ(config->head_dim, 16);
  EXPECT_EQ(config->rope.base, 10000.0);
  EXPECT_EQ(config->rope.scaling, RopeScaling::kNone);
  EXPECT_EQ(config->vocabulary_size, 10);
}

TEST(ConfigGguf, AFactorWithoutATypeIsLinear) {
  const auto config =
      gguf_config([](GgufWriter& writer) { writer.put_number("llama.rope.scaling.factor", 2.0f); });
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->rope.scaling, RopeScaling::kLinear);
  const auto old =
      gguf_config([](GgufWriter& writer) { writer.put_number("llama.rope.scale_linear", 2.0f); });
  ASSERT_TRUE(old.ok());
  EXPECT_EQ(old->rope.factor, 2.0);
}

TEST(ConfigGguf, YarnsMagnitudeFollowsItsKeys) {
  const auto config = gguf_config([](GgufWriter& writer) {
    writer.put_text("llama.rope.scaling.type", "yarn");
    writer.put_number("llama.rope.scaling.factor", 8.0f);
    writer.put_number("llama.rope.scaling.attn_factor", 0.5f);
    writer.put_number("llama.rope.scaling.yarn_log_multiplier", 1.0f);
    writer.put_number("llama.rope.scaling.yarn_beta_fast", 16.0f);
  });
  ASSERT_TRUE(config.ok()) << config.error().message();
  EXPECT_NEAR(config->rope.yarn_magnitude, 0.5, 1e-9);
  EXPECT_EQ(config->rope.yarn_beta_fast, 16.0);
  EXPECT_EQ(config->rope.original_context_tokens, 1024);
}

TEST(ConfigGguf, WhatDoesNotRunIsRefusedByName) {
  const auto error = [](auto add) {
    const auto config = gguf_config(add);
    return config.ok() ? Error(ErrorCode::kCancelled, "no error") : config.error();
  };
  const Error split = error([](GgufWriter& w) { w.put_integer("split.count", 3); });
  EXPECT_EQ(split.code(), ErrorCode::kUnsupported);
  EXPECT_THAT(split.message(), HasSubstr("split into 3 files"));
  EXPECT_THAT(error([](GgufWriter& w) { w.put_integer("llama.expert_count", 8); }).message(),
              HasSubstr("llama.expert_count"));
  EXPECT_THAT(
      error([](GgufWriter& w) { w.put_text("llama.rope.scaling.type", "longrope"); }).message(),
      HasSubstr("longrope"));
  EXPECT_THAT(
      error([](GgufWriter& w) { w.put_integer("llama.attention.sliding_window", 256); }).message(),
      HasSubstr("sliding_window"));
  EXPECT_THAT(error([](GgufWriter& w) { w.put_number("llama.logit_scale", 0.25f); }).message(),
              HasSubstr("logit_scale"));
  EXPECT_THAT(error([](GgufWriter& w) { w.put_bool("llama.attention.causal", false); }).message(),
              HasSubstr("causal"));
  EXPECT_THAT(
      error([](GgufWriter& w) { w.put_integer("llama.attention.value_length", 8); }).message(),
      HasSubstr("value_length"));
  EXPECT_THAT(
      error([](GgufWriter& w) { w.put_integer("llama.attention.head_count_kv", 3); }).message(),
      HasSubstr("KV heads"));
  EXPECT_THAT(error([](GgufWriter& w) { w.put_text("llama.rope.freq_base", "x"); }).message(),
              HasSubstr("llama.rope.freq_base at offset"));
}

}  // namespace
}  // namespace redknot
