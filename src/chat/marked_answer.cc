// SPDX-License-Identifier: Apache-2.0
// Answers that are text in which reasoning and calls are marked.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "chat/answer_reader.h"
#include "chat/call_reader.h"

namespace redknot::chat {
namespace {

using Notation = ToolNotation;

constexpr std::string_view kSpace = " \t\r\n";

// What a notation's calls begin with, and what else belongs to it and means nothing.
struct Markers {
  std::vector<std::string> openings{};
  std::vector<std::string> dropped{};
  std::string bare{};  // characters with which an answer may begin with a call, without a marker
};

Markers markers_of(Notation notation) {
  switch (notation) {
    case Notation::kJson:
      return {.openings = {"```json", "<tool_call>"}, .bare = "{["};
    case Notation::kLlama:
      return {.openings = {"<|python_tag|>"}, .bare = "{"};
    case Notation::kMistral:
      return {.openings = {"[TOOL_CALLS]"}};
    case Notation::kDeepSeek:
      return {.openings = {"<｜tool▁calls▁begin｜>", "<｜tool▁call▁begin｜>"},
              .dropped = {"<｜tool▁calls▁end｜>"}};
    case Notation::kDsml:
      return {.openings = {"<｜DSML｜invoke name=\""},
              .dropped = {"<｜DSML｜tool_calls>", "</｜DSML｜tool_calls>",
                          "<｜DSML｜function_calls>", "</｜DSML｜function_calls>"}};
    case Notation::kKimi:
      return {.openings = {"<|tool_call_begin|>"},
              .dropped = {"<|tool_calls_section_begin|>", "<|tool_calls_section_end|>"}};
    case Notation::kCommandR:
      return {.openings = {"Action:"}};
    case Notation::kCommandR7b:
      return {
          .openings = {"<|START_ACTION|>"},
          .dropped = {"<|START_RESPONSE|>", "<|END_RESPONSE|>", "<|START_TEXT|>", "<|END_TEXT|>"}};
    case Notation::kGranite:
      return {.openings = {"<|tool_call|>", "<tool_call>"}};
    case Notation::kNemotron:
      return {.openings = {"<TOOLCALL>"}};
    case Notation::kFirefunction:
      return {.openings = {"functools["}};
    case Notation::kFunctionaryXml:
      return {.openings = {"<function="}};
    case Notation::kFunctionary:
      return {.openings = {">>>"}, .dropped = {">>>all\n"}};
    case Notation::kQwenCoder:
      return {.openings = {"<tool_call>", "<function="}};
    case Notation::kHermes:
    case Notation::kGlm:
      return {.openings = {"<tool_call>"}};
    case Notation::kLfm:
      return {.openings = {"<|tool_call_start|>"}};
    case Notation::kGemma:
      return {.openings = {"<|tool_call>"}};
    case Notation::kYandex:
      return {.openings = {"[TOOL_CALL_START]"}};
    case Notation::kChatGlm:
    case Notation::kNone:
    case Notation::kHarmony:
      break;
  }
  return {};
}

// `opening`: one of the notation's, or empty for a call without a marker.
std::unique_ptr<CallReader> make_call_reader(const ReaderContext& context,
                                             const std::string& opening) {
  switch (context.notation) {
    case Notation::kMistral:
    case Notation::kDeepSeek:
    case Notation::kKimi:
    case Notation::kFunctionaryXml:
    case Notation::kFunctionary:
    case Notation::kChatGlm:
    case Notation::kYandex:
      return make_named_reader(context);
    case Notation::kQwenCoder:
    case Notation::kGlm:
    case Notation::kDsml:
    case Notation::kLfm:
    case Notation::kGemma:
      return make_tagged_reader(context, opening);
    case Notation::kLlama:
      if (!opening.empty()) return make_tagged_reader(context, opening);
      return make_json_reader(context, {.strict = true});
    case Notation::kCommandR:
      return make_json_reader(context, {.fence = "```json", .closes = {"```"}});
    case Notation::kCommandR7b:
      return make_json_reader(context, {.closes = {"<|END_ACTION|>"}});
    case Notation::kNemotron:
      return make_json_reader(context, {.closes = {"</TOOLCALL>"}});
    case Notation::kFirefunction:
      return make_json_reader(context, {.in_list = true});
    default:
      break;
  }
  if (opening == "```json") return make_json_reader(context, {.strict = true, .closes = {"```"}});
  if (opening.empty()) return make_json_reader(context, {.strict = true});
  return make_json_reader(context, {.closes = {"</tool_call>"}});
}

template <typename Strings>
bool holds(const Strings& strings, std::string_view text) {
  return std::find(strings.begin(), strings.end(), text) != strings.end();
}

class MarkedReader : public AnswerParser::Reader {
 public:
  explicit MarkedReader(const ParserOptions& options)
      : marks_(options.style.reasoning),
        tools_(options.tools),
        sink_(options.style.tools, options.seed),
        context_{.tools = tools_, .sink = sink_, .notation = options.style.tools},
        special_(options.special) {
    if (!tools_.empty()) markers_ = markers_of(context_.notation);
    if (options.style.tools == Notation::kCommandR7b || options.style.tools == Notation::kDsml ||
        options.style.tools == Notation::kFunctionary) {
      markers_.dropped = markers_of(options.style.tools).dropped;
    }
    if (options.style.response_tags) {
      markers_.dropped.insert(markers_.dropped.end(), {"<response>", "</response>"});
    }
    std::vector<std::string> all = markers_.openings;
    all.insert(all.end(), markers_.dropped.begin(), markers_.dropped.end());
    all.push_back(marks_.open);
    content_markers_ = MarkerSet(std::move(all));
    reasoning_markers_ = MarkerSet({marks_.close});
    // Tags that are ordinary text mean something only where answers begin.
    think_anywhere_ = marks_.open.starts_with("<|");
    const std::string_view prompt = trimmed(options.prompt_end);
    if (prompt.ends_with(marks_.open)) mode_ = Mode::kReasoning;
    if (options.style.tools == Notation::kFunctionary && prompt.ends_with(">>>")) {
      buffer_ = ">>>";
      begun_in_prompt_ = true;
    }
  }

