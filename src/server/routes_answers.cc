// SPDX-License-Identifier: Apache-2.0
// Routes that generate text, in three dialects.
#include <utility>

#include "server/response_sender.h"
#include "server/service.h"
#include "server/start_request.h"
#include "server/workers.h"

namespace redknot::server {

Service::Answered Service::answer_with(Call& call, StartRequest start) {
  UnderWay::Answer self(under_way_);
  const RequestContext context{model_, terms_, call.tenant, segment_texts_, call.request.id};
  std::function<ApiResult<StartedRequest>()> begin = [&context, &call, start] {
    return start(context, call.request.body);
  };
  ApiResult<StartedRequest> started = co_await run_on(workers_, std::move(begin));
  if (!started.ok()) {
    ApiError error = started.error();
    co_await fail(call, std::move(error));
    co_return;
  }
  Outcome outcome = co_await send_response(std::move(*started), call.exchange, metrics_, self);
  call.line.tokens = outcome.tokens;
  call.line.status = outcome.status;
  if (outcome.failed) call.line.error = outcome.failed->message;
  if (!outcome.is_refused) co_return;
  ApiError refused = std::move(*outcome.failed);
  co_await fail(call, std::move(refused));
}

Service::Answered Service::chat_completions(Call& call) { return answer_with(call, start_chat); }

Service::Answered Service::completions(Call& call) { return answer_with(call, start_completion); }

Service::Answered Service::messages(Call& call) { return answer_with(call, start_messages); }

}  // namespace redknot::server
