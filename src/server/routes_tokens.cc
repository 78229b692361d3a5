// SPDX-License-Identifier: Apache-2.0
// Text to token ids and back.
#include <utility>

#include "server/read_tokenize.h"
#include "server/service.h"
#include "server/start_request.h"
#include "server/workers.h"

namespace redknot::server {
namespace {

ApiError no_tokenizer() { return {.message = "this model file has no tokenizer"}; }

// BOS in front, if the model's prompts have one.
std::vector<int> with_bos(const Engine& engine, bool wanted) {
  if (wanted && engine.model().add_bos) return {engine.model().bos};
  return {};
}

ApiResult<std::vector<int>> chat_tokens(const RequestContext& context,
                                        const chat::ChatRequest& request) {
  const ApiModel& model = context.model;
  if (!model.chat) {
    return ApiError{.message = "messages: the model has no chat template", .param = "messages"};
  }
  Read<chat::ChatPrompt> prompt = chat::chat_prompt(request, *model.chat, unix_seconds());
  if (!prompt.ok()) return api_error(prompt.error());
  std::vector<int> tokens = with_bos(model.engine, prompt->add_bos);
  for (const PromptPart& part : prompt->parts) {
    auto own = model.engine.tokenizer()->tokenize(part.text, false, part.parse_special);
    if (!own.ok()) return api_error(own.error());
    tokens.insert(tokens.end(), own->begin(), own->end());
  }
  return tokens;
}

ApiResult<std::vector<int>> text_tokens(const Engine& engine, const TokenizeRequest& request) {
  auto tokens =
      engine.tokenizer()->tokenize(request.text, request.add_special, request.parse_special);
  if (!tokens.ok()) return api_error(tokens.error());
  return std::move(*tokens);
}

ApiResult<std::string> tokenize_body(const RequestContext& context, const std::string& body) {
  Read<TokenizeRequest> request = read_tokenize(body, read_context(context));
  if (!request.ok()) return api_error(request.error());
  if (auto error = check_model(context.model, request->model)) return *error;
  const Engine& engine = context.model.engine;
  if (engine.tokenizer() == nullptr) return no_tokenizer();
  ApiResult<std::vector<int>> tokens =
      request->chat ? chat_tokens(context, *request->chat) : text_tokens(engine, *request);
  if (!tokens.ok()) return tokens.error();
  Json json = {
      {"count", tokens->size()}, {"max_model_len", engine.context_tokens()}, {"tokens", *tokens}};
  if (request->with_texts) {
    Json texts = Json::array();
    for (const int token : *tokens) {
      auto text = engine.tokenizer()->detokenize(std::span(&token, 1), true);
      texts.push_back(text.ok() ? *text : std::string());
    }
    json["token_strs"] = std::move(texts);
  }
  return dump_json(json);
}

ApiResult<std::string> detokenize_body(const RequestContext& context, const std::string& body) {
  Read<DetokenizeRequest> request = read_detokenize(body);
  if (!request.ok()) return api_error(request.error());
  if (auto error = check_model(context.model, request->model)) return *error;
  const Tokenizer* tokenizer = context.model.engine.tokenizer();
  if (tokenizer == nullptr) return no_tokenizer();
  auto text = tokenizer->detokenize(request->tokens, true);
  if (!text.ok()) {
    ApiError error = api_error(text.error());
    error.param = "tokens";
    return error;
  }
  return dump_json({{"prompt", *text}, {"content", *text}});
}

}  // namespace

Service::Answered Service::reply_made(Call& call, MakeBody make) {
  const RequestContext context{model_, terms_, call.tenant, segment_texts_, call.request.id};
  std::function<ApiResult<std::string>()> work = [&context, &call, make] {
    return make(context, call.request.body);
  };
  ApiResult<std::string> body = co_await run_on(workers_, std::move(work));
  if (!body.ok()) {
    ApiError error = body.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  http::Reply answer{.body = std::move(*body)};
  co_await reply(call, std::move(answer));
}

Service::Answered Service::tokenize(Call& call) { return reply_made(call, tokenize_body); }

Service::Answered Service::detokenize(Call& call) { return reply_made(call, detokenize_body); }

}  // namespace redknot::server
