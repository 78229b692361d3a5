// SPDX-License-Identifier: Apache-2.0
#include "chat/json_scanner.h"

namespace redknot::chat {
namespace {

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

JsonScanner::State JsonScanner::feed(char c) {
  switch (state_) {
    case State::kKeyString:
    case State::kString:
      string_byte(c);
      return state_;
    case State::kNumber:
      number_byte(c);
      return state_;
    case State::kLiteral:
      literal_byte(c);
      return state_;
    default:
      break;
  }
  if (is_space(c) || state_ == State::kDone || state_ == State::kBad) return state_;
  switch (state_) {
    case State::kValueOrClose:
      c == ']' ? close(c) : begin_value(c);
      break;
    case State::kValue:
      begin_value(c);
      break;
    case State::kKeyOrClose:
      if (c == '}') {
        close(c);
        break;
      }
      [[fallthrough]];
    case State::kKey:
      state_ = c == '"' ? State::kKeyString : State::kBad;
      break;
    case State::kColon:
      state_ = c == ':' ? State::kValue : State::kBad;
      break;
    default:
      after_value(c);
  }
  return state_;
}

void JsonScanner::begin_value(char c) {
  if (c == '{' || c == '[') return open(c);
  if (containers_.empty()) {
    state_ = State::kBad;
    return;
  }
  if (c == '"') {
    state_ = State::kString;
  } else if (c == '-' || is_digit(c)) {
    state_ = State::kNumber;
    digits_ = c == '-' ? Digits::kMinus : c == '0' ? Digits::kZero : Digits::kInteger;
  } else if (c == 't' || c == 'f' || c == 'n') {
    state_ = State::kLiteral;
    literal_ = c == 't' ? "rue" : c == 'f' ? "alse" : "ull";
  } else {
    state_ = State::kBad;
  }
}

void JsonScanner::open(char c) {
  if (depth() == kMaxDepth) {
    state_ = State::kBad;
    return;
  }
  containers_.push_back(c);
  state_ = c == '{' ? State::kKeyOrClose : State::kValueOrClose;
}

void JsonScanner::close(char c) {
  if (containers_.back() != (c == '}' ? '{' : '[')) {
    state_ = State::kBad;
    return;
  }
  containers_.pop_back();
  state_ = containers_.empty() ? State::kDone : State::kAfterValue;
}

void JsonScanner::after_value(char c) {
  if (c == '}' || c == ']') {
    close(c);
  } else if (c == ',') {
    state_ = containers_.back() == '{' ? State::kKey : State::kValue;
  } else {
    state_ = State::kBad;
  }
}

void JsonScanner::string_byte(char c) {
  if (hex_digits_ > 0) {
    --hex_digits_;
    if (!is_hex(c)) state_ = State::kBad;
  } else if (escape_) {
    escape_ = false;
    if (c == 'u') {
      hex_digits_ = 4;
    } else if (std::string_view("\"\\/bfnrt").find(c) == std::string_view::npos) {
      state_ = State::kBad;
    }
  } else if (c == '\\') {
    escape_ = true;
  } else if (c == '"') {
    state_ = state_ == State::kKeyString ? State::kColon : State::kAfterValue;
  } else if (static_cast<unsigned char>(c) < 0x20) {
    state_ = State::kBad;
  }
}

bool JsonScanner::number_is_complete() const {
  return digits_ == Digits::kZero || digits_ == Digits::kInteger || digits_ == Digits::kFraction ||
         digits_ == Digits::kPower;
}

void JsonScanner::number_byte(char c) {
  if (is_digit(c)) {
    switch (digits_) {
      case Digits::kMinus:
        digits_ = c == '0' ? Digits::kZero : Digits::kInteger;
        return;
      case Digits::kZero:
        state_ = State::kBad;
        return;
      case Digits::kPoint:
        digits_ = Digits::kFraction;
        return;
      case Digits::kExponent:
      case Digits::kSign:
        digits_ = Digits::kPower;
        return;
      default:
        return;
    }
  }
  if (c == '.' && (digits_ == Digits::kZero || digits_ == Digits::kInteger)) {
    digits_ = Digits::kPoint;
  } else if ((c == 'e' || c == 'E') && number_is_complete() && digits_ != Digits::kPower) {
    digits_ = Digits::kExponent;
  } else if ((c == '+' || c == '-') && digits_ == Digits::kExponent) {
    digits_ = Digits::kSign;
  } else if (!number_is_complete()) {
    state_ = State::kBad;
  } else {
    state_ = State::kAfterValue;
    if (!is_space(c)) after_value(c);
  }
}

void JsonScanner::literal_byte(char c) {
  if (literal_.front() != c) {
    state_ = State::kBad;
    return;
  }
  literal_.remove_prefix(1);
  if (literal_.empty()) state_ = State::kAfterValue;
}

}  // namespace redknot::chat
