// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "corpus/relations.h"
#include "corpus/sample.h"
#include "corpus/world.h"

namespace redknot::corpus {
namespace {

int words_of(std::string_view text) {
  return static_cast<int>(std::count(text.begin(), text.end(), ' ')) + 1;
}

Sample sample_of(Kind kind, std::uint64_t seed, int tokens = 400, Split split = Split::kTest) {
  SampleOptions options;
  options.split = split;
  options.document_tokens = tokens;
  options.mix[static_cast<std::size_t>(kind)] = 1;
  Random random(seed);
  auto sample = make_sample(options, words_of, random);
  EXPECT_TRUE(sample.ok()) << sample.error().message();
  return sample.ok() ? std::move(*sample) : Sample{};
}

// Index of the last document with the text, or -1.
int last_with(const Sample& sample, const std::string& text) {
  for (std::size_t i = sample.documents.size(); i-- > 0;) {
    if (sample.documents[i].find(text) != std::string::npos) return static_cast<int>(i);
  }
  return -1;
}

bool begins(const std::string& text, std::string_view with) { return text.rfind(with, 0) == 0; }

// "Notes about the X Fair. ...": "X Fair"
std::string title_of(const std::string& document) {
  const std::string title = document.substr(0, document.find('.'));
  const std::size_t name = title.find_first_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 1);
  return name == std::string::npos ? title : title.substr(name);
}

TEST(Random, IsTheSameEverywhere) {
  Random random(1);
  EXPECT_EQ(random.below(1000), 528U);  // mt19937_64 of seed 1 begins with 2469588189546311528
}

TEST(Random, ReachesBothEnds) {
  Random random(3);
  std::set<int> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random.between(-2, 2));
  EXPECT_EQ(seen, (std::set<int>{-2, -1, 0, 1, 2}));
  for (int i = 0; i < 1000; ++i) {
    const double fraction = random.fraction();
    EXPECT_GE(fraction, 0);
    EXPECT_LT(fraction, 1);
  }
}

TEST(Names, OfTheSplitsAreDisjoint) {
  std::set<std::string> train;
  Random random(5);
  for (int i = 0; i < 100; ++i) {
    NameMaker names(Split::kTrain, i % 2 == 0);
    for (int j = 0; j < 100; ++j) train.insert(names.place(random));
  }
  NameMaker names(Split::kTest, true);
  for (int i = 0; i < 3000; ++i) EXPECT_EQ(train.count(names.place(random)), 0U);
}

TEST(Names, OfOneSampleAreDistinct) {
  NameMaker names(Split::kTrain, true);
  Random random(6);
  std::set<std::string> seen;
  for (int i = 0; i < 5000; ++i) EXPECT_TRUE(seen.insert(names.place(random)).second);
}

// All sentence forms of a split.
std::set<std::string> forms(Split split) {
  std::set<std::string> out;
  Random random(7);
  for (const Relation& relation : relations()) {
    for (int i = 0; i < 400; ++i) {
      out.insert(state(relation, "S", "V", split, random));
      out.insert(ask(relation, "S", split, random));
      out.insert(ask_further(relation, split, random));
    }
    out.insert(state_alias("S", "V", split, random));
  }
  for (int i = 0; i < 20000; ++i) out.insert(filler_sentence(split, random));
  return out;
}

TEST(Templates, OfTheSplitsAreDisjointAndShareTheirWords) {
  const std::set<std::string> train = forms(Split::kTrain);
  const std::set<std::string> test = forms(Split::kTest);
  std::set<std::string> known;
  for (const std::string& form : train) {
    std::istringstream words(form);
    for (std::string word; words >> word;) known.insert(word);
  }
  for (const std::string& form : test) {
    EXPECT_EQ(train.count(form), 0U) << form;
    std::istringstream words(form);
    for (std::string word; words >> word;) EXPECT_EQ(known.count(word), 1U) << word;
  }
}

TEST(Sample, EqualSeedsGiveEqualSamples) {
  for (int kind = 0; kind < kKinds; ++kind) {
    const Sample a = sample_of(static_cast<Kind>(kind), 11);
    const Sample b = sample_of(static_cast<Kind>(kind), 11);
    const Sample c = sample_of(static_cast<Kind>(kind), 12);
    const std::size_t last = a.turns.size() - 1;
    EXPECT_EQ(prompt_text(a, last) + answer_text(a.turns[last]),
              prompt_text(b, last) + answer_text(b.turns[last]));
    EXPECT_NE(prompt_text(a, last), prompt_text(c, c.turns.size() - 1));
  }
}

