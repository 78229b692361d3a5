// SPDX-License-Identifier: Apache-2.0
#include "server/start_request.h"

#include <chrono>
#include <random>
#include <utility>

#include "chat/required_call.h"
#include "redknot/constraint.h"
#include "server/read_chat.h"
#include "server/read_completion.h"
#include "server/read_messages.h"

namespace redknot::server {
namespace {

std::uint64_t random_seed() {
  thread_local std::mt19937_64 random{std::random_device{}()};
  return random();
}

// The errors of the engine, with the code that clients look for.
ApiError engine_error(const Error& error) {
  ApiError out = api_error(error);
  if (error.code() == ErrorCode::kContextFull) {
    out.code = "context_length_exceeded";
    out.param = "messages";
  }
  return out;
}

void apply_terms(const RequestContext& context, Request& request) {
  request.cache_salt = context.tenant.salt;
  request.kv_quota_bytes = context.terms.kv_quota_bytes;
  request.max_queue_seconds = context.terms.max_queue_seconds;
  request.priority = std::min(request.priority, context.terms.most_priority);
  if (request.max_tokens < 0) request.max_tokens = context.terms.max_tokens;
}

// Queues one prompt. All of its answers are in the queue, or none.
std::optional<ApiError> add_generations(const RequestContext& context, Request request,
                                        StartedRequest& started) {
  auto generations = context.model.engine.generate_several(std::move(request), started.answers);
  if (!generations.ok()) return engine_error(generations.error());
  for (Generation& generation : *generations) started.generations.push_back(std::move(generation));
  return std::nullopt;
}

bool wants_tools(const chat::ChatRequest& request) {
  return !request.tools.empty() && request.tool_choice != chat::ToolChoice::kNone;
}

chat::ParserOptions parser_options(const ApiModel& model, const chat::ChatRequest& request,
                                   const std::string& prompt) {
  chat::ParserOptions options{.style = model.style, .special = model.special};
  options.prompt_end = prompt.substr(prompt.size() - std::min<std::size_t>(prompt.size(), 256));
  if (!wants_tools(request)) return options;
  options.tools.reserve(request.tools.size());
  for (const chat::ChatTool& tool : request.tools) {
    const Json& function = tool.tool["function"];
    const bool has_schema = function.contains("parameters");
    options.tools.push_back({.name = function["name"].get<std::string>(),
                             .parameters = has_schema ? dump_json(function["parameters"]) : ""});
  }
  return options;
}

// Where the prompt has opened the model's reasoning, the answer ends it first.
ApiResult<std::optional<Constraint>> format_constraint(const chat::ChatRequest& request,
                                                       const chat::ReasoningMarks& reasoning,
                                                       std::string_view prompt_end) {
  if (request.response_format == chat::ResponseFormat::kText) return std::optional<Constraint>();
  const bool is_any = request.response_format == chat::ResponseFormat::kJsonObject;
  const std::string schema = is_any ? R"({"type": "object"})" : dump_json(request.schema);
  const bool reasons = chat::trimmed(prompt_end).ends_with(reasoning.open);
  auto constraint = Constraint::framed(reasons ? reasoning.close + "\n\n" : "", schema, "");
  if (constraint.ok()) return std::optional<Constraint>(std::move(*constraint));
  ApiError error = api_error(constraint.error());
  error.param = "response_format.json_schema.schema";
  return error;
}

// How a call of one of the tools is written, from its first byte on.
ApiResult<std::optional<Constraint>> call_constraint(const ApiModel& model,
                                                     const chat::ChatRequest& request,
                                                     const chat::ParserOptions& parser) {
  const bool required = request.tool_choice == chat::ToolChoice::kRequired;
  if (!wants_tools(request) || (!required && request.tool_choice != chat::ToolChoice::kNamed)) {
    return std::optional<Constraint>();
  }
  auto constraint =
      chat::required_call(model.style, parser.tools, request.tool_name, parser.prompt_end);
  if (constraint.ok()) return std::optional<Constraint>(std::move(*constraint));
  ApiError error = api_error(constraint.error());
  error.param = "tool_choice";
  return error;
}

std::optional<ApiError> check_chat(const ApiModel& model, const chat::ChatRequest& request) {
  if (auto error = check_model(model, request.options.model)) return error;
  if (!model.chat) {
    return ApiError{.message =
                        "messages: the model has no chat template; start the server with "
                        "--chat-template-file, or use /v1/completions",
                    .param = "messages"};
  }
  if (wants_tools(request) && model.style.tools == chat::ToolNotation::kNone) {
    return ApiError{.message = "tools: the model's chat template knows no tools", .param = "tools"};
  }
  return std::nullopt;
}

// From a request that was read to generations; the writer is still to be chosen.
ApiResult<StartedRequest> queue_chat(const RequestContext& context, chat::ChatRequest& request) {
  const ApiModel& model = context.model;
  if (auto error = check_chat(model, request)) return *error;
  Read<chat::ChatPrompt> prompt = chat::chat_prompt(request, *model.chat, unix_seconds());
  if (!prompt.ok()) return api_error(prompt.error());
  StartedRequest started{.answers = request.options.answers,
                         .stream = request.options.stream,
                         .logprobs = request.logprobs};
  started.one_call = !request.parallel_tool_calls;
  started.parsers.push_back(parser_options(model, request, prompt->text));
  Request engine = request.options.engine;
  const chat::ParserOptions& parser = started.parsers.front();
  ApiResult<std::optional<Constraint>> constraint =
      format_constraint(request, model.style.reasoning, parser.prompt_end);
  if (!constraint.ok()) return constraint.error();
  ApiResult<std::optional<Constraint>> call = call_constraint(model, request, parser);
  if (!call.ok()) return call.error();
  engine.constraint = *call ? *call : *constraint;
  engine.prompt = std::move(prompt->parts);
  engine.add_bos = prompt->add_bos;
  engine.show_special = chat::needs_special_text(model.style, wants_tools(request));
  apply_terms(context, engine);
  if (auto error = add_generations(context, std::move(engine), started)) return *error;
  return started;
}

AnswerHead head(const RequestContext& context, const char* prefix) {
  return {
      .id = prefix + context.request_id, .model = context.model.name, .created = unix_seconds()};
}

// What an answer that echoes its prompt begins with.
ApiResult<std::string> prompt_text(const RequestContext& context, const PromptPart& prompt) {
  if (prompt.tokens.empty()) return prompt.text;
  const Tokenizer* tokenizer = context.model.engine.tokenizer();
  if (tokenizer == nullptr) return std::string();
  auto text = tokenizer->detokenize(prompt.tokens, true);
  if (!text.ok()) return api_error(text.error());
  return std::move(*text);
}

}  // namespace

std::int64_t unix_seconds() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(now).count();
}

