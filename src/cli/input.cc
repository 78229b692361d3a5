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

using Json = nlohmann::json;

// Takes the ids from JSON as it is read, so that no file, however nested, takes more memory than
// its ids. Every function says whether to read on.
class TokenIdReader final : public nlohmann::json_sax<Json> {
 public:
  std::vector<int>& ids() { return ids_; }
  bool found() const { return found_; }
  bool wrong_entry() const { return wrong_entry_; }

  bool number_unsigned(std::uint64_t value) override {
    if (depth_ != list_depth_) return true;
    if (value > std::numeric_limits<int>::max()) return other_value();
    ids_.push_back(static_cast<int>(value));
    return true;
  }
  bool null() override { return other_value(); }
  bool boolean(bool) override { return other_value(); }
  bool number_integer(std::int64_t) override { return other_value(); }
  bool number_float(double, const std::string&) override { return other_value(); }
  bool string(std::string&) override { return other_value(); }
  bool binary(Json::binary_t&) override { return other_value(); }

  bool start_array(std::size_t) override {
    if (!other_value()) return false;
    ++depth_;
    if (depth_ == 1 || (depth_ == 2 && in_tokens_)) list_depth_ = depth_;
    if (depth_ == list_depth_) ids_.clear();
    found_ = found_ || depth_ == list_depth_;
    return depth_ < kMostDepth;
  }
  bool end_array() override {
    if (depth_ == list_depth_) list_depth_ = kNoList;
    --depth_;
    return true;
  }
  bool start_object(std::size_t) override { return other_value() && ++depth_ < kMostDepth; }
  bool end_object() override {
    --depth_;
    return true;
  }
  bool key(std::string& name) override {
    if (depth_ == 1) in_tokens_ = name == "tokens";
    return true;
  }
  bool parse_error(std::size_t, const std::string&, const Json::exception&) override {
    return false;
  }

 private:
  static constexpr int kMostDepth = 100;
  static constexpr int kNoList = -1;
  // What is no id may stand anywhere but in the list.
  bool other_value() { return !(wrong_entry_ = depth_ == list_depth_); }

  std::vector<int> ids_;
  int depth_ = 0;
  int list_depth_ = kNoList;  // depth of the entries of the list that is being read
  bool in_tokens_ = false;    // the latest key of the outer object was "tokens"
  bool found_ = false, wrong_entry_ = false;
};

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
  TokenIdReader reader;
  const bool parsed = Json::sax_parse(json.begin(), json.end(), &reader);
  if (reader.wrong_entry()) {
    return error("entry " + std::to_string(reader.ids().size()) +
                 " is not a token id (an integer from 0)");
  }
  if (!parsed) return error("not valid JSON, or nested too deeply");
  if (!reader.found()) return error("neither a JSON array nor an object with \"tokens\"");
  return std::move(reader.ids());
}

}  // namespace redknot::cli
