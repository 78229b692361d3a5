// SPDX-License-Identifier: Apache-2.0
#include "corpus/generated_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

namespace redknot::corpus {
namespace {

using testing::HasSubstr;

constexpr std::array kGenerated = {Kind::kExtraction, Kind::kKeys, Kind::kVariables,
                                   Kind::kFrequentWords};

int count_tokens(std::string_view text) { return static_cast<int>(text.size()) / 4 + 1; }

Task make(Kind kind, std::uint64_t seed, const TaskOptions& options = {.document_tokens = 1200}) {
  Random random(seed);
  auto task = make_task(kind, options, count_tokens, random);
  EXPECT_TRUE(task.ok()) << task.error().message();
  return task.ok() ? std::move(*task) : Task();
}

std::string text_of(const Task& task) {
  std::string out;
  for (const std::string& document : task.sample.documents) out += document + "\n";
  return out;
}

TEST(GeneratedTasks, EqualSeedsGiveEqualTasks) {
  for (const Kind kind : kGenerated) {
    const Task a = make(kind, 3), b = make(kind, 3), c = make(kind, 4);
    EXPECT_EQ(a.kind, name_of(kind));
    EXPECT_EQ(text_of(a), text_of(b));
    EXPECT_EQ(a.sample.turns[0].question, b.sample.turns[0].question);
    EXPECT_EQ(a.answers, b.answers);
    EXPECT_NE(text_of(a), text_of(c));
  }
}

TEST(GeneratedTasks, DocumentsFillTheirTokensAndKeepToTheirNumber) {
  for (const Kind kind : kGenerated) {
    for (const int tokens : {300, 500, 2000, 8000}) {
      const Task task = make(kind, 7, {.document_tokens = tokens, .documents = 6});
      SCOPED_TRACE(task.kind + ", " + std::to_string(tokens));
      EXPECT_LE(count_tokens(text_of(task)), tokens * 5 / 4 + 40);
      EXPECT_GE(count_tokens(text_of(task)), tokens * 3 / 5);
      if (kind == Kind::kExtraction) continue;  // subjects are as long as they are
      EXPECT_EQ(task.sample.documents.size(), 6u);
      for (const std::string& document : task.sample.documents) EXPECT_FALSE(document.empty());
    }
  }
}

TEST(GeneratedTasks, ExtractedFactsAreStatedInSeveralDocuments) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Task task = make(Kind::kExtraction, seed);
    EXPECT_EQ(task.scoring, Scoring::kFields);
    const auto object = nlohmann::json::parse(task.answers.at(0));
    EXPECT_EQ(object.size(), 3u);
    const auto schema = nlohmann::json::parse(task.schema);
    std::set<std::size_t> places;
    for (const auto& entry : object.items()) {
      const std::string field = entry.key(), value = entry.value().get<std::string>();
      EXPECT_TRUE(schema["properties"].contains(field));
      EXPECT_THAT(task.sample.turns[0].question, HasSubstr(field));
      const std::string subject = field.substr(field.find(" of ") + 4);
      const auto& documents = task.sample.documents;
      const auto stated = std::find_if(documents.begin(), documents.end(), [&](const auto& text) {
        return text.find(subject) != text.npos && text.find(value) != text.npos;
      });
      ASSERT_NE(stated, documents.end()) << field;
      places.insert(static_cast<std::size_t>(stated - documents.begin()));
    }
    EXPECT_GE(places.size(), 2u);
    EXPECT_EQ(task.sample.order.size(), task.sample.documents.size());
  }
}

TEST(GeneratedTasks, AKeyHasOneNumber) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const Task task = make(Kind::kKeys, seed);
    const std::string& question = task.sample.turns[0].question;
    const std::size_t begin = question.find("for ") + 4;
    const std::string key = question.substr(begin, question.find(" mentioned") - begin);
    const std::string needle = "for " + key + " is: ";
    const std::string text = text_of(task);
    ASSERT_NE(text.find(needle), text.npos);
    EXPECT_EQ(text.find(needle), text.rfind(needle));
    EXPECT_EQ(text.substr(text.find(needle) + needle.size(), 7), task.answers.at(0));
  }
}

// Follows the assignments, whatever the order of the documents.
TEST(GeneratedTasks, VariablesAreThoseThatComeToTheValue) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Task task = make(Kind::kVariables, seed);
    Random random(seed);
    random.shuffle(task.sample.documents);
    std::istringstream text(text_of(task));
    std::map<std::string, std::string> assigned;
    for (std::string word, name, equals, value; text >> word;) {
      if (word != "VAR") continue;
      text >> name >> equals >> value;
      if (value == "VAR") text >> value;
      ASSERT_EQ(equals, "=");
      value.pop_back();
      EXPECT_TRUE(assigned.emplace(name, value).second) << name;
    }
    EXPECT_EQ(assigned.size(), 10u);
    std::vector<std::string> found;
    for (const auto& [name, value] : assigned) {
      std::string at = value;
      while (assigned.count(at) > 0) at = assigned[at];
      if (task.sample.turns[0].question.find(" " + at + " ") != std::string::npos) {
        found.push_back(name);
      }
    }
    std::sort(task.answers.begin(), task.answers.end());
    EXPECT_EQ(found, task.answers);
  }
}

TEST(GeneratedTasks, FrequentWordsAreMoreFrequentThanAllOthers) {
  for (const int tokens : {120, 1000, 8000}) {
    const Task task = make(Kind::kFrequentWords, 5, {.document_tokens = tokens});
    std::istringstream text(text_of(task));
    std::map<std::string, int> counts;
    for (std::string word; text >> word;) ++counts[word];
    ASSERT_EQ(task.answers.size(), 3u);
    int least = counts[task.answers[0]];
    for (const std::string& word : task.answers) least = std::min(least, counts[word]);
    for (const auto& [word, times] : counts) {
      const bool is_answer =
          std::find(task.answers.begin(), task.answers.end(), word) != task.answers.end();
      if (is_answer) continue;
      EXPECT_LT(times, least) << word << " of " << tokens;
    }
  }
}

TEST(GeneratedTasks, CodeNeedsAFolder) {
  Random random(1);
  EXPECT_FALSE(make_task(Kind::kCode, {}, count_tokens, random).ok());
}

}  // namespace
}  // namespace redknot::corpus