// FNV-1a. Where this changes, the default model and the numbers of its card belong to other data.
TEST(Sample, IsTheSameWithEveryCompiler) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (int kind = 0; kind < kKinds; ++kind) {
    for (const Split split : {Split::kTrain, Split::kTest}) {
      const Sample sample = sample_of(static_cast<Kind>(kind), 31, 500, split);
      const std::size_t last = sample.turns.size() - 1;
      for (const char byte : prompt_text(sample, last) + answer_text(sample.turns[last])) {
        hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001B3U;
      }
    }
  }
  EXPECT_EQ(hash, 4666952610049239434U);
}

TEST(Sample, KindsAndStylesHaveNames) {
  for (const Style style : kStyles) EXPECT_EQ(style_named(name_of(style)), style);
  EXPECT_FALSE(style_named("plain").has_value());
  for (int kind = 0; kind < kAllKinds; ++kind) {
    EXPECT_EQ(kind_named(name_of(static_cast<Kind>(kind))), static_cast<Kind>(kind));
  }
  EXPECT_FALSE(kind_named("").has_value());
  EXPECT_FALSE(kind_named("one").has_value());
}

TEST(Sample, DocumentsFillTheBudgetAndKeepToIt) {
  for (const int budget : {100, 400, 2000, 8000}) {
    for (int kind = 0; kind < kKinds; ++kind) {
      const Sample sample = sample_of(static_cast<Kind>(kind), 21, budget);
      if (sample.documents.empty()) continue;  // a JSON object that is part of the question
      int tokens = 0;
      for (const std::string& document : sample.documents) tokens += words_of(document) + 1;
      EXPECT_LE(tokens, budget + 40) << name_of(static_cast<Kind>(kind));
      if (static_cast<Kind>(kind) == Kind::kKeyValue) continue;  // its pieces have more words
      EXPECT_GE(tokens, budget * 9 / 10 - 45) << name_of(static_cast<Kind>(kind));
    }
  }
}

TEST(World, SubjectsThatAreAlikeHaveTheSameRelations) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Random random(seed);
    NameMaker names(Split::kTrain, false);
    const World world = make_world({.easy = true, .alike = true, .subjects = 8}, names, random);
    std::set<std::size_t> used;
    for (const Fact& fact : world.facts) used.insert(fact.relation);
    EXPECT_GE(used.size(), 2U);
    EXPECT_LE(used.size(), 3U);
    for (const Subject& subject : world.subjects) {
      EXPECT_EQ(subject.type, world.subjects[0].type);
      EXPECT_LE(subject.facts.size(), used.size());
    }
    EXPECT_GE(world.facts.size(), 8U);
  }
}

TEST(Sample, OnlyProseHasFillerAndLongDocuments) {
  for (const Style style : kStyles) {
    int longest = 0;
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      SampleOptions options;
      options.style = style;
      options.document_tokens = 1000;
      options.mix[static_cast<std::size_t>(Kind::kOneHop)] = 1;
      Random random(seed);
      const auto sample = make_sample(options, words_of, random);
      ASSERT_TRUE(sample.ok()) << sample.error().message();
      for (const std::string& document : sample->documents) {
        if (!begins(document, "The weather")) longest = std::max(longest, words_of(document));
      }
    }
    EXPECT_EQ(longest > 100, style == Style::kProse) << name_of(style) << " " << longest;
  }
}

TEST(Sample, ABudgetWithoutRoomForAQuestionIsRefused) {
  SampleOptions options;
  options.document_tokens = 20;
  options.mix[static_cast<std::size_t>(Kind::kTwoHop)] = 1;
  Random random(1);
  EXPECT_EQ(make_sample(options, words_of, random).error().code(), ErrorCode::kInvalidArgument);
}

TEST(Sample, TheAnswersOfMostKindsAreInTheDocuments) {
  for (const Kind kind :
       {Kind::kOneHop, Kind::kTwoHop, Kind::kComparison, Kind::kAlias, Kind::kContinuation,
        Kind::kCorrection, Kind::kQuote, Kind::kChat, Kind::kPasskey}) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      const Sample sample = sample_of(kind, seed);
      const Turn& turn = sample.turns.back();
      EXPECT_EQ(turn.kind, kind);
      EXPECT_GE(last_with(sample, turn.answer), 0) << turn.question << " " << turn.answer;
    }
  }
}

TEST(Sample, ACorrectionComesAfterWhatItCorrects) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Sample sample = sample_of(Kind::kCorrection, seed);
    const Turn& turn = sample.turns.back();
    int subject_at = -1;
    std::string name;
    for (std::size_t i = 0; i < sample.documents.size(); ++i) {
      const std::string title = title_of(sample.documents[i]);
      if (begins(sample.documents[i], "Notes") &&
          turn.question.find(" " + title) != std::string::npos && title.size() > name.size()) {
        name = title;
        subject_at = static_cast<int>(i);
      }
    }
    ASSERT_GE(subject_at, 0) << turn.question;
    int last = -1;
    for (std::size_t i = 0; i < sample.documents.size(); ++i) {
      const std::string& document = sample.documents[i];
      if (begins(document, "Correction. ") && document.find(name + " ") != std::string::npos) {
        EXPECT_GT(static_cast<int>(i), subject_at);
        last = static_cast<int>(i);
      }
    }
    ASSERT_GE(last, 0);
    EXPECT_NE(sample.documents[static_cast<std::size_t>(last)].find(turn.answer),
              std::string::npos);
  }
}