ReadContext read_context(const RequestContext& context) {
  ReadContext out{.random_seed = random_seed(),
                  .sampling = context.terms.sampling,
                  .reuse = context.terms.reuse,
                  .recovery = context.terms.recovery};
  out.find_segment = [&texts = context.segment_texts,
                      salt = context.tenant.salt](const std::string& id) {
    std::optional<SegmentText> found = texts.find(salt, id);
    return found ? std::optional<std::string>(std::move(found->text)) : std::nullopt;
  };
  return out;
}

std::optional<ApiError> check_model(const ApiModel& model, const std::string& name) {
  if (name.empty() || name == model.name) return std::nullopt;
  return ApiError{
      .status = 404,
      .message = "model: \"" + name + "\" is not here; this server has \"" + model.name + "\"",
      .param = "model",
      .code = "model_not_found"};
}

ApiResult<StartedRequest> start_chat(const RequestContext& context, std::string_view body) {
  Read<chat::ChatRequest> request = read_chat(body, read_context(context));
  if (!request.ok()) return api_error(request.error());
  ApiResult<StartedRequest> started = queue_chat(context, *request);
  if (started.ok()) started->writer = chat_writer(head(context, "chatcmpl-"), *request);
  return started;
}

ApiResult<StartedRequest> start_messages(const RequestContext& context, std::string_view body) {
  Read<chat::ChatRequest> request = read_messages(body, read_context(context));
  if (!request.ok()) return api_error(request.error());
  ApiResult<StartedRequest> started = queue_chat(context, *request);
  if (started.ok()) {
    started->writer = messages_writer(head(context, "msg_"), *request, context.request_id);
  }
  return started;
}

ApiResult<StartedRequest> start_completion(const RequestContext& context, std::string_view body) {
  Read<CompletionRequest> request = read_completion(body, read_context(context));
  if (!request.ok()) return api_error(request.error());
  if (auto error = check_model(context.model, request->options.model)) return *error;
  StartedRequest started{.answers = request->options.answers,
                         .stream = request->options.stream,
                         .logprobs = request->logprobs};
  for (const PromptPart& prompt : request->prompts) {
    Request engine = request->options.engine;
    engine.prompt = {prompt};
    apply_terms(context, engine);
    if (auto error = add_generations(context, std::move(engine), started)) {
      if (error->param == "messages") error->param = "prompt";
      return *error;
    }
    if (!request->echo) continue;
    ApiResult<std::string> text = prompt_text(context, prompt);
    if (!text.ok()) return text.error();
    started.echoes.push_back(std::move(*text));
  }
  started.writer = completion_writer(head(context, "cmpl-"), *request);
  return started;
}

}  // namespace redknot::server
