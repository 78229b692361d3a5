// SPDX-License-Identifier: Apache-2.0
#include "engine/capacity.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "base/error.h"
#include "kv/peak_pages.h"
#include "runtime/single_sequence.h"

namespace redknot {
namespace {

// Pages for the most sessions that so many bytes hold: all but one at their full length, that one
// at its peak. For none, a page of each format in use: the least that a pool can have.
PageCounts pages_for_sessions(std::size_t kv_bytes, const PageCounts& held, const PageCounts& peak,
                              const PageShape& shape) {
  const auto session = static_cast<double>(shape.bytes(held));
  const double extra = static_cast<double>(shape.bytes(peak)) - session;
  const double sessions = std::floor((static_cast<double>(kv_bytes) - extra) / session);
  constexpr double kMost = std::numeric_limits<int>::max();
  PageCounts pages{};
  for (std::size_t i = 0; i < pages.size(); ++i) {
    const double count = sessions * held[i] + (peak[i] - held[i]);
    pages[i] = sessions < 1 ? std::min(held[i], 1) : static_cast<int>(std::min(count, kMost));
  }
  return pages;
}

class Filling {
 public:
  Filling(EngineCore& core, int tokens) : core_(core), tokens_(tokens) {}

  // Until the pool has no more: each session at its full length but the last token.
  void allocate() {
    for (;;) {
      SingleSequence session(core_.host(), core_.profile());
      if (!grow(session)) return;
      sessions_.push_back(std::move(session));
    }
  }

  Status decode_each() {
    for (SingleSequence& session : sessions_) {
      const TokenId any{0};
      const std::vector<float> logits = session.compute(tokens_ - 1, {&any, 1}, 0);
      session.kv().forget(session.length());
      const bool finite =
          std::all_of(logits.begin(), logits.end(), [](float x) { return std::isfinite(x); });
      if (!finite) return invalid("decode from a session: its logits are not finite");
    }
    return Done{};
  }

  int sessions() const { return static_cast<int>(sessions_.size()); }

 private:
  bool grow(SingleSequence& session) const {
    while (session.length() < tokens_ - 1) {
      const int chunk = std::min(core_.max_step_tokens(), tokens_ - 1 - session.length());
      if (!session.reserve(chunk).ok()) return false;
    }
    return session.kv().extend(1).ok();
  }

  EngineCore& core_;
  int tokens_;
  std::vector<SingleSequence> sessions_;
};

}  // namespace

Result<Capacity> measure_capacity(const EngineOptions& options) {
  CoreOptions core_options;
  std::size_t session_bytes = 0;
  core_options.pages = [&](const Model& model, const HeadProfile& profile, int context_tokens) {
    const PageShape shape = page_shape(profile, options.page_tokens, model.config().head_dim);
    const PageCounts held = peak_pages(profile, shape, context_tokens, 1);
    const PageCounts peak = peak_pages(profile, shape, context_tokens, options.max_step_tokens);
    session_bytes = shape.bytes(held);
    return pages_for_sessions(options.kv_bytes, held, peak, shape);
  };
  REDKNOT_TRY(const std::unique_ptr<EngineCore> core, EngineCore::open(options, core_options));
  Filling filling(*core, core->context_tokens());
  filling.allocate();
  REDKNOT_RETURN_IF_ERROR(filling.decode_each());
  return Capacity{.sessions = filling.sessions(), .bytes_per_session = session_bytes};
}

}  // namespace redknot
