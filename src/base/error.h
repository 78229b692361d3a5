// SPDX-License-Identifier: Apache-2.0
// Short ways to make an Error: `return invalid("open ", path, ": not a GGUF file");`
//
// Arguments are strings, string views, characters, numbers or filesystem paths.
#pragma once

#include <cstdio>
#include <filesystem>
#include <string>
#include <string_view>
#include <type_traits>

#include "redknot/result.h"

namespace redknot {

inline void append_text(std::string& out, std::string_view text) { out += text; }
inline void append_text(std::string& out, const char* text) { out += text; }
inline void append_text(std::string& out, const std::string& text) { out += text; }
inline void append_text(std::string& out, char character) { out += character; }
inline void append_text(std::string& out, const std::filesystem::path& path) {
  out += path.string();
}
inline void append_text(std::string& out, double number) {
  char text[32];  // std::to_string would show 1e-12 as 0.000000
  std::snprintf(text, sizeof(text), "%g", number);
  out += text;
}
template <typename T>
requires std::is_integral_v<T>
void append_text(std::string& out, T number) { out += std::to_string(number); }

template <typename... Parts>
std::string concat(const Parts&... parts) {
  std::string out;
  (append_text(out, parts), ...);
  return out;
}

template <typename... Parts>
Error invalid(const Parts&... parts) {
  return {ErrorCode::kInvalidArgument, concat(parts...)};
}
template <typename... Parts>
Error not_found(const Parts&... parts) {
  return {ErrorCode::kNotFound, concat(parts...)};
}
template <typename... Parts>
Error unsupported(const Parts&... parts) {
  return {ErrorCode::kUnsupported, concat(parts...)};
}
template <typename... Parts>
Error corrupt(const Parts&... parts) {
  return {ErrorCode::kCorrupt, concat(parts...)};
}
template <typename... Parts>
Error io_error(const Parts&... parts) {
  return {ErrorCode::kIo, concat(parts...)};
}
template <typename... Parts>
Error exhausted(const Parts&... parts) {
  return {ErrorCode::kResourceExhausted, concat(parts...)};
}
template <typename... Parts>
Error unavailable(const Parts&... parts) {
  return {ErrorCode::kUnavailable, concat(parts...)};
}

}  // namespace redknot
