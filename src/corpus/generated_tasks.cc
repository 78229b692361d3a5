// SPDX-License-Identifier: Apache-2.0
#include "corpus/generated_tasks.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <set>
#include <utility>

#include "base/error.h"
#include "corpus/documents.h"
#include "corpus/relations.h"
#include "corpus/world.h"

namespace redknot::corpus {
namespace {

using Texts = std::vector<std::string>;

constexpr int kLeastDocumentTokens = 48;

// So many documents that none is too short to be one.
std::size_t documents_of(const TaskOptions& options) {
  return static_cast<std::size_t>(
      std::clamp(options.document_tokens / kLeastDocumentTokens, 1, options.documents));
}

// The pieces in their order, in about equal documents.
Texts in_documents(const Texts& pieces, const char* between, std::size_t documents) {
  Texts out(std::min(documents, std::max<std::size_t>(pieces.size(), 1)));
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    std::string& document = out[i * out.size() / pieces.size()];
    document += (document.empty() ? "" : between) + pieces[i];
  }
  return out;
}

std::string digits(int count, Random& random) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>('0' + random.between(i == 0 ? 1 : 0, 9));
  return out;
}

std::string letters(int count, char first, Random& random) {
  std::string out;
  for (int i = 0; i < count; ++i) out += static_cast<char>(first + random.between(0, 25));
  return out;
}

Task task_about(Kind kind, Texts documents, std::string question, Texts answers, Scoring scoring) {
  std::string whole;
  for (const std::string& answer : answers) whole += (whole.empty() ? "" : ", ") + answer;
  Task task{.kind = std::string(name_of(kind)), .answers = std::move(answers), .scoring = scoring};
  task.sample.documents = std::move(documents);
  task.sample.turns = {{kind, std::move(question), std::move(whole)}};
  return task;
}

// "home city of Marto": a fact of a document, as a field.
std::string field_of(const World& world, const Fact& fact) {
  return concat(world.relation_of(fact).noun, " of ", world.subjects[fact.subject].name);
}

// Facts of subjects that differ, at most so many.
std::vector<const Fact*> facts_to_extract(const World& world, std::size_t most, Random& random) {
  std::vector<const Fact*> stated, chosen;
  for (const Fact& fact : world.facts) {
    if (fact.stated && !fact.corrected) stated.push_back(&fact);
  }
  random.shuffle(stated);
  std::set<std::size_t> subjects;
  for (const Fact* fact : stated) {
    if (chosen.size() < most && subjects.insert(fact->subject).second) chosen.push_back(fact);
  }
  return chosen;
}

}  // namespace

Task make_extraction(const TaskOptions& options, const CountTokens& count, Random& random) {
  constexpr std::size_t kFields = 3;
  constexpr int kQuestionTokens = 48;  // more than questions have otherwise
  const auto documents = static_cast<int>(documents_of(options));
  NameMaker names(Split::kTest, /*easy=*/false);
  World world =
      make_world({.split = Split::kTest, .easy = true, .subjects = documents + 1}, names, random);
  const std::vector<WrittenDocument> written =
      write_documents({.split = Split::kTest,
                       .easy = true,
                       .budget_tokens = options.document_tokens - kQuestionTokens,
                       .document_tokens = options.document_tokens / (documents + 1)},
                      count, world, names, random);
  std::string properties, required, object;
  for (const Fact* fact : facts_to_extract(world, kFields, random)) {
    const std::string name = concat('"', field_of(world, *fact), '"');
    const std::string comma = object.empty() ? "" : ", ";
    properties += concat(comma, name, R"(: {"type": "string", "maxLength": 48})");
    required += comma + name;
    object += concat(comma, name, ": \"", fact->value, '"');
  }
  Task task = task_about(
      Kind::kExtraction, {},
      concat("Write a JSON object with these fields from the documents, and nothing else. All "
             "values are strings, as short as possible: ",
             required, "."),
      {concat("{", object, "}")}, Scoring::kFields);
  task.schema = concat(R"({"type": "object", "properties": {)", properties, R"(}, "required": [)",
                       required, R"(], "additionalProperties": false})");
  for (const WrittenDocument& document : written) {
    task.sample.documents.push_back(document.text);
    task.sample.order.push_back(document.order);
  }
  task.answer_tokens = 128;
  return task;
}

