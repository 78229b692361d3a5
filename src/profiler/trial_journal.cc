// SPDX-License-Identifier: Apache-2.0
#include "profiler/trial_journal.h"

#include <cerrno>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "base/json_fields.h"

namespace redknot {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kFirstLine = "redknot trial journal 1\n";

std::string line_of(const std::string& key, const Divergence& found) {
  return Json{{"key", key},
              {"positions", found.positions},
              {"kl_mean", found.kl_mean},
              {"kl_p99", found.kl_p99},
              {"kl_p999", found.kl_p999},
              {"same_top1", found.same_top1},
              {"perplexity_ratio", found.perplexity_ratio}}
             .dump() +
         "\n";
}

// Nothing for a line that is damaged: its trial is made again.
std::optional<std::pair<std::string, Divergence>> parse_line(std::string_view line) {
  const Json json = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  const Json& key = member_of(json, "key");
  if (!key.is_string()) return std::nullopt;
  const auto number = [&](const char* name) -> std::optional<double> {
    const Json& value = member_of(json, name);
    if (!value.is_number()) return std::nullopt;
    return value.get<double>();
  };
  const auto positions = number("positions"), mean = number("kl_mean"), p99 = number("kl_p99"),
             p999 = number("kl_p999"), top1 = number("same_top1"),
             ratio = number("perplexity_ratio");
  if (!positions || !mean || !p99 || !p999 || !top1 || !ratio) return std::nullopt;
  if (*positions < 1 || *positions > 9e15) return std::nullopt;
  return std::pair(key.get<std::string>(),
                   Divergence{.positions = static_cast<std::int64_t>(*positions),
                              .kl_mean = *mean,
                              .kl_p99 = *p99,
                              .kl_p999 = *p999,
                              .same_top1 = *top1,
                              .perplexity_ratio = *ratio});
}

Error system_error(const char* attempt, const std::filesystem::path& path) {
  return io_error(attempt, " ", path, ": ", std::strerror(errno));
}

// What stands in the journal: nothing yet if not even its first line was finished.
Result<std::string> read_journal(const std::filesystem::path& path) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::string();
  REDKNOT_TRY(std::string text, read_file(path, kMaxProfileBytes));
  if (text.starts_with(kFirstLine)) return text;
  if (kFirstLine.starts_with(text)) return std::string();
  return invalid("read ", path, ": it is there and no journal of unfinished work");
}

}  // namespace

Result<TrialJournal> TrialJournal::open(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::string text, read_journal(path));
  std::map<std::string, Divergence> found;
  std::size_t whole = 0;  // bytes of whole lines
  for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', whole)) {
    if (auto entry = parse_line(std::string_view(text).substr(whole, end - whole))) {
      found.insert(std::move(*entry));
    }
    whole = end + 1;
  }
  if (text.empty()) {
    REDKNOT_RETURN_IF_ERROR(write_file(path, std::as_bytes(std::span(kFirstLine))));
  } else if (whole < text.size()) {
    std::error_code failed;
    std::filesystem::resize_file(path, whole, failed);
    if (failed) return io_error("shorten ", path, ": ", failed.message());
  }
  TrialJournal journal(path, std::move(found));
  journal.file_.reset(std::fopen(path.c_str(), "ae"));
  if (!journal.file_) return system_error("write", path);
  return journal;
}

std::optional<Divergence> TrialJournal::find(const std::string& key) const {
  const auto found = found_.find(key);
  if (found == found_.end()) return std::nullopt;
  return found->second;
}

Status TrialJournal::add(const std::string& key, const Divergence& found) {
  found_[key] = found;
  const std::string line = line_of(key, found);
  const bool written = std::fwrite(line.data(), 1, line.size(), file_.get()) == line.size() &&
                       std::fflush(file_.get()) == 0;
  if (!written) return system_error("write", path_);
  return Done{};
}

}  // namespace redknot
