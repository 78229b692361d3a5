// SPDX-License-Identifier: Apache-2.0
#include "eval/rag_workload.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/mix_bits.h"
#include "eval/qa_suite.h"

namespace redknot::eval {
namespace {

constexpr int kSystemTokens = 16;  // that stand before random documents

std::uint64_t seed_of(const RagOptions& options, corpus::Kind kind) {
  return stream_seed({.kind = kind,
                      .document_tokens = options.documents * options.length,
                      .questions = options.questions,
                      .seed = options.seed ^ 0x726167});
}

// All parts up to the question, and the question.
std::vector<PromptPart> parts_of(const corpus::Sample& sample, std::size_t turn,
                                 PromptFormat format) {
  corpus::Sample alone = sample;
  alone.turns = {sample.turns[turn]};
  return make_request(format, write_pieces(format, alone, 0)).prompt;
}

Result<std::vector<RagSet>> sets_of(const RagOptions& options, corpus::Kind kind,
                                    const Tokenizer& tokenizer) {
  const PromptFormat format = prompt_format_for(tokenizer);
  corpus::SampleOptions about;
  about.split = corpus::Split::kTest;
  about.document_tokens = options.documents * options.length;
  about.turns = options.questions_per_set;
  about.mix[static_cast<std::size_t>(kind)] = 1;
  const auto count = [&tokenizer](std::string_view text) {
    const auto tokens = tokenizer.tokenize(text, false, false);
    return tokens.ok() ? static_cast<int>(tokens->size()) : static_cast<int>(text.size());
  };
  corpus::Random random(seed_of(options, kind));
  std::vector<RagSet> sets;
  for (int left = options.questions; left > 0;) {
    REDKNOT_TRY(corpus::Sample sample, corpus::make_sample(about, count, random));
    RagSet set{.is_new = random.chance(options.new_rate)};
    set.original = parts_of(sample, 0, format);
    set.original.pop_back();
    for (std::size_t turn = 0; turn < sample.turns.size() && left > 0; ++turn) {
      if (sample.turns[turn].kind != kind) continue;
      corpus::shuffle_documents(sample, random);
      set.prompts.push_back({parts_of(sample, turn, format), sample.turns[turn].answer, kind});
      --left;
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace

Result<std::vector<RagSet>> corpus_sets(const RagOptions& options, const Tokenizer& tokenizer) {
  std::vector<RagSet> out;
  for (const corpus::Kind kind : options.kinds) {
    auto sets = sets_of(options, kind, tokenizer);
    if (!sets.ok()) return sets.error().within(concat("make questions of ", name_of(kind)));
    std::move(sets->begin(), sets->end(), std::back_inserter(out));
  }
  return out;
}

std::vector<RagSet> random_sets(const RagOptions& options, int vocabulary_size) {
  corpus::Random random(seed_of(options, corpus::Kind::kOneHop));
  const auto tokens = [&](int count) {
    std::vector<int> out(static_cast<std::size_t>(count));
    for (int& token : out) {
      token = static_cast<int>(random.below(static_cast<std::size_t>(vocabulary_size)));
    }
    return token_part(std::move(out));
  };
  std::vector<RagSet> sets;
  for (int left = options.questions; left > 0;) {
    RagSet set{.is_new = random.chance(options.new_rate), .original = {tokens(kSystemTokens)}};
    std::vector<PromptPart> documents;
    for (int i = 0; i < options.documents; ++i) {
      documents.push_back(tokens(options.length));
      documents.back().reusable = true;
    }
    set.original.insert(set.original.end(), documents.begin(), documents.end());
    for (int i = 0; i < options.questions_per_set && left > 0; ++i, --left) {
      random.shuffle(documents);
      RagPrompt prompt{.parts = {set.original.front()}};
      prompt.parts.insert(prompt.parts.end(), documents.begin(), documents.end());
      prompt.parts.push_back(tokens(options.question_tokens));
      set.prompts.push_back(std::move(prompt));
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace redknot::eval
