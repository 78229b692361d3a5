// SPDX-License-Identifier: Apache-2.0
#include "cli/run_prompt.h"

#include <cstddef>
#include <optional>
#include <utility>

#include "cli/input.h"
#include "cli/output.h"
#include "cli/rendered_chat.h"
#include "eval/prompt_format.h"

namespace redknot::cli {
namespace {

Result<PromptPart> read_prompt(const RunOptions& options) {
  if (options.tokens_file) {
    REDKNOT_TRY(const std::string json, read_input(*options.tokens_file));
    REDKNOT_TRY(std::vector<int> ids, parse_token_ids(json, *options.tokens_file));
    if (ids.empty()) {
      return Error(ErrorCode::kInvalidArgument,
                   "read token ids from " + *options.tokens_file + ": there are none");
    }
    return token_part(std::move(ids));
  }
  PromptPart part{.parse_special = !options.no_parse_special};
  if (options.prompt) {
    part.text = *options.prompt;
    return part;
  }
  REDKNOT_TRY(part.text, read_input(*options.prompt_file));
  if (!part.text.empty() && part.text.back() == '\n') part.text.pop_back();
  return part;
}

// What stands in a document is text, also where it looks like a special token.
Status take_literally(const std::string& document, const Tokenizer& tokenizer, PromptPart& part) {
  REDKNOT_TRY(const std::vector<int> parsed, tokenizer.tokenize(document, false, true));
  REDKNOT_TRY(const std::vector<int> literal, tokenizer.tokenize(document, false, false));
  const std::size_t at = part.text.rfind(document);
  if (parsed == literal || at == std::string::npos) return Done{};
  REDKNOT_TRY(part.tokens, tokenizer.tokenize(part.text.substr(0, at), false, true));
  part.tokens.insert(part.tokens.end(), literal.begin(), literal.end());
  REDKNOT_TRY(const std::vector<int> rest,
              tokenizer.tokenize(part.text.substr(at + document.size()), false, true));
  part.tokens.insert(part.tokens.end(), rest.begin(), rest.end());
  return Done{};
}

// Documents and a question about them, as redknot eval writes them.
Result<RunPrompt> plain_documents(const RunInput& input, const Tokenizer& tokenizer) {
  corpus::Sample sample;
  sample.documents = input.documents;
  sample.turns.push_back({.question = input.prompt.text, .answer = {}});
  const eval::PromptFormat format = eval::prompt_format_for(tokenizer);
  RunPrompt out;
  out.parts = eval::make_request(format, eval::write_pieces(format, sample, 0)).prompt;
  auto document = sample.documents.begin();
  for (PromptPart& part : out.parts) {
    if (part.reusable) REDKNOT_RETURN_IF_ERROR(take_literally(*document++, tokenizer, part));
  }
  return out;
}

Result<RunPrompt> through_template(const RunOptions& options, RunInput input,
                                   const chat::ChatModel& model) {
  if (model.specials.appear_in(input.prompt.text)) {
    note("text of special tokens in the prompt is taken as text; --raw takes the prompt as it is");
  }
  chat::ChatRequest request;
  if (options.system) request.messages.push_back(chat_message("system", *options.system));
  request.messages.push_back(chat_message("user", std::move(input.prompt.text)));
  for (std::string& text : input.documents) {
    request.documents.push_back(chat_document(std::move(text)));
  }
  REDKNOT_TRY(chat::ChatPrompt prompt, rendered(request, model));
  return RunPrompt{.parts = std::move(prompt.parts),
                   .add_bos = prompt.add_bos,
                   .is_chat = true,
                   .text = std::move(prompt.text)};
}

Result<RunPrompt> raw_prompt(const RunOptions& options, RunInput input, const Engine& engine) {
  const Tokenizer* tokenizer = engine.tokenizer();
  if (options.system) {
    return Error(ErrorCode::kUnsupported, "--system: the model has no chat template");
  }
  if (!input.documents.empty() && tokenizer == nullptr) {
    return Error(ErrorCode::kUnsupported, "--doc: the model has no tokenizer");
  }
  if (!input.documents.empty()) return plain_documents(input, *tokenizer);
  RunPrompt out;
  out.text = input.prompt.text;
  if (!input.prompt.tokens.empty() && tokenizer != nullptr) {
    REDKNOT_TRY(out.text, tokenizer->detokenize(input.prompt.tokens, /*show_special=*/true));
  }
  out.parts.push_back(std::move(input.prompt));
  return out;
}

}  // namespace

Result<RunInput> read_run_input(const RunOptions& options) {
  RunInput out;
  REDKNOT_TRY(out.prompt, read_prompt(options));
  for (const std::string& path : options.documents) {
    REDKNOT_TRY(std::string text, read_input(path));
    if (!text.empty() && text.back() == '\n') text.pop_back();
    out.documents.push_back(std::move(text));
  }
  return out;
}

Result<RunPrompt> run_prompt(const RunOptions& options, RunInput input, const Engine& engine) {
  if (!options.raw && input.prompt.tokens.empty()) {
    auto model = chat::chat_model(engine.model(), engine.tokenizer(), {});
    if (!model.ok()) {
      return Error(model.error().code(),
                   model.error().message() + "; --raw goes on without the template");
    }
    if (*model) {
      REDKNOT_TRY(RunPrompt out, through_template(options, std::move(input), **model));
      out.add_bos = out.add_bos && !options.no_bos;
      return out;
    }
  }
  REDKNOT_TRY(RunPrompt out, raw_prompt(options, std::move(input), engine));
  out.add_bos = !options.no_bos;
  return out;
}

}  // namespace redknot::cli
