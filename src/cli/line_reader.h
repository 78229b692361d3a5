// SPDX-License-Identifier: Apache-2.0
// Lines that a person types, or a script sends.
//
// `redknot chat` owns one LineReader on its main thread. On a terminal, lines are edited and
// remembered by libedit, text that is pasted stays one line with its line breaks, and Ctrl-C is a
// key: it clears the line, or, where there is none, is reported. Elsewhere lines are read as they
// come, and nothing is shown. The prompt goes to standard error: standard output is for answers.
#pragma once

#include <memory>
#include <string>

namespace redknot::cli {

class LineReader {
 public:
  // Of standard input.
  LineReader();
  LineReader(const LineReader&) = delete;
  LineReader& operator=(const LineReader&) = delete;
  ~LineReader();

  bool is_terminal() const;

  enum class Came { kLine, kEnd, kInterrupt };
  struct Line {
    Came came = Came::kEnd;
    std::string text{};  // without the line break at its end
  };
  // Waits for the next line. A backslash at the end of a line joins the next to it.
  Line read();

 private:
  struct Editor;
  Line read_one(const char* prompt);

  std::unique_ptr<Editor> editor_;  // null: no terminal
};

}  // namespace redknot::cli
