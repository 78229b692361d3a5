// SPDX-License-Identifier: Apache-2.0
// Routes that generate text, in three dialects.
#include <utility>

#include "server/answering.h"
#include "server/asking.h"
#include "server/service.h"
#include "server/workers.h"

namespace redknot::server {

Service::Answered Service::answer_with(Call& call, AskFunction ask) {
  UnderWay::Answer self(under_way_);
  const Asker asker{model_, terms_, call.tenant, segment_texts_, call.request.id};
  std::function<ApiResult<Asked>()> begin = [&asker, &call, ask] {
    return ask(asker, call.request.body);
  };
  ApiResult<Asked> asked = co_await run_on(workers_, std::move(begin));
  if (!asked.ok()) {
    ApiError error = asked.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  Outcome outcome = co_await answer_client(std::move(*asked), call.exchange, metrics_, self);
  call.line.tokens = outcome.tokens;
  call.line.status = outcome.status;
  if (outcome.failed) call.line.error = outcome.failed->message;
  if (!outcome.is_refused) co_return;
  ApiError refused = std::move(*outcome.failed);
  co_await fail(call, std::move(refused));
}

Service::Answered Service::chat_completions(Call& call) { return answer_with(call, ask_chat); }

Service::Answered Service::completions(Call& call) { return answer_with(call, ask_completion); }

Service::Answered Service::messages(Call& call) { return answer_with(call, ask_messages); }

}  // namespace redknot::server
