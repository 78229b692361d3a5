// SPDX-License-Identifier: Apache-2.0
#include "cli/input.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

namespace redknot::cli {
namespace {

Error read_error(const std::string& name, int error) {
  const ErrorCode code = error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo;
  return {code, "read " + name + ": " + std::strerror(error)};
}

Result<std::string> read_all(int descriptor, const std::string& name) {
  std::string text;
  char buffer[65536];
  for (;;) {
    const ssize_t count = ::read(descriptor, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return read_error(name, errno);
    if (count == 0) return text;
    text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMaxInputBytes) {
      return Error(ErrorCode::kResourceExhausted,
                   "read " + name + ": more than " + std::to_string(kMaxInputBytes) + " bytes");
    }
  }
}

}  // namespace

Result<std::string> read_input(const std::string& path) {
  if (path == "-") return read_all(STDIN_FILENO, "standard input");
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return read_error(path, errno);
  Result<std::string> text = read_all(descriptor, path);
  ::close(descriptor);
  return text;
}

Result<std::vector<int>> parse_token_ids(std::string_view json, const std::string& source) {
  const auto error = [&source](const std::string& cause) {
    return Error(ErrorCode::kInvalidArgument, "read token ids from " + source + ": " + cause);
  };
  const auto root = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (root.is_discarded()) return error("not valid JSON");
  const bool wrapped = root.is_object() && root.contains("tokens");
  const nlohmann::json& list = wrapped ? root["tokens"] : root;
  if (!list.is_array()) return error("neither a JSON array nor an object with \"tokens\"");
  std::vector<int> ids;
  ids.reserve(list.size());
  for (const nlohmann::json& entry : list) {
    const bool fits =
        entry.is_number_unsigned() && entry.get<std::uint64_t>() <= std::numeric_limits<int>::max();
    if (!fits) {
      return error("entry " + std::to_string(ids.size()) +
                   " is not a token id (an integer from 0)");
    }
    ids.push_back(entry.get<int>());
  }
  return ids;
}

}  // namespace redknot::cli
