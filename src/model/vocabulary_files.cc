// SPDX-License-Identifier: Apache-2.0
#include "model/vocabulary_files.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "base/file.h"

namespace redknot {
namespace {

constexpr std::size_t kMaxTokenizerBytes = std::size_t{256} << 20;
constexpr std::size_t kMaxConfigBytes = std::size_t{16} << 20;

constexpr std::array<std::string_view, 33> kEndTexts = {"<|eot_id|>",
                                                        "<｜end▁of▁sentence｜>",
                                                        "[e~[",
                                                        "<|im_end|>",
                                                        "<|end|>",
                                                        "<|return|>",
                                                        "<|call|>",
                                                        "<|flush|>",
                                                        "<|calls|>",
                                                        "<end_of_turn>",
                                                        "<|endoftext|>",
                                                        "</s>",
                                                        "<|eom_id|>",
                                                        "<EOT>",
                                                        "_<EOT>",
                                                        "[EOT]",
                                                        "[EOS]",
                                                        "<|end_of_text|>",
                                                        "<end_of_utterance>",
                                                        "<eos>",
                                                        "<turn|>",
                                                        "<|tool_response>",
                                                        "<|fim_pad|>",
                                                        "<fim-pad>",
                                                        "<fim_pad>",
                                                        "<PAD>",
                                                        "[PAD]",
                                                        "<|fim_repo|>",
                                                        "<|repo_name|>",
                                                        "<fim-repo>",
                                                        "<REPO>",
                                                        "<reponame>",
                                                        "<|file_sep|>"};

// Around the gap of a fill-in-the-middle prompt: control tokens that end nothing.
constexpr std::array<std::string_view, 24> kGapTexts = {
    "<｜fim▁begin｜>", "▁<PRE>",       "<｜fim▁hole｜>", "▁<SUF>", "<｜fim▁end｜>",   "▁<MID>",
    "<|fim_prefix|>",  "<fim-prefix>", "<fim_prefix>",   "<PRE>",  "<|code_prefix|>", "<|prefix|>",
    "<|fim_suffix|>",  "<fim-suffix>", "<fim_suffix>",   "<SUF>",  "<|code_suffix|>", "<|suffix|>",
    "<|fim_middle|>",  "<fim-middle>", "<fim_middle>",   "<MID>",  "<|code_middle|>", "<|middle|>"};

bool is_special(TokenKind kind) {
  return kind == TokenKind::kControl || kind == TokenKind::kUserDefined ||
         kind == TokenKind::kUnknown;
}

// The file's contents, or "" if there is none.
Result<std::string> read_if_present(const std::filesystem::path& path, std::size_t limit_bytes) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return std::string();
  return read_file(path, limit_bytes);
}

bool is_folder(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::is_directory(path, error);
}

Result<Vocabulary> read_vocabulary_of_folder(const std::filesystem::path& folder) {
  REDKNOT_TRY(const HuggingFaceTokenizerFiles files, read_tokenizer_files(folder));
  if (files.tokenizer.empty()) return not_found("there is no tokenizer.json");
  return vocabulary_from_huggingface(files);
}

Result<Vocabulary> read_vocabulary_of_file(const std::filesystem::path& path) {
  REDKNOT_TRY(const MappedFile file, MappedFile::open(path));
  REDKNOT_TRY(const Gguf gguf, Gguf::parse(file.bytes()));
  REDKNOT_TRY(Vocabulary vocabulary, vocabulary_from_gguf(gguf));
  if (vocabulary.kind == TokenizerKind::kNone) return not_found("the file has no tokenizer");
  return vocabulary;
}

Result<Vocabulary> read_vocabulary_of_json(const std::filesystem::path& path) {
  REDKNOT_TRY(HuggingFaceTokenizerFiles files, read_tokenizer_files(path.parent_path()));
  REDKNOT_TRY(files.tokenizer, read_file(path, kMaxTokenizerBytes));
  return vocabulary_from_huggingface(files);
}

}  // namespace

void complete_vocabulary(Vocabulary& vocabulary) {
  std::vector<TokenId>& ends = vocabulary.end_of_generation;
  if (vocabulary.eos) ends.push_back(*vocabulary.eos);
  for (std::size_t id = 0; id < vocabulary.tokens.size(); ++id) {
    VocabularyToken& token = vocabulary.tokens[id];
    const bool ends_generation = std::ranges::find(kEndTexts, token.text) != kEndTexts.end();
    if (ends_generation) ends.push_back(TokenId{static_cast<std::int32_t>(id)});
    if (ends_generation || std::ranges::find(kGapTexts, token.text) != kGapTexts.end()) {
      token.kind = TokenKind::kControl;
    }
    if (token.text.empty() && is_special(token.kind)) token.kind = TokenKind::kUnused;
  }
  std::ranges::sort(ends);
  ends.erase(std::unique(ends.begin(), ends.end()), ends.end());
}

Result<HuggingFaceTokenizerFiles> read_tokenizer_files(const std::filesystem::path& folder) {
  HuggingFaceTokenizerFiles files;
  const std::pair<const char*, std::string*> small_files[] = {
      {"tokenizer_config.json", &files.tokenizer_config},
      {"special_tokens_map.json", &files.special_tokens_map},
      {"generation_config.json", &files.generation_config},
      {"config.json", &files.config},
      {"chat_template.jinja", &files.chat_template},
  };
  for (const auto& [file, text] : small_files) {
    REDKNOT_TRY(*text, read_if_present(folder / file, kMaxConfigBytes));
  }
  REDKNOT_TRY(files.tokenizer, read_if_present(folder / "tokenizer.json", kMaxTokenizerBytes));
  return files;
}

Result<Vocabulary> read_vocabulary(const std::filesystem::path& path) {
  auto vocabulary = is_folder(path)               ? read_vocabulary_of_folder(path)
                    : path.extension() == ".json" ? read_vocabulary_of_json(path)
                                                  : read_vocabulary_of_file(path);
  if (!vocabulary.ok()) return vocabulary.error().within(concat("read the tokenizer of ", path));
  return vocabulary;
}

}  // namespace redknot
