// SPDX-License-Identifier: Apache-2.0
#include "cli/chat_command.h"

#include <unistd.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <utility>

#include "chat/answer_parser.h"
#include "cli/conversation.h"
#include "cli/input.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/output.h"
#include "cli/own_engine.h"
#include "cli/progress_printer.h"

namespace redknot::cli {
namespace {

constexpr char kHelp[] =
    "/doc FILE   adds a document to what is said next\n"
    "/reset      forgets what was said, and the documents\n"
    "/help       lists these\n"
    "/exit       ends\n";

// Rung by the engine's thread for every piece, and by Ctrl-C.
class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    rung_ = true;
    ringing_.notify_one();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    ringing_.wait(lock, [this] { return rung_; });
    rung_ = false;
  }

 private:
  std::mutex mutex_;
  std::condition_variable ringing_;
  bool rung_ = false;
};

// The model as a partner: what makes prompts, and what reads answers.
struct Partner {
  Engine engine;
  chat::ChatModel model;
  chat::AnswerStyle style{};
  std::shared_ptr<const chat::MarkerSet> special{};
  Request terms{};  // all of a request but the prompt
};

// Grey on a terminal.
void say_aside(std::string_view text) {
  const bool is_terminal = ::isatty(STDERR_FILENO) != 0;
  const std::string line =
      (is_terminal ? "\033[2m" : "") + std::string(text) + (is_terminal ? "\033[0m" : "");
  print_aside(line);
}

std::string timings(const Usage& usage) {
  std::string text = format("[%d tokens", usage.generated_tokens);
  if (usage.generated_tokens > 1 && usage.generation_seconds > 0) {
    text += format(", %.1f tokens/s", (usage.generated_tokens - 1) / usage.generation_seconds);
  }
  text += format("; prompt %d: %d at hand", usage.prompt_tokens, usage.prefix_tokens);
  if (usage.adopted_tokens > 0) {
    text += format(", %d of documents, %d of them computed again", usage.adopted_tokens,
                   usage.recovered_tokens);
  }
  return text +
         format(", %d new; first token after %.2f s]\n", usage.new_tokens, usage.prompt_seconds);
}

struct Answer {
  std::string content{};
  Usage usage{};
  bool interrupted = false;
};

Status show(const chat::AnswerDelta& delta, Answer& answer) {
  if (!delta.reasoning.empty()) say_aside(delta.reasoning);
  answer.content += delta.content;
  return print(delta.content);
}

// Prints an answer while it comes, until its end or Ctrl-C.
Result<Answer> receive(const Partner& partner, const std::string& prompt, Generation generation,
                       const std::shared_ptr<Bell>& bell, const InterruptScope& interrupt) {
  Answer answer;
  chat::AnswerParser parser(
      {.style = partner.style, .prompt_end = prompt, .special = partner.special});
  generation.notify([bell] { bell->ring(); });
  FinishReason finish = FinishReason::kNone;
  while (finish == FinishReason::kNone && !interrupt.interrupted()) {
    bell->wait();
    std::optional<Piece> piece;
    while (!interrupt.interrupted() && (piece = generation.try_next())) {
      finish = piece->finish;
      REDKNOT_RETURN_IF_ERROR(show(parser.read(piece->text), answer));
    }
  }
  generation.notify(nullptr);
  answer.interrupted = interrupt.interrupted();
  answer.usage = generation.usage();
  if (finish == FinishReason::kError) {
    if (generation.error()) return generation.error()->within("answer");
    return Error(ErrorCode::kIo, "answer: the engine gave no reason");
  }
  REDKNOT_RETURN_IF_ERROR(show(parser.finish(), answer));
  return answer;
}

class Chat {
 public:
  Chat(Partner& partner, const ChatOptions& options)
      : partner_(partner), options_(options), conversation_(partner.model, options.system) {}

  Status add_document(const std::string& path) {
    REDKNOT_TRY(std::string text, read_input(path));
    while (text.ends_with('\n')) text.pop_back();
    if (text.empty()) return Error(ErrorCode::kInvalidArgument, "read " + path + ": it is empty");
    conversation_.add_document(std::move(text));
    return Done{};
  }

