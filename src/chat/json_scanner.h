// SPDX-License-Identifier: Apache-2.0
// Finds the end of a JSON object or list that comes byte by byte, and whether it is one.
//
// A JsonScanner is a value that holds the open brackets and no text. The readers of calls feed it
// while arguments stream, and tool_table checks with it that a text is JSON of bounded depth before
// it is parsed. Each scanner is used by one thread.
#pragma once

#include <string_view>
#include <vector>

namespace redknot::chat {

class JsonScanner {
 public:
  static constexpr int kMaxDepth = 100;

  enum class State {
    kValue,         // a value comes
    kValueOrClose,  // or the list is empty
    kKey,
    kKeyOrClose,
    kKeyString,
    kColon,
    kString,
    kNumber,
    kLiteral,
    kAfterValue,  // a comma or the end of the container comes
    kDone,        // the object or list is complete
    kBad,         // this is not JSON, is a single value, or is nested too deeply
  };

  // Takes one byte. After kDone and kBad nothing changes any more.
  State feed(char c);
  State state() const { return state_; }
  // Objects and lists that are open.
  int depth() const { return static_cast<int>(containers_.size()); }

 private:
  enum class Digits { kMinus, kZero, kInteger, kPoint, kFraction, kExponent, kSign, kPower };

  void begin_value(char c);
  void open(char c);
  void close(char c);
  void string_byte(char c);
  void number_byte(char c);
  void literal_byte(char c);
  void after_value(char c);
  bool number_is_complete() const;

  State state_ = State::kValue;
  std::vector<char> containers_;
  bool escape_ = false;
  int hex_digits_ = 0;  // of an escape that are still to come
  Digits digits_ = Digits::kMinus;
  std::string_view literal_;  // what is left of true, false, null
};

}  // namespace redknot::chat
