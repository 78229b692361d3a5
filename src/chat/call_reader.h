// SPDX-License-Identifier: Apache-2.0
// Reads calls of tools in one notation, from behind the text that announced them.
//
// A CallReader belongs to one answer and one thread: the reader of marked answers and the reader of
// channels make one when a call is announced, and drop it when the call has ended. It gets the
// answer's text in pieces, takes what it understands and puts it into a CallSink. What it has taken
// and is not part of a call (yet) it holds there, so that it can become content if no call comes of
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "chat/answer_delta.h"
#include "chat/tool_notation.h"
#include "chat/tool_table.h"

namespace redknot::chat {

// Collects calls. Made identifiers are letters and digits: 9 for Mistral, "call_" and 24 else.
class CallSink {
 public:
  CallSink(ToolNotation notation, std::uint64_t seed);

  // A call to be made; drops what is held. An empty `id` is made up. Requires that none is open.
  void begin(std::string_view name, std::string_view id);
  // Of the call that is open.
  void arguments(std::string_view json);
  void end() { open_ = false; }
  // A whole call.
  void call(std::string_view name, std::string_view id, std::string_view json);

  void hold(std::string_view text) { held_.append(text); }
  std::string take_held() { return std::exchange(held_, {}); }

  bool open() const { return open_; }
  int calls() const { return calls_; }  // begun so far
  std::vector<ToolCallDelta> take_deltas() { return std::exchange(deltas_, {}); }

 private:
  std::string make_id();

  ToolNotation notation_;
  std::mt19937_64 random_;
  int calls_ = 0;
  bool open_ = false;
  std::string held_;
  std::vector<ToolCallDelta> deltas_;
};

class CallReader {
 public:
  enum class State { kMore, kDone, kFailed };
  struct Step {
    State state = State::kMore;
    std::size_t used = 0;  // bytes of the text that need not come again
  };
  virtual ~CallReader() = default;
  // `text`: the answer from where the last step ended. `last`: nothing comes behind it; the step is
  // then kDone or kFailed.
  virtual Step read(std::string_view text, bool last) = 0;
};

// How JSON objects that are calls stand in the text.
struct JsonFrame {
  bool in_list = false;               // the list's bracket has been read
  bool strict = false;                // keys that calls do not have: this is none
  std::string_view fence{};           // may stand before
  std::vector<std::string> closes{};  // may stand behind, in this order
};

// References must outlive the reader.
struct ReaderContext {
  const ToolTable& tools;
  CallSink& sink;
  ToolNotation notation = ToolNotation::kNone;
};

std::unique_ptr<CallReader> make_json_reader(const ReaderContext& context, JsonFrame frame);
// A name, then a JSON object: Mistral, DeepSeek, Kimi, functionary, ChatGLM, Yandex.
std::unique_ptr<CallReader> make_named_reader(const ReaderContext& context);
// Parameters between tags, or in a syntax of their own, which are read as a whole: Qwen3-Coder,
// GLM, DSML, Gemma, LFM2, Llama's python tag. `opening` is the text that announced the call.
std::unique_ptr<CallReader> make_tagged_reader(const ReaderContext& context,
                                               std::string_view opening);

}  // namespace redknot::chat
