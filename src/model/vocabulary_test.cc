// SPDX-License-Identifier: Apache-2.0
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "model/json.h"
#include "model/vocabulary_files.h"
#include "tests/models/gguf_writer.h"

namespace redknot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// ---- GGUF ----

// A vocabulary of four tokens and whatever `add` puts.
template <typename Add>
Result<Vocabulary> gguf_vocabulary(std::string_view model, Add add) {
  GgufWriter writer;
  writer.put_text("tokenizer.ggml.model", model);
  writer.put_texts("tokenizer.ggml.tokens", std::vector<std::string>{"a", "b", "ab", "<|im_end|>"});
  add(writer);
  const auto file = writer.header();
  REDKNOT_TRY(const Gguf gguf, Gguf::parse(file));
  return vocabulary_from_gguf(gguf);
}

void put_merge(GgufWriter& writer) {
  writer.put_texts("tokenizer.ggml.merges", std::vector<std::string>{"a b"});
}

std::string error_of(const Result<Vocabulary>& vocabulary) {
  return vocabulary.ok() ? "no error" : vocabulary.error().message();
}

TEST(VocabularyGguf, DefaultsDependOnTheKind) {
  const auto bpe = gguf_vocabulary("gpt2", put_merge);
  ASSERT_TRUE(bpe.ok()) << bpe.error().message();
  EXPECT_EQ(bpe->kind, TokenizerKind::kByteLevelBpe);
  EXPECT_FALSE(bpe->add_bos || bpe->add_space_prefix || bpe->ignore_merges || bpe->bos);
  EXPECT_THAT(bpe->merges, ElementsAre(testing::Pair("a", "b")));
  const auto pieces = gguf_vocabulary("llama", [](GgufWriter&) {});
  ASSERT_TRUE(pieces.ok());
  EXPECT_EQ(pieces->kind, TokenizerKind::kSentencePiece);
  EXPECT_TRUE(pieces->add_bos && pieces->add_space_prefix);
  EXPECT_EQ(pieces->bos, TokenId{1});
}

TEST(VocabularyGguf, TokensThatEndAGenerationAreControlTokens) {
  const auto vocabulary = gguf_vocabulary("gpt2", [](GgufWriter& writer) {
    put_merge(writer);
    writer.put_integers("tokenizer.ggml.token_type", std::vector<std::int32_t>{1, 1, 1, 4});
    writer.put_integer("tokenizer.ggml.eot_token_id", 1);
  });
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message();
  EXPECT_EQ(vocabulary->tokens[3].kind, TokenKind::kControl);
  EXPECT_THAT(vocabulary->end_of_generation, ElementsAre(TokenId{1}, TokenId{3}));
}

TEST(VocabularyGguf, OtherTokenizersAreRefusedByName) {
  for (const char* model : {"bert", "t5", "rwkv", "plamo2"}) {
    const auto vocabulary = gguf_vocabulary(model, put_merge);
    ASSERT_FALSE(vocabulary.ok());
    EXPECT_EQ(vocabulary.error().code(), ErrorCode::kUnsupported);
    EXPECT_THAT(vocabulary.error().message(), HasSubstr(model));
  }
  EXPECT_EQ(gguf_vocabulary("none", put_merge).value().kind, TokenizerKind::kNone);
}

TEST(VocabularyGguf, InconsistentArraysAndIdsAreNamed) {
  EXPECT_THAT(error_of(gguf_vocabulary("gpt2", [](GgufWriter&) {})), HasSubstr("merges"));
  EXPECT_THAT(
      error_of(gguf_vocabulary(
          "llama",
          [](GgufWriter& w) { w.put_numbers("tokenizer.ggml.scores", std::vector<float>{1.0f}); })),
      HasSubstr("tokenizer.ggml.scores has 1 elements"));
  EXPECT_THAT(error_of(gguf_vocabulary(
                  "llama", [](GgufWriter& w) { w.put_integer("tokenizer.ggml.eos_token_id", 4); })),
              HasSubstr("eos_token_id is 4"));
  EXPECT_THAT(error_of(gguf_vocabulary("gpt2",
                                       [](GgufWriter& w) {
                                         w.put_texts("tokenizer.ggml.merges",
                                                     std::vector<std::string>{"ab"});
                                       })),
              HasSubstr("element 0"));
  const auto none = gguf_vocabulary(
      "llama", [](GgufWriter& w) { w.put_integer("tokenizer.ggml.bos_token_id", 0xffffffffu); });
  ASSERT_TRUE(none.ok());
  EXPECT_EQ(none->bos, std::nullopt);
  EXPECT_FALSE(none->add_bos);
}

// ---- tokenizer.json ----

Json byte_level_json() {
  return Json::parse(R"({
    "added_tokens": [{"id": 3, "content": "<|eot|>", "special": true, "rstrip": true}],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "\\p{L}+"}, "behavior": "Isolated", "invert": false},
      {"type": "Digits", "individual_digits": true},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
}

Result<Vocabulary> json_vocabulary(const Json& tokenizer, const std::string& config = "",
                                   const std::string& generation = "") {
  HuggingFaceTokenizerFiles files;
  files.tokenizer = tokenizer.dump();
  files.tokenizer_config = config;
  files.generation_config = generation;
  return vocabulary_from_huggingface(files);
}

