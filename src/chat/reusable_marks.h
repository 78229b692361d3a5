// SPDX-License-Identifier: Apache-2.0
// How the bounds of texts survive templating.
//
// A text whose bounds matter is given to the template between two characters that occur nowhere
// else in the request: an opening one and a closing one of its own, from Unicode's private planes.
// What the template writes is then cut at them. White space at the ends of a text stays outside of
// its marks, so that templates can trim it.
//
// chat_prompt chooses the marks of each request and owns them; template_input writes them. They are
// values that any thread may read.
#pragma once

#include <cstddef>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace redknot::chat {

// Characters of the private planes that a text has.
std::set<char32_t> private_characters(std::string_view text);

// A run of what a template wrote.
struct MarkedText {
  std::string text{};
  int mark = -1;  // which marked text it is; -1: none
};

// What a marked rendering says.
struct MarkedRuns {
  std::vector<MarkedText> runs{};  // none of them empty
  std::vector<bool> broken{};      // by mark: not written as a whole
  std::string joined{};            // without the marks
};

// The marks of one request; immutable.
class ReusableMarks {
 public:
  // Nothing if the private planes do not have that many characters besides those in use.
  static std::optional<ReusableMarks> choose(int marks, const std::set<char32_t>& in_use);

  int count() const { return static_cast<int>(characters_.size()) / 2; }
  std::string opening(int mark) const;
  std::string closing(int mark) const;
  std::string wrap(int mark, std::string_view text) const;
  MarkedRuns split(std::string_view rendered) const;

 private:
  explicit ReusableMarks(std::vector<char32_t> characters) : characters_(std::move(characters)) {}
  // Which opening or closing character, 2 * mark + 1 for a closing one, the text begins with.
  std::optional<int> character_at(std::string_view text) const;

  std::vector<char32_t> characters_;  // ascending
};

}  // namespace redknot::chat
