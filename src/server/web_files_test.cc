// SPDX-License-Identifier: Apache-2.0
#include "server/web_files.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace redknot::server {
namespace {

// What the page refers to: the values of src="./..." and href="./...".
std::set<std::string> references(std::string_view html) {
  std::set<std::string> found;
  for (const std::string_view name : {"src=\".", "href=\"."}) {
    for (std::size_t at = html.find(name); at != html.npos; at = html.find(name, at + 1)) {
      const std::size_t begin = at + name.size();
      found.insert(std::string(html.substr(begin, html.find('"', begin) - begin)));
    }
  }
  return found;
}

class WebFiles : public testing::Test {
 protected:
  void SetUp() override {
    if (web_files().empty()) GTEST_SKIP() << "built without the page";
  }
};

TEST_F(WebFiles, HaveThePageAndAllThatItRefersTo) {
  const WebFile* page = find_web_file("/");
  ASSERT_NE(page, nullptr);
  EXPECT_EQ(page->content_type, "text/html; charset=utf-8");
  EXPECT_EQ(page->bytes.substr(0, 15), "<!doctype html>");
  EXPECT_EQ(page->bytes.substr(page->bytes.size() - 8), "</html>\n");
  const auto wanted = references(page->bytes);
  EXPECT_EQ(wanted.size() + 1, web_files().size());
  for (const std::string& path : wanted) EXPECT_NE(find_web_file(path), nullptr) << path;
}

TEST_F(WebFiles, ArePutTogetherByTypeAndNotEmpty) {
  std::set<std::string_view> paths;
  for (const WebFile& file : web_files()) {
    EXPECT_TRUE(paths.insert(file.path).second) << file.path;
    EXPECT_FALSE(file.bytes.empty()) << file.path;
    const bool script = file.path.ends_with(".js");
    EXPECT_EQ(script, file.content_type == "text/javascript; charset=utf-8") << file.path;
  }
}

TEST_F(WebFiles, AskNobodyElseAndInlineNothing) {
  for (const WebFile& file : web_files()) {
    for (const std::string_view outside : {"src=\"http", "href=\"http", "url(http", "@import"}) {
      EXPECT_EQ(file.bytes.find(outside), file.bytes.npos) << file.path << ": " << outside;
    }
  }
  for (const std::string_view inlined : {"<script>", "<style", " style=\"", " onclick="}) {
    EXPECT_EQ(find_web_file("/")->bytes.find(inlined), std::string_view::npos) << inlined;
  }
}

TEST(WebFilesLookup, KnowsNoOtherPath) {
  for (const std::string_view path : {"", "/index.html", "/page.js/", "page.js", "/../page.js"}) {
    EXPECT_EQ(find_web_file(path), nullptr) << path;
  }
}

}  // namespace
}  // namespace redknot::server
