// SPDX-License-Identifier: Apache-2.0
#include "corpus/code_tasks.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/temp_folder.h"

namespace redknot::corpus {
namespace {

using testing::HasSubstr;
using testing::Not;

int bytes_of(std::string_view text) { return static_cast<int>(text.size()) / 4 + 1; }

class CodeTasks : public testing::Test {
 protected:
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
  }
  std::vector<std::string> paths() const {
    const CodeFolder folder = CodeFolder::open(folder_.path()).value();
    std::vector<std::string> out;
    for (const CodeFile& file : folder.files()) out.push_back(file.path);
    return out;
  }
  static std::string filler() {
    std::string out;
    for (int i = 0; i < 12; ++i) out += "int number" + std::to_string(i) + " = 0;\n";
    return out;
  }

  tests::TempFolder folder_;
};

TEST_F(CodeTasks, ReadsCodeAloneInTheOrderOfPaths) {
  write("b/two.py", "x = 1\n");
  write("a.cc", "int x;\n");
  write("notes.md", "text");
  write(".hidden/x.cc", "int x;\n");
  write("build/y.cc", "int y;\n");
  write("node_modules/z.js", "z\n");
  write("bytes.c", std::string("a\0b", 3));
  write("latin.c", "caf\xe9\n");
  write("huge.c", std::string(kMaxCodeFileBytes + 1, 'a'));
  EXPECT_EQ(paths(), (std::vector<std::string>{"a.cc", "b/two.py"}));
}

TEST_F(CodeTasks, FollowsNoLinks) {
  const tests::TempFolder elsewhere;
  std::ofstream(elsewhere / "secret.cc") << "int secret;\n";
  write("a.cc", "int a;\n");
  write("b.cc", "int b;\n");
  std::filesystem::create_symlink(elsewhere / "secret.cc", folder_ / "link.cc");
  std::filesystem::create_directory_symlink(elsewhere.path(), folder_ / "linked");
  std::filesystem::create_directory_symlink(folder_.path(), folder_ / "round");
  EXPECT_EQ(paths(), (std::vector<std::string>{"a.cc", "b.cc"}));
}

TEST_F(CodeTasks, WhatCannotBeReadIsNamed) {
  EXPECT_EQ(CodeFolder::open(folder_ / "absent").error().code(), ErrorCode::kNotFound);
  write("a.cc", "int a;\n");
  EXPECT_THAT(CodeFolder::open(folder_.path()).error().message(), HasSubstr("fewer than two"));
}

TEST_F(CodeTasks, ALineNamesWhatADocumentNames) {
  write("shape.h", "int width_of(int shape);\nint height_of(int shape);\n");
  write("main.cc", filler() + "  int w = width_of(number1);\n" + "int after;\n");
  write("other.cc", "int unrelated;\n");
  const CodeFolder folder = CodeFolder::open(folder_.path()).value();
  Random random(1);
  const Task task = folder.task({.document_tokens = 400}, bytes_of, random).value();
  EXPECT_EQ(task.kind, "code");
  EXPECT_EQ(task.scoring, Scoring::kLine);
  EXPECT_EQ(task.answers, std::vector<std::string>{"int w = width_of(number1);"});
  EXPECT_THAT(task.sample.turns[0].question, HasSubstr("main.cc"));
  EXPECT_THAT(task.sample.turns[0].question, HasSubstr("int number11 = 0;\n```"));
  EXPECT_THAT(task.sample.turns[0].question, Not(HasSubstr("width_of")));
  EXPECT_EQ(task.sample.documents.size(), 2u);
}

TEST_F(CodeTasks, WithoutSuchALineThereIsNoTask) {
  write("a.cc", filler());
  write("b.cc", "int unrelated;\n");
  const CodeFolder folder = CodeFolder::open(folder_.path()).value();
  Random random(1);
  EXPECT_FALSE(folder.task({}, bytes_of, random).ok());
}

// This tree is a folder of code as any other.
TEST(CodeTasksOfThisTree, AreDeterministicAndKeepToTheirTokens) {
  const CodeFolder folder =
      CodeFolder::open(std::filesystem::path(REDKNOT_SOURCE_DIR) / "src").value();
  for (const int tokens : {600, 4000}) {
    Random random(9), again(9);
    for (int i = 0; i < 10; ++i) {
      const TaskOptions options{.document_tokens = tokens, .documents = 5};
      const Task task = folder.task(options, bytes_of, random).value();
      EXPECT_EQ(task.sample.documents, folder.task(options, bytes_of, again)->sample.documents);
      int used = 0;
      for (const std::string& document : task.sample.documents) used += bytes_of(document);
      EXPECT_LE(used, tokens);
      EXPECT_EQ(task.sample.documents.size(), 5u);
      const std::string path = task.sample.turns[0].question.substr(27);
      for (const std::string& document : task.sample.documents) {
        EXPECT_NE(document.substr(0, document.find('\n')), path.substr(0, path.find(':')));
      }
    }
  }
}

}  // namespace
}  // namespace redknot::corpus
