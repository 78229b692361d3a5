// SPDX-License-Identifier: Apache-2.0
#include "corpus/code_tasks.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/utf8.h"

namespace redknot::corpus {
namespace {

namespace fs = std::filesystem;
using std::string_view;

constexpr std::array<string_view, 26> kEndings = {
    ".c",    ".cc", ".cpp",   ".cs", ".cu",  ".cxx",   ".go",  ".h",   ".hpp",
    ".java", ".jl", ".js",    ".kt", ".lua", ".m",     ".mjs", ".php", ".py",
    ".rb",   ".rs", ".scala", ".sh", ".sql", ".swift", ".ts",  ".tsx"};
constexpr std::size_t kShownLines = 48;  // of the file, before the line that is asked
constexpr std::size_t kLeastLines = 8;
constexpr std::size_t kLeastLineBytes = 10, kMostLineBytes = 100;
constexpr std::size_t kLeastNameBytes = 5;

bool is_code(const fs::path& path) {
  const std::string ending = path.extension().string();
  return std::find(kEndings.begin(), kEndings.end(), ending) != kEndings.end();
}

bool is_left_out(const fs::path& folder) {
  const std::string name = folder.filename().string();
  return name.empty() || name.front() == '.' || name == "build" || name == "node_modules";
}

bool is_text(string_view text) {
  if (text.find('\0') != string_view::npos) return false;
  while (!text.empty()) {
    const Utf8Character c = first_character(text);
    if (c.state != Utf8State::kValid) return false;
    text.remove_prefix(static_cast<std::size_t>(c.length));
  }
  return true;
}

std::vector<std::string> lines_of(string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    string_view line = text.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

// Paths of the code in a folder, in their order.
Result<std::vector<fs::path>> find_code(const fs::path& folder) {
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return Error(ErrorCode::kNotFound, concat("read ", folder, ": no such folder"));
  }
  std::vector<fs::path> found;
  std::size_t entries = 0;
  fs::recursive_directory_iterator entry(folder, error), end;  // follows no links
  for (; !error && entry != end; entry.increment(error)) {
    if (++entries > kMaxCodeEntries) {
      return Error(ErrorCode::kResourceExhausted,
                   concat("read ", folder, ": more than ", kMaxCodeEntries, " entries"));
    }
    std::error_code ignored;
    const fs::file_status status = entry->symlink_status(ignored);
    if (fs::is_directory(status) && is_left_out(entry->path())) entry.disable_recursion_pending();
    if (fs::is_regular_file(status) && is_code(entry->path())) found.push_back(entry->path());
  }
  if (error) return io_error("read ", folder, ": ", error.message());
  std::sort(found.begin(), found.end());
  return found;
}

bool is_name_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// Names that are long enough to mean something.
std::set<std::string, std::less<>> names_in(string_view text) {
  std::set<std::string, std::less<>> names;
  for (std::size_t begin = 0; begin < text.size();) {
    std::size_t end = begin;
    while (end < text.size() && is_name_byte(text[end])) ++end;
    const bool number = end > begin && text[begin] >= '0' && text[begin] <= '9';
    if (end - begin >= kLeastNameBytes && !number) names.emplace(text.substr(begin, end - begin));
    begin = std::max(end, begin + 1);
  }
  return names;
}

string_view without_margins(string_view line) {
  constexpr string_view kWhite = " \t";
  const std::size_t begin = line.find_first_not_of(kWhite);
  if (begin == string_view::npos) return {};
  return line.substr(begin, line.find_last_not_of(kWhite) + 1 - begin);
}

// The beginning of a file, as a document of so many tokens at most.
std::string document_of(const CodeFile& file, int most_tokens, const CountTokens& count) {
  std::string out = file.path + "\n";
  int left = most_tokens - count(out);
  for (const std::string& line : file.lines) {
    left -= count(line + "\n");
    if (left < 0) break;
    out += line + "\n";
  }
  return out;
}

std::string stem_of(const CodeFile& file) { return fs::path(file.path).stem().string(); }

// Other files: those that the file names, then any.
std::vector<const CodeFile*> neighbours(const std::vector<CodeFile>& files, const CodeFile& file,
                                        std::size_t most, Random& random) {
  std::string text;
  for (const std::string& line : file.lines) text += line + "\n";
  const auto names = names_in(text);
  std::vector<const CodeFile*> named, others;
  for (const CodeFile& other : files) {
    if (&other != &file) (names.count(stem_of(other)) > 0 ? named : others).push_back(&other);
  }
  random.shuffle(named);
  random.shuffle(others);
  named.insert(named.end(), others.begin(), others.end());
  if (named.size() > most) named.resize(most);
  return named;
}

// Lines that name what the documents name and nothing of the file has named before.
std::vector<std::size_t> lines_to_ask(const CodeFile& file,
                                      const std::set<std::string, std::less<>>& elsewhere) {
  std::vector<std::size_t> out;
  std::set<std::string, std::less<>> met;
  for (std::size_t i = 0; i < file.lines.size(); ++i) {
    const string_view line = without_margins(file.lines[i]);
    const auto names = names_in(line);
    const bool asks = std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return met.count(name) == 0 && elsewhere.count(name) > 0;
    });
    const bool sized = line.size() >= kLeastLineBytes && line.size() <= kMostLineBytes;
    if (i >= kLeastLines && asks && sized) out.push_back(i);
    met.insert(names.begin(), names.end());
  }
  return out;
}

