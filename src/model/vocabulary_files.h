// SPDX-License-Identifier: Apache-2.0
// Reads a Vocabulary from the files it comes in.
//
// Tokenizers that do not run (WordPiece, Unigram, RWKV, ...) are refused by name. Defaults
// follow llama.cpp for GGUF files and Hugging Face's tokenizers for tokenizer.json, but for Unicode
// normalisation (NFC), which is not applied.
#pragma once

#include <filesystem>
#include <string>

#include "model/gguf.h"
#include "model/vocabulary.h"
#include "redknot/result.h"

namespace redknot {

// Of a GGUF file of any architecture, a folder with tokenizer.json, or a tokenizer.json, beside
// which tokenizer_config.json and its kin are looked for. kNotFound, kIo, kCorrupt, kUnsupported.
Result<Vocabulary> read_vocabulary(const std::filesystem::path& path);

// kind is kNone if the file has no tokenizer.
Result<Vocabulary> vocabulary_from_gguf(const Gguf& gguf);

// The contents of a Hugging Face folder's files; empty where a file is missing.
struct HuggingFaceTokenizerFiles {
  std::string tokenizer;           // tokenizer.json
  std::string tokenizer_config;    // tokenizer_config.json: special tokens, chat template
  std::string special_tokens_map;  // special_tokens_map.json
  std::string
      generation_config;      // generation_config.json: further end-of-generation tokens; sampling
  std::string config;         // config.json: token ids where the others are silent
  std::string chat_template;  // chat_template.jinja
};

Result<HuggingFaceTokenizerFiles> read_tokenizer_files(const std::filesystem::path& folder);
Result<Vocabulary> vocabulary_from_huggingface(const HuggingFaceTokenizerFiles& files);

// Marks, by their texts, the tokens that end a generation and those that are control tokens
// whatever the file says, as llama.cpp does; empty special tokens become unused. Sorts
// end_of_generation.
void complete_vocabulary(Vocabulary& vocabulary);

}  // namespace redknot
