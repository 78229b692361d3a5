// SPDX-License-Identifier: Apache-2.0
#include "cli/output.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace redknot::cli {
namespace {

// 0, or the errno of the write that failed.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return 0;
}

}  // namespace

void reserve_standard_descriptors() {
  for (const int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(descriptor, F_GETFD) != -1) continue;
    ::open("/dev/null", descriptor == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // the lowest free one
  }
}

Status print(std::string_view text) {
  const int error = write_all(STDOUT_FILENO, text);
  if (error == 0) return Done{};
  return Error(ErrorCode::kIo, std::string("write standard output: ") + std::strerror(error));
}

void note(std::string_view message) { print_aside("redknot: " + std::string(message) + "\n"); }

void print_aside(std::string_view text) { write_all(STDERR_FILENO, text); }

std::string format(const char* pattern, ...) {
  std::va_list arguments, again;
  va_start(arguments, pattern);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, pattern, arguments);
  va_end(arguments);
  std::string out(size > 0 ? static_cast<std::size_t>(size) : 0, '\0');
  std::vsnprintf(out.data(), out.size() + 1, pattern, again);
  va_end(again);
  return out;
}

std::string human_bytes(std::size_t bytes) {
  if (bytes < 1024) return format("%zu B", bytes);
  const char* const units[] = {"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  double value = static_cast<double>(bytes) / 1024;
  int unit = 0;
  for (; value >= 1024 && unit < 5; ++unit) value /= 1024;
  return format("%.2f %s", value, units[unit]);
}

void note_recording(const Stats& stats) {
  if (stats.recording_stopped.empty()) return;
  note(format("recording stopped after %llu steps: %s",
              static_cast<unsigned long long>(stats.recorded_steps),
              stats.recording_stopped.c_str()));
}

std::vector<std::string> kv_names(std::vector<std::string> others) {
  for (const KvFormat format : kKvFormats) others.emplace_back(name(format));
  return others;
}

std::optional<KvFormat> kv_from_name(std::string_view text) {
  for (const KvFormat format : kKvFormats) {
    if (name(format) == text) return format;
  }
  return std::nullopt;
}

}  // namespace redknot::cli