TEST(Sample, ShuffledDocumentsSayTheSame) {
  Random random(3);
  int moved = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    const Sample sample = sample_of(Kind::kContinuation, seed);
    Sample shuffled = sample;
    shuffle_documents(shuffled, random);
    ASSERT_EQ(shuffled.documents.size(), sample.documents.size());
    ASSERT_EQ(shuffled.order.size(), sample.order.size());
    EXPECT_TRUE(std::is_permutation(sample.documents.begin(), sample.documents.end(),
                                    shuffled.documents.begin()));
    moved += shuffled.documents != sample.documents ? 1 : 0;
    const auto of_subject = [](const Sample& one, int subject) {
      std::vector<std::string> out;
      for (std::size_t i = 0; i < one.documents.size(); ++i) {
        if (one.order[i].subject == subject) out.push_back(one.documents[i]);
      }
      return out;
    };
    for (std::size_t i = 0; i < shuffled.order.size(); ++i) {
      const int subject = shuffled.order[i].subject;
      EXPECT_EQ(of_subject(shuffled, subject), of_subject(sample, subject));
      if (!shuffled.order[i].continues) continue;
      ASSERT_GT(i, 0u);
      EXPECT_EQ(shuffled.order[i - 1].subject, subject);
    }
  }
  EXPECT_GT(moved, 15);
}

TEST(Sample, AContinuationFollowsTheDocumentOfItsSubject) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Sample sample = sample_of(Kind::kContinuation, seed);
    const Turn& turn = sample.turns.back();
    bool found = false;
    for (std::size_t i = 1; i < sample.documents.size(); ++i) {
      const std::string name = title_of(sample.documents[i - 1]);
      found |= begins(sample.documents[i], "More. Continued.") &&
               sample.documents[i].find(turn.answer) != std::string::npos &&
               sample.documents[i].find(name) == std::string::npos &&
               turn.question.find(name) != std::string::npos;
    }
    EXPECT_TRUE(found) << turn.question;
  }
}

TEST(Sample, AnAliasIsDefinedInOneDocumentAndUsedInAnother) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Sample sample = sample_of(Kind::kAlias, seed);
    const Turn& turn = sample.turns.back();
    bool found = false;
    for (const std::string& document : sample.documents) {
      found |= document.find(turn.answer) != std::string::npos &&
               turn.question.find(title_of(document)) == std::string::npos;
    }
    EXPECT_TRUE(found) << turn.question;
  }
}

TEST(Sample, WhatIsNotStatedSaysSo) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    EXPECT_EQ(sample_of(Kind::kNotStated, seed).turns.back().answer, "not stated");
  }
}

TEST(Sample, KeysAndValuesAreJson) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const Sample sample = sample_of(Kind::kKeyValue, seed);
    const std::string text = prompt_text(sample, 0);
    const std::size_t from = text.find('{');
    const auto object = nlohmann::json::parse(text.substr(from, text.find('}') - from + 1));
    const std::string& question = sample.turns[0].question;
    const std::size_t key = question.rfind("Key: \"") + 6;
    EXPECT_EQ(object.at(question.substr(key, question.find('"', key) - key)),
              sample.turns[0].answer);
    EXPECT_EQ(sample.turns[0].answer.size(), 36U);
  }
}

TEST(Sample, TheGoldDocumentIsAnywhere) {
  constexpr int kSamples = 2000, kParts = 5;
  std::array<int, kParts> counts{};
  for (int seed = 0; seed < kSamples; ++seed) {
    const Sample sample = sample_of(Kind::kPasskey, static_cast<std::uint64_t>(seed), 300);
    const std::string& document = sample.documents[0];
    const std::size_t at = document.find("The pass key");
    ++counts[at * kParts / document.size()];
  }
  for (const int count : counts) EXPECT_NEAR(count, kSamples / kParts, 100);
}

TEST(Sample, ThePromptEndsWhereTheAnswerBegins) {
  const Sample sample = {.system = "Be brief.",
                         .documents = {"One.", "Two."},
                         .turns = {{Kind::kOneHop, "Q?", "A"}, {Kind::kChat, "And?", "B"}}};
  EXPECT_EQ(prompt_text(sample, 1),
            "<|system|> Be brief.<|end|><|document|> One.<|document|> Two.<|user|> Q?<|assistant|> "
            "A<|end|><|user|> And?<|assistant|>");
  EXPECT_EQ(answer_text(sample.turns[1]), " B<|end|>");
}

}  // namespace
}  // namespace redknot::corpus
