// SPDX-License-Identifier: Apache-2.0
// Answers in OpenAI's harmony format: messages, each with a header that names a channel (analysis
// is reasoning) and perhaps a recipient (a call), up to a token that ends it.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "chat/answer_reader.h"
#include "chat/call_reader.h"
#include "chat/json_scanner.h"
#include "chat/text_cursor.h"

namespace redknot::chat {
namespace {

constexpr std::string_view kStart = "<|start|>";
constexpr std::string_view kChannel = "<|channel|>";
constexpr std::string_view kMessage = "<|message|>";
constexpr std::string_view kFunctions = "functions.";
constexpr std::size_t kHeaderBytes = 512;

std::string_view word_behind(std::string_view header, std::string_view mark) {
  const std::size_t found = header.find(mark);
  if (found == std::string_view::npos) return {};
  header.remove_prefix(found + mark.size());
  return header.substr(0, header.find_first_of(" <\n"));
}

// Whether what has come of a header may be one.
bool plausible(std::string_view header) {
  const std::string_view text = trimmed(header);
  for (const std::string_view begin : {std::string_view("to="), kChannel, kMessage, kStart}) {
    if (text.starts_with(begin) || begin.starts_with(text)) return header.size() < kHeaderBytes;
  }
  return false;
}

class ChannelReader : public AnswerParser::Reader {
 public:
  explicit ChannelReader(const ParserOptions& options)
      : tools_(options.tools),
        sink_(ToolNotation::kHarmony, options.seed),
        special_(options.special),
        ends_({"<|end|>", "<|call|>", "<|return|>", std::string(kStart), std::string(kChannel)}) {
    const std::string_view prompt = trimmed(options.prompt_end);
    // A prompt may end within a message.
    if (prompt.ends_with(kMessage)) {
      const std::size_t start = prompt.rfind(kStart);
      begin_message(start == std::string_view::npos ? prompt : prompt.substr(start));
    }
  }

  void read(std::string_view piece) override {
    buffer_.append(piece);
    advance(/*last=*/false);
  }

  void finish() override {
    advance(/*last=*/true);
    if (sink_.open()) sink_.end();
    delta_.content.append(sink_.take_held());
  }

  AnswerDelta take() override {
    delta_.calls = sink_.take_deltas();
    return std::exchange(delta_, {});
  }

  int calls() const override { return sink_.calls(); }

 private:
  enum class Mode { kHeader, kReasoning, kContent, kBeforeArguments, kArguments, kBehindArguments };

  void advance(bool last) {
    std::size_t at = 0;
    while (mode_ == Mode::kHeader ? read_header(at, last) : read_body(at, last)) {
    }
    buffer_.erase(0, at);
  }

  // These two take text from `at` on. False: nothing more can be said before more text comes.
  bool read_header(std::size_t& at, bool last) {
    const std::string_view text = std::string_view(buffer_).substr(at);
    const std::size_t end = text.find(kMessage);
    const bool whole = end != std::string_view::npos;
    const bool header = plausible(whole ? text.substr(0, end + kMessage.size()) : text);
    if (!whole || !header) {
      if (text.empty() || (header && !last)) return false;
      mode_ = Mode::kContent;  // not in channels at all
      // What is only the beginning of a header is nothing that a client wants to see.
      if (header && text.find("<|") != text.npos) at = buffer_.size();
      // What begins a header would otherwise be taken for one again.
      for (const std::string_view begin : {kStart, kChannel}) {
        if (header || !text.starts_with(begin)) continue;
        delta_.content.append(begin);
        at += begin.size();
      }
      return true;
    }
    begin_message(text.substr(0, end + kMessage.size()));
    at += end + kMessage.size();
    return true;
  }

  void begin_message(std::string_view header) {
    const std::string_view recipient = word_behind(header, "to=");
    if (!recipient.empty()) {
      name_ = recipient.starts_with(kFunctions) ? recipient.substr(kFunctions.size()) : recipient;
      mode_ = tools_.contains(name_) ? Mode::kBeforeArguments : Mode::kContent;
      scanner_ = {};
      if (mode_ == Mode::kContent) {
        delta_.content.append(header);
      } else {
        sink_.hold(header);
      }
      return;
    }
    mode_ = word_behind(header, kChannel) == "analysis" ? Mode::kReasoning : Mode::kContent;
  }

  bool read_body(std::size_t& at, bool last) {
    const std::string_view text = buffer_;
    for (std::size_t i = at; i < text.size(); ++i) {
      const MarkerSet::Match end = ends_.match(text.substr(i));
      const MarkerSet::Match special = special_->match(text.substr(i));
      const bool open = (end.open || special.open) && !last;
      if (!open && end.length + special.length == 0) continue;
      add(text.substr(at, i - at));
      at = i;
      if (open) return false;
      at += std::max(end.length, special.length);
      if (end.length > 0) end_message(text.substr(i, end.length), at);
      return true;
    }
    add(text.substr(at));
    at = text.size();
    return false;
  }

  void end_message(std::string_view end, std::size_t& at) {
    if (sink_.open()) sink_.end();
    delta_.content.append(sink_.take_held());
    mode_ = Mode::kHeader;
    // Both are part of the next header.
    if (end == kChannel || end == kStart) at -= end.size();
  }

  void add(std::string_view text) {
    while (!text.empty()) {
      switch (mode_) {
        case Mode::kReasoning:
          delta_.reasoning.append(text);
          return;
        case Mode::kBeforeArguments:
          text.remove_prefix(before_arguments(text));
          break;
        case Mode::kArguments:
          text.remove_prefix(arguments(text));
          break;
        case Mode::kBehindArguments:
          if (trimmed(text).empty()) return;
          [[fallthrough]];
        default:
          delta_.content.append(text);
          return;
      }
    }
  }

  std::size_t before_arguments(std::string_view text) {
    const std::size_t begin = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    sink_.hold(text.substr(0, begin));
    if (begin == text.size()) return begin;
    if (text[begin] == '{') {
      sink_.begin(name_, "");
      mode_ = Mode::kArguments;
    } else {
      delta_.content.append(sink_.take_held());
      mode_ = Mode::kContent;
    }
    return begin;
  }

  std::size_t arguments(std::string_view text) {
    std::size_t used = 0;
    JsonScanner::State state = scanner_.state();
    while (used < text.size() && state != JsonScanner::State::kDone) {
      state = scanner_.feed(text[used]);
      if (state == JsonScanner::State::kBad) break;
      ++used;
    }
    sink_.arguments(text.substr(0, used));
    if (state == JsonScanner::State::kBad || state == JsonScanner::State::kDone) {
      sink_.end();
      mode_ = state == JsonScanner::State::kDone ? Mode::kBehindArguments : Mode::kContent;
    }
    return used;
  }

  ToolTable tools_;
  CallSink sink_;
  std::shared_ptr<const MarkerSet> special_;
  MarkerSet ends_;
  Mode mode_ = Mode::kHeader;
  std::string buffer_;  // what has come and is not understood yet
  std::string name_;    // that the message calls
  JsonScanner scanner_;
  AnswerDelta delta_;
};

}  // namespace

std::unique_ptr<AnswerParser::Reader> make_channel_reader(const ParserOptions& options) {
  return std::make_unique<ChannelReader>(options);
}

}  // namespace redknot::chat
