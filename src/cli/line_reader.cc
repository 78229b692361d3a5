// SPDX-License-Identifier: Apache-2.0
#include "cli/line_reader.h"

#include <histedit.h>
#include <unistd.h>

#include <clocale>
#include <cstdio>
#include <cwchar>
#include <iostream>
#include <string_view>

#include "cli/output.h"

namespace redknot::cli {
namespace {

constexpr char kPrompt[] = "> ", kMorePrompt[] = "| ";
constexpr int kRemembered = 1000;  // lines
// Terminals put these around what is pasted, if they are asked to.
constexpr std::string_view kAskForPasteMarks = "\033[?2004h", kNoPasteMarks = "\033[?2004l";
constexpr std::wstring_view kPasteEnd = L"\033[201~";
constexpr std::size_t kMostPasted = std::size_t{1} << 22;  // characters

void write_to_terminal(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

// What is typed is UTF-8, whatever else the user's locale says.
void use_utf8() {
  const char* const set = std::setlocale(LC_CTYPE, "");
  if (set == nullptr || std::string_view(set).find("UTF-8") == std::string_view::npos) {
    std::setlocale(LC_CTYPE, "C.UTF-8");
  }
}

}  // namespace

struct LineReader::Editor {
  Editor();
  Editor(const Editor&) = delete;
  Editor& operator=(const Editor&) = delete;
  ~Editor();

  static Editor& of(EditLine* edit) {
    void* self = nullptr;
    el_get(edit, EL_CLIENTDATA, &self);
    return *static_cast<Editor*>(self);
  }
  static char* prompt(EditLine* edit) { return const_cast<char*>(of(edit).prompt_text); }
  static unsigned char on_interrupt(EditLine* edit, int key);
  static unsigned char on_paste(EditLine* edit, int key);

  EditLine* edit;
  History* history;
  const char* prompt_text = kPrompt;
  bool interrupted = false;
};

LineReader::Editor::Editor()
    : edit(el_init("redknot", stdin, stderr, stderr)), history(history_init()) {
  HistEvent event;
  ::history(history, &event, H_SETSIZE, kRemembered);
  el_set(edit, EL_CLIENTDATA, this);
  el_set(edit, EL_EDITOR, "emacs");
  el_set(edit, EL_SIGNAL, 1);  // the terminal is put back when a signal ends us
  el_set(edit, EL_HIST, ::history, history);
  el_set(edit, EL_PROMPT, &Editor::prompt);
  el_set(edit, EL_SETTY, "-d", "intr=", nullptr);  // while a line is edited
  el_set(edit, EL_ADDFN, "redknot-interrupt", "Clears the line, or ends.", &Editor::on_interrupt);
  el_set(edit, EL_ADDFN, "redknot-paste", "Takes pasted text.", &Editor::on_paste);
  el_set(edit, EL_BIND, "^C", "redknot-interrupt", nullptr);
  el_set(edit, EL_BIND, "\\e[200~", "redknot-paste", nullptr);
}

LineReader::Editor::~Editor() {
  history_end(history);
  el_end(edit);
}

unsigned char LineReader::Editor::on_interrupt(EditLine* edit, int /*key*/) {
  const LineInfo* line = el_line(edit);
  const auto size = static_cast<int>(line->lastchar - line->buffer);
  if (size == 0) {
    of(edit).interrupted = true;
    return CC_EOF;
  }
  el_cursor(edit, size);
  el_deletestr(edit, size);
  return CC_REFRESH;
}

unsigned char LineReader::Editor::on_paste(EditLine* edit, int /*key*/) {
  std::wstring text;
  wchar_t character = 0;
  while (el_wgetc(edit, &character) == 1) {
    text += character == L'\r' ? L'\n' : character;
    if (text.ends_with(kPasteEnd)) break;
    if (text.size() > kMostPasted) text.erase(kMostPasted / 2, text.size() - kMostPasted);
  }
  if (text.ends_with(kPasteEnd)) text.resize(text.size() - kPasteEnd.size());
  std::wstring shown;
  for (const wchar_t c : text) {
    if (c >= L' ' || c == L'\n' || c == L'\t') shown += c;
  }
  el_winsertstr(edit, shown.c_str());
  return CC_REFRESH;
}

LineReader::LineReader() {
  if (::isatty(STDIN_FILENO) == 0 || ::isatty(STDERR_FILENO) == 0) return;
  use_utf8();
  editor_ = std::make_unique<Editor>();
}

LineReader::~LineReader() = default;

bool LineReader::is_terminal() const { return editor_ != nullptr; }

LineReader::Line LineReader::read_one(const char* prompt) {
  if (!editor_) {
    Line line;
    if (std::getline(std::cin, line.text)) line.came = Came::kLine;
    return line;
  }
  editor_->prompt_text = prompt;
  editor_->interrupted = false;
  write_to_terminal(kAskForPasteMarks);
  int count = 0;
  const char* const text = el_gets(editor_->edit, &count);
  write_to_terminal(kNoPasteMarks);
  if (text == nullptr || count <= 0) {
    write_to_terminal("\n");
    return {.came = editor_->interrupted ? Came::kInterrupt : Came::kEnd};
  }
  HistEvent event;
  ::history(editor_->history, &event, H_ENTER, text);
  std::string_view line(text, static_cast<std::size_t>(count));
  if (line.ends_with('\n')) line.remove_suffix(1);
  return {.came = Came::kLine, .text = std::string(line)};
}

LineReader::Line LineReader::read() {
  Line line = read_one(kPrompt);
  while (line.came == Came::kLine && line.text.ends_with('\\')) {
    line.text.back() = '\n';
    Line more = read_one(kMorePrompt);
    if (more.came == Came::kInterrupt) return more;
    if (more.came == Came::kEnd) break;
    line.text += more.text;
  }
  return line;
}

}  // namespace redknot::cli
