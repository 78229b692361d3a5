// SPDX-License-Identifier: Apache-2.0
#include "profiler/trial_journal.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "tests/temp_folder.h"

namespace redknot {
namespace {

class TrialJournalTest : public testing::Test {
 protected:
  std::string text() const {
    std::stringstream out;
    out << std::ifstream(path_).rdbuf();
    return out.str();
  }
  void write(const std::string& text) const { std::ofstream(path_) << text; }

  tests::TempFolder folder_;
  std::filesystem::path path_ = folder_ / "journal";
  Divergence some_{.positions = 12,
                   .kl_mean = 0.1,
                   .kl_p99 = 1.0 / 3,
                   .kl_p999 = 1e-300,
                   .same_top1 = 0.75,
                   .perplexity_ratio = 1.25};
};

TEST_F(TrialJournalTest, FindsWhatWasAddedBeforeItWasClosed) {
  {
    auto journal = TrialJournal::open(path_);
    ASSERT_TRUE(journal.ok()) << journal.error().message();
    EXPECT_FALSE(journal->find("a"));
    ASSERT_TRUE(journal->add("a", some_).ok());
    EXPECT_EQ(journal->find("a"), some_);
  }
  const auto journal = TrialJournal::open(path_);
  ASSERT_TRUE(journal.ok());
  EXPECT_EQ(journal->find("a"), some_);
  EXPECT_FALSE(journal->find("b"));
}

TEST_F(TrialJournalTest, LosesOnlyTheLineThatWasCutOff) {
  {
    auto journal = TrialJournal::open(path_);
    ASSERT_TRUE(journal->add("a", some_).ok());
    ASSERT_TRUE(journal->add("b", some_).ok());
  }
  write(text().substr(0, text().size() - 5));
  {
    auto journal = TrialJournal::open(path_);
    EXPECT_EQ(journal->size(), 1u);
    ASSERT_TRUE(journal->add("c", some_).ok());
  }
  EXPECT_EQ(TrialJournal::open(path_)->size(), 2u);
}

TEST_F(TrialJournalTest, LeavesOtherFilesAlone) {
  write("my notes\n");
  EXPECT_FALSE(TrialJournal::open(path_).ok());
  EXPECT_EQ(text(), "my notes\n");
}

TEST_F(TrialJournalTest, NoDamageEndsTheProgram) {
  {
    auto journal = TrialJournal::open(path_);
    ASSERT_TRUE(journal->add("a", some_).ok());
    ASSERT_TRUE(journal->add("b", some_).ok());
  }
  const std::string whole = text();
  std::mt19937 random(7);
  for (int i = 0; i < 300; ++i) {
    std::string damaged = whole;
    damaged[24 + random() % (damaged.size() - 24)] = static_cast<char>(random());
    write(damaged);
    const auto journal = TrialJournal::open(path_);
    ASSERT_TRUE(journal.ok());
    EXPECT_LE(journal->size(), 3u);
  }
}

}  // namespace
}  // namespace redknot