Task make_keys(const TaskOptions& options, const CountTokens& count, Random& random) {
  NameMaker names(Split::kTest, /*easy=*/false);
  Texts keys, values, needles;
  for (int left = options.document_tokens; left > 0 || needles.size() < 2;) {
    keys.push_back(names.place(random));
    values.push_back(digits(7, random));
    needles.push_back(
        concat("One of the special magic numbers for ", keys.back(), " is: ", values.back(), "."));
    left -= count(needles.back() + "\n");
  }
  const std::size_t asked = random.below(needles.size());
  Task task = task_about(Kind::kKeys, in_documents(needles, "\n", documents_of(options)),
                         concat("What is the special magic number for ", keys[asked],
                                " mentioned in the documents? Answer with the number alone."),
                         {values[asked]}, Scoring::kText);
  task.answer_tokens = 32;
  return task;
}

Task make_variables(const TaskOptions& options, const CountTokens& count, Random& random) {
  constexpr int kChains = 2, kHops = 4;
  std::set<std::string> taken;
  std::array<Texts, kChains> chains;
  std::array<std::string, kChains> values;
  Texts statements;
  for (std::size_t chain = 0; chain < chains.size(); ++chain) {
    do values[chain] = digits(5, random);
    while (chain > 0 && values[chain] == values[0]);
    for (int hop = 0; hop <= kHops; ++hop) {
      std::string name;
      do name = letters(5, 'A', random);
      while (!taken.insert(name).second);
      const std::string value = hop == 0 ? values[chain] : "VAR " + chains[chain].back();
      statements.push_back(concat("VAR ", name, " = ", value, "."));
      chains[chain].push_back(std::move(name));
    }
  }
  // Statements of a chain in their order, anywhere in what says nothing.
  Texts sentences;
  int left = options.document_tokens;
  for (const std::string& statement : statements) left -= count(" " + statement);
  while (left > 0) {
    sentences.push_back(filler_sentence(Split::kTest, random));
    left -= count(" " + sentences.back());
  }
  std::vector<std::pair<double, std::string>> placed;
  for (std::string& sentence : sentences) placed.emplace_back(random.fraction(), sentence);
  for (int chain = 0; chain < kChains; ++chain) {
    std::vector<double> places(kHops + 1);
    for (double& place : places) place = random.fraction();
    std::sort(places.begin(), places.end());
    for (std::size_t hop = 0; hop < places.size(); ++hop) {
      placed.emplace_back(places[hop],
                          statements[static_cast<std::size_t>(chain) * places.size() + hop]);
    }
  }
  std::sort(placed.begin(), placed.end());
  Texts pieces;
  for (auto& [place, text] : placed) pieces.push_back(std::move(text));
  Task task =
      task_about(Kind::kVariables, in_documents(pieces, " ", documents_of(options)),
                 concat("Find all variables that are assigned the value ", values[0],
                        " in the documents, directly or through another variable. There are ",
                        kHops + 1, " of them. Answer with their names alone, separated by commas."),
                 chains[0], Scoring::kItems);
  task.answer_tokens = 64;
  return task;
}

Task make_frequent_words(const TaskOptions& options, const CountTokens& count, Random& random) {
  constexpr std::size_t kAsked = 3;
  constexpr double kExponent = 2;
  constexpr double kZeta = 1.6449340668482264;  // the sum of 1 / rank^2
  std::set<std::string> taken;
  Texts words;
  int left = options.document_tokens;
  // As many words in all as fit, if all ranks had the length of the first ones.
  const auto word = [&] {
    std::string out;
    do out = letters(6, 'a', random);
    while (!taken.insert(out).second);
    return out;
  };
  Texts ranked;
  for (int i = 0; i < 16; ++i) ranked.push_back(word());
  int sample_tokens = 0;
  for (const std::string& one : ranked) sample_tokens += count(" " + one);
  const double total = std::max(24.0, left * 16.0 / std::max(1, sample_tokens));
  for (std::size_t rank = 1; left > 0; ++rank) {
    if (rank > ranked.size()) ranked.push_back(word());
    const double wanted = total / kZeta / std::pow(static_cast<double>(rank), kExponent);
    const int copies = std::max(1, static_cast<int>(wanted));
    const int tokens = count(" " + ranked[rank - 1]);
    for (int i = 0; i < copies; ++i) words.push_back(ranked[rank - 1]);
    left -= copies * tokens;
  }
  random.shuffle(words);
  Task task = task_about(
      Kind::kFrequentWords, in_documents(words, " ", documents_of(options)),
      "The documents are lists of coded words. Which three of them appear most often, in all "
      "documents together? Answer with the three words alone, separated by commas.",
      {ranked.begin(), ranked.begin() + kAsked}, Scoring::kItems);
  task.answer_tokens = 48;
  return task;
}

}  // namespace redknot::corpus