  void read(std::string_view piece) override {
    buffer_.append(piece);
    advance(/*last=*/false);
  }

  void finish() override {
    advance(/*last=*/true);
    if (mode_ != Mode::kReasoning) delta_.content.append(space_);
  }

  AnswerDelta take() override {
    delta_.calls = sink_.take_deltas();
    return std::exchange(delta_, {});
  }

  int calls() const override { return sink_.calls(); }

 private:
  enum class Mode { kContent, kReasoning, kCall };

  void advance(bool last) {
    std::size_t at = 0;
    while (mode_ == Mode::kCall ? read_call(at, last) : scan(at, last)) {
    }
    buffer_.erase(0, at);
  }

  // These two take text from `at` on. False: nothing more can be said before more text comes.
  bool read_call(std::size_t& at, bool last) {
    const int before = sink_.calls();
    const auto step = call_->read(std::string_view(buffer_).substr(at), last);
    at += step.used;
    if (sink_.calls() > before) {
      space_.clear();
      trim_ = true;
      at_start_ = false;
    }
    if (step.state == CallReader::State::kMore) return false;
    mode_ = Mode::kContent;
    const std::string held = sink_.take_held();
    if (step.state == CallReader::State::kFailed) add_content(held);
    return true;
  }

  bool scan(std::size_t& at, bool last) {
    if (mode_ == Mode::kContent && at_start_ && try_bare_ && !tools_.empty()) {
      if (!begin_bare(at)) return false;
      if (mode_ == Mode::kCall) return true;
    }
    const std::string_view text = buffer_;
    const MarkerSet& markers = mode_ == Mode::kReasoning ? reasoning_markers_ : content_markers_;
    for (std::size_t i = at; i < text.size(); ++i) {
      const MarkerSet::Match own = markers.match(text.substr(i));
      const bool own_open = own.open && !last;
      const MarkerSet::Match special =
          own.length > 0 || own_open ? MarkerSet::Match() : special_->match(text.substr(i));
      const bool open = own_open || (special.open && !last);
      if (!open && own.length + special.length == 0) continue;
      add(text.substr(at, i - at));
      at = i;
      if (open) return false;
      at += own.length + special.length;
      if (own.length > 0) take_marker(std::string(text.substr(i, own.length)));
      return true;
    }
    add(text.substr(at));
    at = text.size();
    return false;
  }

