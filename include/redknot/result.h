// SPDX-License-Identifier: Apache-2.0
// Result<T>: a value or the reason why there is none.
//
// The world fails with a Result (files, peers, requests, full memory); we fail with an aborted
// process. Messages read "attempt: cause", for example
// "open model.gguf: tensor blk.3.attn_k ends 4096 bytes past the file".
// No function of this project throws. Values, safe to pass between threads.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace redknot {

// What a caller can do about it: correct the call, look elsewhere, choose something supported,
// replace the bytes, look at the disk or network, ask for less, nothing because it asked for it,
// try later, or shorten the prompt.
enum class ErrorCode {
  kInvalidArgument,
  kNotFound,
  kUnsupported,
  kCorrupt,
  kIo,
  kResourceExhausted,
  kCancelled,
  kUnavailable,
  kContextFull,
};

// Of kContextFull: how long the prompt is, and how much the context holds.
struct ContextFull {
  int prompt_tokens = 0;
  int context_tokens = 0;
};

class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}
  Error(ContextFull numbers, std::string message)
      : code_(ErrorCode::kContextFull), message_(std::move(message)), context_full_(numbers) {}
  ErrorCode code() const { return code_; }
  // Nothing unless the code is kContextFull.
  const std::optional<ContextFull>& context_full() const { return context_full_; }
  const std::string& message() const { return message_; }
  // The same error seen from one level up: "<attempt>: <message>". An attempt that the message
  // already begins with is not said twice.
  Error within(const std::string& attempt) const {
    const std::string prefix = attempt + ": ";
    Error out = *this;
    if (message_.compare(0, prefix.size(), prefix) != 0) out.message_ = prefix + message_;
    return out;
  }

 private:
  ErrorCode code_;
  std::string message_;
  std::optional<ContextFull> context_full_{};
};

template <typename T>
class [[nodiscard]] Result {
 public:
  using value_type = T;
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Requires ok(); aborts otherwise.
  T& value() & { return ok() ? std::get<0>(state_) : (std::abort(), std::get<0>(state_)); }
  const T& value() const& {
    return ok() ? std::get<0>(state_) : (std::abort(), std::get<0>(state_));
  }
  T&& value() && {
    return ok() ? std::get<0>(std::move(state_)) : (std::abort(), std::get<0>(std::move(state_)));
  }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return &value(); }
  const T* operator->() const { return &value(); }

  // Requires !ok(); aborts otherwise.
  const Error& error() const& {
    return ok() ? (std::abort(), std::get<1>(state_)) : std::get<1>(state_);
  }
  Error&& error() && {
    return ok() ? (std::abort(), std::get<1>(std::move(state_))) : std::get<1>(std::move(state_));
  }

 private:
  std::variant<T, Error> state_;
};

// Success without a value: `return Done{};`.
struct Done {};
using Status = Result<Done>;

}  // namespace redknot

#define REDKNOT_CONCAT_INNER(a, b) a##b
#define REDKNOT_CONCAT(a, b) REDKNOT_CONCAT_INNER(a, b)
#define REDKNOT_TRY_INNER(result, declaration, expression) \
  auto result = (expression);                              \
  if (!result.ok()) return std::move(result).error();      \
  declaration = std::move(result).value()

// REDKNOT_TRY(File file, File::open(path)): declares `file`, or returns the error.
#define REDKNOT_TRY(declaration, expression) \
  REDKNOT_TRY_INNER(REDKNOT_CONCAT(redknot_result_, __LINE__), declaration, expression)

// REDKNOT_RETURN_IF_ERROR(check(x)): returns the error of a Status, if it is one.
#define REDKNOT_RETURN_IF_ERROR(expression)                             \
  do {                                                                  \
    auto redknot_status = (expression);                                 \
    if (!redknot_status.ok()) return std::move(redknot_status).error(); \
  } while (false)