// The first of the lines before the one that is asked that fit into so many tokens.
std::size_t first_shown(const CodeFile& file, std::size_t asked, int most_tokens,
                        const CountTokens& count) {
  std::size_t first = asked;
  while (first > 0 && asked - first < kShownLines) {
    most_tokens -= count(file.lines[first - 1] + "\n");
    if (most_tokens < 0) break;
    --first;
  }
  return first;
}

std::string question_about(const CodeFile& file, std::size_t first, std::size_t asked) {
  std::string out = concat("Here are lines of the file ", file.path, ":\n```\n");
  for (std::size_t i = first; i < asked; ++i) out += file.lines[i] + "\n";
  return out +
         "```\nWrite the next line of this file. Write that one line of code, and nothing "
         "else.";
}

}  // namespace

Result<CodeFolder> CodeFolder::open(const fs::path& path) {
  REDKNOT_TRY(const std::vector<fs::path> found, find_code(path));
  CodeFolder folder;
  std::size_t bytes = 0;
  for (const fs::path& file : found) {
    const auto text = read_file(file, kMaxCodeFileBytes);
    if (!text.ok() && text.error().code() == ErrorCode::kResourceExhausted) continue;
    if (!text.ok()) return text.error();
    if (!is_text(*text)) continue;
    bytes += text->size();
    if (bytes > kMaxCodeBytes) {
      return Error(ErrorCode::kResourceExhausted,
                   concat("read ", path, ": more than ", kMaxCodeBytes >> 20, " MiB of code"));
    }
    folder.files_.push_back({file.lexically_relative(path).string(), lines_of(*text)});
  }
  if (folder.files_.size() < 2) {
    return invalid("read ", path, ": fewer than two files of source code");
  }
  return folder;
}

Result<Task> CodeFolder::task(const TaskOptions& options, const CountTokens& count,
                              Random& random) const {
  constexpr int kAttempts = 1000;
  const auto most = static_cast<std::size_t>(std::max(1, options.documents));
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const CodeFile& file = random.pick(files_);
    if (file.lines.size() <= kLeastLines) continue;
    const auto others = neighbours(files_, file, most, random);
    const int shown_tokens = options.document_tokens / 4;
    std::vector<std::string> documents;
    std::string text;
    int left = options.document_tokens - shown_tokens;
    for (std::size_t i = 0; i < others.size(); ++i) {
      const int share = left / static_cast<int>(others.size() - i);
      documents.push_back(document_of(*others[i], share, count));
      left -= count(documents.back());
      text += documents.back();
    }
    const std::vector<std::size_t> lines = lines_to_ask(file, names_in(text));
    if (lines.empty()) continue;
    const std::size_t asked = random.pick(lines);
    const std::string line(without_margins(file.lines[asked]));
    Task task{
        .kind = std::string(name_of(Kind::kCode)), .answers = {line}, .scoring = Scoring::kLine};
    task.sample.documents = std::move(documents);
    const std::size_t first = first_shown(file, asked, shown_tokens, count);
    task.sample.turns = {{Kind::kCode, question_about(file, first, asked), line}};
    task.answer_tokens = 64;
    return task;
  }
  return invalid("make a task of code: no line of the files names what others do");
}

}  // namespace redknot::corpus