  // False: the answer has not begun yet.
  bool begin_bare(std::size_t& at) {
    const bool any = context_.notation == Notation::kChatGlm;
    if (!any && markers_.bare.empty()) return true;
    const std::size_t begin = buffer_.find_first_not_of(kSpace, at);
    if (begin == std::string::npos) {
      add(std::string_view(buffer_).substr(at));
      at = buffer_.size();
      return false;
    }
    try_bare_ = false;
    if (!any && markers_.bare.find(buffer_[begin]) == std::string::npos) return true;
    add(std::string_view(buffer_).substr(at, begin - at));
    at = begin;
    call_ = make_call_reader(context_, "");
    mode_ = Mode::kCall;
    return true;
  }

  void take_marker(const std::string& marker) {
    const bool begun_in_prompt = std::exchange(begun_in_prompt_, false);
    if (mode_ == Mode::kReasoning) {
      mode_ = Mode::kContent;
      space_.clear();
      trim_ = try_bare_ = true;
    } else if (marker == marks_.open) {
      if (!at_start_ && !think_anywhere_) return add_content(marker);
      mode_ = Mode::kReasoning;
      space_.clear();
      reasoning_begun_ = false;
    } else if (holds(markers_.openings, marker)) {
      if (!begun_in_prompt) sink_.hold(marker);
      call_ = make_call_reader(context_, marker);
      mode_ = Mode::kCall;
    }
  }

  void add(std::string_view text) {
    mode_ == Mode::kReasoning ? add_reasoning(text) : add_content(text);
  }

  // White space waits for what follows it: before calls and reasoning it means nothing.
  void add_content(std::string_view text) {
    append(delta_.content, text, trim_);
    if (text.find_first_not_of(kSpace) == std::string_view::npos) return;
    trim_ = at_start_ = false;
  }

  void add_reasoning(std::string_view text) {
    append(delta_.reasoning, text, !reasoning_begun_);
    reasoning_begun_ = reasoning_begun_ || text.find_first_not_of(kSpace) != text.npos;
  }

  void append(std::string& out, std::string_view text, bool trim) {
    const std::size_t end = text.find_last_not_of(kSpace) + 1;
    if (end == 0) {
      if (!trim) space_.append(text);
      return;
    }
    const std::size_t begin = trim ? text.find_first_not_of(kSpace) : 0;
    out.append(space_).append(text.substr(begin, end - begin));
    space_ = text.substr(end);
  }

  ReasoningMarks marks_;
  ToolTable tools_;
  CallSink sink_;
  ReaderContext context_;
  std::shared_ptr<const MarkerSet> special_;
  Markers markers_;
  MarkerSet content_markers_, reasoning_markers_;
  bool think_anywhere_ = false;
  bool begun_in_prompt_ = false;  // the first marker stands in the prompt

  Mode mode_ = Mode::kContent;
  std::string buffer_;                      // what has come and is not understood yet
  std::string space_;                       // behind the content, or reasoning, that has gone out
  bool at_start_ = true, try_bare_ = true;  // of the content
  bool trim_ = false;                       // white space comes before the content proper
  bool reasoning_begun_ = false;
  std::unique_ptr<CallReader> call_;
  AnswerDelta delta_;
};

}  // namespace

std::unique_ptr<AnswerParser::Reader> make_marked_reader(const ParserOptions& options) {
  return std::make_unique<MarkedReader>(options);
}

}  // namespace redknot::chat
