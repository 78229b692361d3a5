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

// All parts up to the question, without it.
std::vector<PromptPart> documents_of(const Question& question) {
  return {question.prompt.begin(), question.prompt.end() - 1};
}

corpus::CountTokens counter(const Prompter& prompter) {
  return [&prompter](std::string_view text) { return count_tokens(prompter.tokenizer(), text); };
}

// Of a sample with several turns the one alone.
Result<Question> ask_turn(const corpus::Sample& sample, std::size_t turn,
                          const Prompter& prompter) {
  corpus::Sample alone = sample;
  alone.turns = {sample.turns[turn]};
  return prompter.question(corpus::task_of(std::move(alone), 0));
}

Result<std::vector<RagSet>> sets_of(const RagOptions& options, corpus::Kind kind,
                                    const Prompter& prompter) {
  corpus::SampleOptions about;
  about.split = corpus::Split::kTest;
  about.document_tokens = options.documents * options.length;
  about.turns = options.questions_per_set;
  about.mix[static_cast<std::size_t>(kind)] = 1;
  corpus::Random random(seed_of(options, kind));
  std::vector<RagSet> sets;
  for (int left = options.questions; left > 0;) {
    REDKNOT_TRY(corpus::Sample sample, corpus::make_sample(about, counter(prompter), random));
    RagSet set{.is_new = random.chance(options.new_rate)};
    REDKNOT_TRY(const Question first, ask_turn(sample, 0, prompter));
    set.original = documents_of(first);
    for (std::size_t turn = 0; turn < sample.turns.size() && left > 0; ++turn) {
      if (sample.turns[turn].kind != kind) continue;
      corpus::shuffle_documents(sample, random);
      REDKNOT_TRY(Question question, ask_turn(sample, turn, prompter));
      set.prompts.push_back(std::move(question));
      --left;
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

// Tasks of one kind, each with documents of its own.
Result<std::vector<RagSet>> task_sets_of(const RagOptions& options, corpus::Kind kind,
                                         const Prompter& prompter) {
  const corpus::TaskOptions about{.document_tokens = options.documents * options.length,
                                  .documents = options.documents,
                                  .code = options.code};
  corpus::Random random(seed_of(options, kind));
  std::vector<corpus::Task> tasks;
  for (int i = 0; i < options.questions; ++i) {
    REDKNOT_TRY(corpus::Task task, corpus::make_task(kind, about, counter(prompter), random));
    tasks.push_back(std::move(task));
  }
  return task_sets(tasks, options, prompter);
}

// Another order of the documents, if there is one.
void reorder(corpus::Sample& sample, corpus::Random& random) {
  const std::vector<std::string> before = sample.documents;
  constexpr int kAttempts = 8;  // documents of one subject keep their order: there may be no other
  for (int i = 0; i < kAttempts && sample.documents == before; ++i) {
    corpus::shuffle_documents(sample, random);
  }
}

}  // namespace

Result<std::vector<RagSet>> corpus_sets(const RagOptions& options, const Prompter& prompter) {
  std::vector<RagSet> out;
  for (const corpus::Kind kind : options.kinds) {
    const bool of_samples = static_cast<int>(kind) < corpus::kKinds;
    auto sets =
        of_samples ? sets_of(options, kind, prompter) : task_sets_of(options, kind, prompter);
    if (!sets.ok()) return sets.error().within(concat("make questions of ", name_of(kind)));
    std::move(sets->begin(), sets->end(), std::back_inserter(out));
  }
  return out;
}

Result<std::vector<RagSet>> task_sets(std::span<const corpus::Task> tasks,
                                      const RagOptions& options, const Prompter& prompter) {
  corpus::Random random(options.seed | corpus::kFirstEvaluationSeed);
  std::vector<RagSet> sets;
  for (corpus::Task task : tasks) {
    REDKNOT_TRY(const Question known, prompter.question(task));
    RagSet set{.is_new = random.chance(options.new_rate), .original = documents_of(known)};
    reorder(task.sample, random);
    REDKNOT_TRY(Question question, prompter.question(task));
    set.prompts.push_back(std::move(question));
    sets.push_back(std::move(set));
  }
  return sets;
}

int longest_tokens(std::span<const RagSet> sets) {
  int longest = 0;
  for (const RagSet& set : sets) {
    for (const Question& question : set.prompts) {
      longest = std::max(longest, whole_tokens(question));
    }
  }
  return longest;
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
      // The first token is all there is to wait for.
      Question question{.task = {.answer_tokens = 1}, .prompt = {set.original.front()}};
      question.prompt.insert(question.prompt.end(), documents.begin(), documents.end());
      question.prompt.push_back(tokens(options.question_tokens));
      for (const PromptPart& part : question.prompt) {
        question.prompt_tokens += static_cast<int>(part.tokens.size());
      }
      set.prompts.push_back(std::move(question));
    }
    sets.push_back(std::move(set));
  }
  return sets;
}

}  // namespace redknot::eval