  // What one line of the user asks for. False: the end.
  Result<bool> take(const std::string& line) {
    if (line == "/exit" || line == "/quit") return false;
    if (line.find_first_not_of(" \t\n") == std::string::npos) return true;
    if (line == "/reset") {
      conversation_.reset();
    } else if (line == "/help") {
      print_aside(kHelp);
    } else if (line.starts_with("/doc ")) {
      REDKNOT_RETURN_IF_ERROR(add_document(line.substr(line.find_first_not_of(' ', 4))));
    } else if (line.starts_with('/')) {
      return Error(ErrorCode::kInvalidArgument,
                   line.substr(0, line.find_first_of(" \n")) +
                       " is no command: /help lists them; with a space in front it is said");
    } else {
      REDKNOT_RETURN_IF_ERROR(answer(line));
    }
    return true;
  }

 private:
  Status answer(const std::string& line) {
    Result<Answer> answer = ask(line);
    if (!answer.ok() || answer->content.empty()) conversation_.take_back();
    if (!answer.ok()) return answer.error();
    REDKNOT_RETURN_IF_ERROR(print(answer->content.ends_with('\n') ? "" : "\n"));
    if (!options_.no_perf) say_aside(timings(answer->usage));
    if (!answer->content.empty()) conversation_.answered(std::move(answer->content));
    return Done{};
  }

  Result<Answer> ask(const std::string& line) {
    const auto bell = std::make_shared<Bell>();
    const InterruptScope interrupt([bell] { bell->ring(); });
    REDKNOT_TRY(chat::ChatPrompt prompt, conversation_.say(line));
    Request request = partner_.terms;
    request.prompt = std::move(prompt.parts);
    request.add_bos = prompt.add_bos;
    REDKNOT_TRY(Generation generation, partner_.engine.generate(std::move(request)));
    return receive(partner_, prompt.text, std::move(generation), bell, interrupt);
  }

  Partner& partner_;
  const ChatOptions& options_;
  Conversation conversation_;
};

Result<Request> terms_of(const ChatOptions& options, const SamplingDefaults& defaults) {
  Request request;
  apply_reuse(options.reuse, request);
  request.max_tokens = options.max_tokens;
  REDKNOT_TRY(request.sampling, chosen_sampling(options.sampling, defaults));
  request.sampling.seed = chosen_seed(options.sampling, request.sampling.temperature > 0);
  return request;
}

Result<Partner> meet(const ChatOptions& options, Engine engine) {
  REDKNOT_TRY(const SamplingDefaults defaults,
              file_defaults(engine.model(), options.sampling.generation_config));
  REDKNOT_TRY(auto model, chat::chat_model(engine.model(), engine.tokenizer(), {}));
  if (!model) {
    return Error(ErrorCode::kUnsupported,
                 "chat: the model has no chat template; redknot run goes on with its text");
  }
  if (!defaults.empty()) note("sampling, from the model's files: " + described(defaults));
  Partner partner{.engine = std::move(engine), .model = std::move(*model)};
  partner.style = chat::answer_style(partner.model.chat_template.source());
  partner.special = chat::special_markers(partner.model.specials.all());
  REDKNOT_TRY(partner.terms, terms_of(options, defaults));
  partner.terms.show_special = chat::needs_special_text(partner.style, /*with_tools=*/false);
  return partner;
}

Result<Engine> open_engine(const ChatOptions& options) {
  ProgressPrinter progress;
  return Engine::open(own_engine(options, progress));
}

}  // namespace

Result<ExitCode> chat(const ChatOptions& options) {
  REDKNOT_TRY(Engine engine, open_engine(options));
  REDKNOT_TRY(Partner partner, meet(options, std::move(engine)));
  Chat chat(partner, options);
  for (const std::string& path : options.documents) {
    REDKNOT_RETURN_IF_ERROR(chat.add_document(path));
  }
  LineReader lines;
  if (lines.is_terminal()) say_aside("/help lists commands, Ctrl-D ends.\n");
  for (;;) {
    const LineReader::Line line = lines.read();
    if (line.came == LineReader::Came::kEnd) return ExitCode::kSuccess;
    if (line.came == LineReader::Came::kInterrupt) return ExitCode::kInterrupted;
    const Result<bool> goes_on = chat.take(line.text);
    if (goes_on.ok() && !*goes_on) return ExitCode::kSuccess;
    if (goes_on.ok()) continue;
    // Who types reads it and goes on; a script should not.
    if (!lines.is_terminal()) return goes_on.error();
    note(goes_on.error().message());
  }
}

}  // namespace redknot::cli