TEST(VocabularyJson, ReadsByteLevelBpe) {
  const auto vocabulary = json_vocabulary(byte_level_json());
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message();
  EXPECT_EQ(vocabulary->kind, TokenizerKind::kByteLevelBpe);
  EXPECT_THAT(vocabulary->split_expressions, ElementsAre("\\p{L}+", "\\p{N}"));
  EXPECT_EQ(vocabulary->tokens[3].kind, TokenKind::kControl);
  EXPECT_TRUE(vocabulary->tokens[3].strip_right);
  EXPECT_FALSE(vocabulary->add_bos);
}

TEST(VocabularyJson, MergesMayBePairs) {
  Json json = byte_level_json();
  json["model"]["merges"] = Json::parse(R"([["a", "b"]])");
  EXPECT_THAT(json_vocabulary(json).value().merges, ElementsAre(testing::Pair("a", "b")));
  json["model"]["merges"] = Json::parse(R"([["a"]])");
  EXPECT_THAT(error_of(json_vocabulary(json)), HasSubstr("merge 0"));
}

TEST(VocabularyJson, SpecialTokensComeFromTheConfigsBesideIt) {
  const auto vocabulary = json_vocabulary(
      byte_level_json(),
      R"({"bos_token": {"content": "<|eot|>"}, "eos_token": "a", "add_bos_token": true,
          "chat_template": [{"name": "default", "template": "{{ x }}"}]})",
      R"({"eos_token_id": [0, 1, 99]})");
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message();
  EXPECT_EQ(vocabulary->bos, TokenId{3});
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_THAT(vocabulary->end_of_generation, ElementsAre(TokenId{0}, TokenId{1}));
  EXPECT_EQ(vocabulary->chat_template, "{{ x }}");
}

TEST(VocabularyJson, ATemplateThatBeginsWithATokenAddsBos) {
  Json json = byte_level_json();
  json["post_processor"] = Json::parse(R"({"type": "TemplateProcessing", "single": [
    {"SpecialToken": {"id": "<|eot|>"}}, {"Sequence": {"id": "A"}}]})");
  const auto vocabulary = json_vocabulary(json);
  ASSERT_TRUE(vocabulary.ok());
  EXPECT_TRUE(vocabulary->add_bos);
  EXPECT_FALSE(vocabulary->add_eos);
  EXPECT_EQ(vocabulary->bos, TokenId{3});
}

TEST(VocabularyJson, IdsBeyondTheFileAreRefused) {
  Json json = byte_level_json();
  json["model"]["vocab"]["far"] = 2'000'000'000;
  EXPECT_THAT(error_of(json_vocabulary(json)), HasSubstr("id of token \"far\""));
  json["model"]["vocab"]["far"] = -1;
  EXPECT_FALSE(json_vocabulary(json).ok());
}

TEST(VocabularyJson, MetaspacePutsNoPrefixBeforeASpace) {
  Json json = byte_level_json();
  json["pre_tokenizer"] = {{"type", "Metaspace"},
                           {"replacement", "\u2581"},
                           {"prepend_scheme", "always"},
                           {"split", false}};
  auto vocabulary = json_vocabulary(json);
  ASSERT_TRUE(vocabulary.ok()) << vocabulary.error().message();
  EXPECT_EQ(vocabulary->kind, TokenizerKind::kRankedPieces);
  EXPECT_TRUE(vocabulary->add_space_prefix && vocabulary->prefix_unless_space);
  EXPECT_FALSE(vocabulary->prefix_at_start_only);
  json["pre_tokenizer"]["prepend_scheme"] = "first";
  EXPECT_TRUE(json_vocabulary(json).value().prefix_at_start_only);
  json["pre_tokenizer"]["prepend_scheme"] = "never";
  EXPECT_FALSE(json_vocabulary(json).value().add_space_prefix);
}

TEST(VocabularyJson, StepsThatDoNotRunAreRefusedByName) {
  const auto refused = [](const char* key, const char* value) {
    Json json = byte_level_json();
    json[key] = Json::parse(value);
    const auto vocabulary = json_vocabulary(json);
    EXPECT_EQ(vocabulary.error().code(), ErrorCode::kUnsupported);
    return vocabulary.error().message();
  };
  EXPECT_THAT(refused("model", R"({"type": "Unigram"})"), HasSubstr("Unigram"));
  EXPECT_THAT(refused("normalizer", R"({"type": "Lowercase"})"), HasSubstr("Lowercase"));
  EXPECT_THAT(refused("pre_tokenizer", R"({"type": "BertPreTokenizer"})"),
              HasSubstr("BertPreTokenizer"));
  EXPECT_THAT(refused("pre_tokenizer", R"({"type": "ByteLevel", "add_prefix_space": true})"),
              HasSubstr("add_prefix_space"));
  EXPECT_THAT(refused("pre_tokenizer", R"({"type": "Metaspace", "replacement": "\u2581"})"),
              HasSubstr("Metaspace with split"));
  EXPECT_THAT(refused("post_processor", R"({"type": "RobertaProcessing"})"),
              HasSubstr("RobertaProcessing"));
}

}  // namespace
}  // namespace redknot
