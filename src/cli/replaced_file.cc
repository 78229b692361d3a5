// SPDX-License-Identifier: Apache-2.0
#include "cli/replaced_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

namespace redknot::cli {
namespace {

Error write_error(const std::filesystem::path& path, int error) {
  return {error == ENOENT ? ErrorCode::kNotFound : ErrorCode::kIo,
          "write " + path.string() + ": " + std::strerror(error)};
}

// A rename would put a file in the place of a link or a device.
Result<std::filesystem::path> target_of(const std::filesystem::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) return write_error(path, errno);
    return path;
  }
  if (!S_ISREG(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, "write " + path.string() + ": not a regular file");
  }
  if (::access(path.c_str(), W_OK) != 0) return write_error(path, errno);
  std::error_code error;
  std::filesystem::path target = std::filesystem::canonical(path, error);
  if (error) return write_error(path, error.value());
  return target;
}

// A file of our own beside the target; its name is removed when this goes away.
class Temporary {
 public:
  explicit Temporary(const std::filesystem::path& target)
      : path_(target.string() + ".part" + std::to_string(::getpid())),
        descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666)),
        open_error_(descriptor_ < 0 ? errno : 0) {}
  Temporary(const Temporary&) = delete;
  Temporary& operator=(const Temporary&) = delete;
  ~Temporary() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (open_error_ == 0) ::unlink(path_.c_str());
  }

  int open_error() const { return open_error_; }

  // 0, or the errno of what failed.
  int write(std::string_view text) {
    while (!text.empty()) {
      const ssize_t written = ::write(descriptor_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return errno;
      text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(descriptor_) != 0) return errno;
    const int closed = ::close(descriptor_);
    descriptor_ = -1;
    return closed == 0 ? 0 : errno;
  }

  int rename_to(const std::filesystem::path& target) const {
    return ::rename(path_.c_str(), target.c_str()) == 0 ? 0 : errno;
  }

 private:
  std::string path_;
  int descriptor_;
  int open_error_;
};

}  // namespace

Status check_replaceable(const std::filesystem::path& path) {
  REDKNOT_TRY(const std::filesystem::path target, target_of(path));
  const Temporary temporary(target);
  if (temporary.open_error() != 0) return write_error(path, temporary.open_error());
  return Done{};
}

Status replace_file(const std::filesystem::path& path, std::string_view text) {
  REDKNOT_TRY(const std::filesystem::path target, target_of(path));
  Temporary temporary(target);
  int error = temporary.open_error();
  if (error == 0) error = temporary.write(text);
  if (error == 0) error = temporary.rename_to(target);
  if (error != 0) return write_error(path, error);
  return Done{};
}

}  // namespace redknot::cli
