// SPDX-License-Identifier: Apache-2.0
#include "eval/prompt_format.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/model_maker.h"
#include "tests/temp_folder.h"
#include "text/byte_alphabet.h"

namespace redknot::eval {
namespace {

using Marks = std::vector<std::string>;
const Marks kAllMarks = {"<|system|>", "<|document|>", "<|user|>", "<|assistant|>", "<|end|>"};

// A tokenizer of bytes and the marks.
Tokenizer marked_tokenizer(const Marks& marks) {
  nlohmann::json vocabulary, added = nlohmann::json::array();
  for (int byte = 0; byte < 256; ++byte) {
    vocabulary[text::to_alphabet(std::string(1, static_cast<char>(byte)))] = byte;
  }
  for (const std::string& mark : marks) {
    added.push_back({{"id", 256 + added.size()}, {"content", mark}, {"special", true}});
  }
  const nlohmann::json model = {
      {"type", "BPE"}, {"vocab", vocabulary}, {"merges", nlohmann::json::array()}};
  const nlohmann::json pre_tokenizer = {
      {"type", "ByteLevel"}, {"add_prefix_space", false}, {"use_regex", true}};
  const nlohmann::json file = {{"added_tokens", added},
                               {"pre_tokenizer", pre_tokenizer},
                               {"decoder", {{"type", "ByteLevel"}}},
                               {"model", model}};
  const tests::TempFolder folder;
  std::ofstream(folder / "tokenizer.json") << file.dump();
  auto tokenizer = Tokenizer::open(folder / "tokenizer.json");
  EXPECT_TRUE(tokenizer.ok()) << tokenizer.error().message();
  return std::move(tokenizer).value();
}

corpus::Sample chat() {
  return {.system = "Be brief.",
          .documents = {"Ana lives in Velk.", "Velk is old."},
          .turns = {{.question = "Where does Ana live?", .answer = "Velk"},
                    {.question = "And her age?", .answer = "not stated"}}};
}

TEST(PromptFormat, MarksNeedATokenEach) {
  EXPECT_EQ(prompt_format_for(marked_tokenizer(kAllMarks)), PromptFormat::kMarks);
  for (std::size_t missing = 0; missing < kAllMarks.size(); ++missing) {
    Marks some = kAllMarks;
    some.erase(some.begin() + static_cast<std::ptrdiff_t>(missing));
    EXPECT_EQ(prompt_format_for(marked_tokenizer(some)), PromptFormat::kPlain) << missing;
  }
}

TEST(PromptFormat, OtherModelsAreAskedPlainly) {
  const tests::ModelOnDisk model({.shape = tests::small_shape(Architecture::kLlama)});
  EXPECT_EQ(prompt_format_for(Tokenizer::open(model.path()).value()), PromptFormat::kPlain);
}

TEST(PromptFormat, MarkedPromptsAreThoseOfTraining) {
  EXPECT_EQ(write_prompt(PromptFormat::kMarks, chat(), 1), corpus::prompt_text(chat(), 1));
}

TEST(PromptFormat, PlainPromptsEndWhereTheAnswerBegins) {
  EXPECT_EQ(write_prompt(PromptFormat::kPlain, chat(), 0),
            "Be brief.\n\n"
            "Document: Ana lives in Velk.\n\n"
            "Document: Velk is old.\n\n"
            "Question: Where does Ana live?\nAnswer:");
}

TEST(PromptFormat, PiecesAreThePromptAndDocumentsMayBeReused) {
  const corpus::Sample sample = chat();
  for (const PromptFormat format : {PromptFormat::kMarks, PromptFormat::kPlain}) {
    std::string whole;
    std::size_t documents = 0;
    for (const PromptPiece& piece : write_pieces(format, sample, 1)) {
      whole += piece.text;
      documents += piece.is_document ? 1 : 0;
    }
    EXPECT_EQ(whole, write_prompt(format, sample, 1));
    EXPECT_EQ(documents, sample.documents.size());
    const Request request = make_request(format, write_pieces(format, sample, 1));
    EXPECT_FALSE(request.prompt.front().reusable);
    EXPECT_TRUE(request.prompt[1].reusable);
    EXPECT_FALSE(request.prompt.back().reusable);
  }
}

TEST(PromptFormat, EarlierTurnsHaveTheirAnswer) {
  corpus::Sample sample = chat();
  sample.system.clear();
  sample.documents.clear();
  EXPECT_EQ(write_prompt(PromptFormat::kPlain, sample, 1),
            "Question: Where does Ana live?\nAnswer: Velk\n\nQuestion: And her age?\nAnswer:");
}

TEST(PromptFormat, MarksInPlainPromptsAreText) {
  const Tokenizer tokenizer = marked_tokenizer(kAllMarks);
  const auto tokens = [&](PromptFormat format) {
    return count_prompt_tokens(format, tokenizer, "<|end|>x").value();
  };
  EXPECT_EQ(tokens(PromptFormat::kMarks), 2);
  EXPECT_EQ(tokens(PromptFormat::kPlain), 8);
  EXPECT_TRUE(make_request(PromptFormat::kMarks, "x").prompt.front().parse_special);
  EXPECT_FALSE(make_request(PromptFormat::kPlain, "x").prompt.front().parse_special);
}

TEST(PromptFormat, RequestsAreGreedyAndPlainAnswersOneLine) {
  const Request marked = make_request(PromptFormat::kMarks, "x");
  const Request plain = make_request(PromptFormat::kPlain, "x");
  EXPECT_EQ(marked.sampling.temperature, 0);
  EXPECT_EQ(plain.sampling.temperature, 0);
  EXPECT_TRUE(marked.stop.empty());
  EXPECT_EQ(plain.stop, std::vector<std::string>{"\n"});
}

}  // namespace
}  // namespace redknot::eval
