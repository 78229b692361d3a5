// SPDX-License-Identifier: Apache-2.0
#include "cli/served_model.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <thread>
#include <utility>

namespace redknot::cli {
namespace {

constexpr std::string_view kListening = "listening on ";
constexpr std::string_view kOurs = "redknot: ";
constexpr std::string_view kAdvice = "redknot: see redknot ";
constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kBetweenLooks = std::chrono::milliseconds(20);
constexpr std::size_t kMostLineBytes = 4096;

// Only what is allowed between fork and exec.
[[noreturn]] void become(const std::vector<char*>& arguments, int errors, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  ::dup2(errors, STDERR_FILENO);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  std::signal(SIGINT, SIG_DFL);
  ::execv("/proc/self/exe", arguments.data());
  ::_exit(127);
}

// Reads lines from a descriptor.
class Lines {
 public:
  explicit Lines(int descriptor) : descriptor_(descriptor) {}

  // False at the end.
  bool next(std::string& line) {
    for (;;) {
      if (const std::size_t end = text_.find('\n'); end != std::string::npos) {
        line = text_.substr(0, end);
        text_.erase(0, end + 1);
        return true;
      }
      if (text_.size() > kMostLineBytes) text_.clear();
      std::array<char, 4096> piece;
      const ssize_t got = ::read(descriptor_, piece.data(), piece.size());
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) return false;
      text_.append(piece.data(), static_cast<std::size_t>(got));
    }
  }

 private:
  int descriptor_;
  std::string text_;
};

}  // namespace

struct ServedModel::State {
  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();
  void drain();  // reads and forgets what the server says from now on

  pid_t process = -1;
  int errors = -1;  // the end of the pipe that we read
  std::string url{};
  std::thread reader{};
};

ServedModel::State::~State() {
  if (process > 0) {
    ::kill(process, SIGTERM);
    const auto limit = std::chrono::steady_clock::now() + kPatience;
    while (::waitpid(process, nullptr, WNOHANG) == 0) {
      if (std::chrono::steady_clock::now() > limit) {
        ::kill(process, SIGKILL);
        ::waitpid(process, nullptr, 0);
        break;
      }
      std::this_thread::sleep_for(kBetweenLooks);
    }
  }
  if (reader.joinable()) reader.join();
  if (errors >= 0) ::close(errors);
}

void ServedModel::State::drain() {
  reader = std::thread([descriptor = errors] {
    std::string line;
    for (Lines lines(descriptor); lines.next(line);) {
    }
  });
}

ServedModel::ServedModel(std::unique_ptr<State> state) : state_(std::move(state)) {}
ServedModel::ServedModel(ServedModel&&) noexcept = default;
ServedModel& ServedModel::operator=(ServedModel&&) noexcept = default;
ServedModel::~ServedModel() = default;

const std::string& ServedModel::url() const { return state_->url; }
int ServedModel::process() const { return state_->process; }

Result<ServedModel> ServedModel::start(const std::string& model,
                                       const std::vector<std::string>& serve_options) {
  std::vector<std::string> words = {"redknot", "serve", "-m", model, "--port", "0"};
  words.insert(words.end(), serve_options.begin(), serve_options.end());
  std::vector<char*> arguments;
  arguments.reserve(words.size() + 1);
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);

  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
    return Error(ErrorCode::kIo, std::string("start redknot serve: ") + std::strerror(errno));
  }
  auto state = std::make_unique<State>();
  state->errors = pipe[0];
  const pid_t parent = ::getpid();
  state->process = ::fork();
  if (state->process == 0) become(arguments, pipe[1], parent);
  ::close(pipe[1]);
  if (state->process < 0) {
    return Error(ErrorCode::kIo, std::string("start redknot serve: ") + std::strerror(errno));
  }
  Lines lines(state->errors);
  std::string last = "it ended at once";
  for (std::string line; lines.next(line);) {
    const std::size_t at = line.find(kListening);
    if (at == std::string::npos) {
      // Behind a wrong option comes where to read about them, which is not the cause.
      if (line.empty() || line.starts_with(kAdvice)) continue;
      last = line.substr(line.starts_with(kOurs) ? kOurs.size() : 0);
      continue;
    }
    state->url = line.substr(at + kListening.size());
    state->url.resize(std::min(state->url.size(), state->url.find_first_of(" ,\r")));
    state->drain();
    return ServedModel(std::move(state));
  }
  return Error(ErrorCode::kUnavailable, "start redknot serve: " + last);
}

}  // namespace redknot::cli
