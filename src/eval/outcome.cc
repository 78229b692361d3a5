// SPDX-License-Identifier: Apache-2.0
#include "eval/outcome.h"

#include <chrono>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/queue.h"

namespace redknot::eval {
namespace {

constexpr auto kBetweenLooks = std::chrono::milliseconds(100);

// What a reader waits at: the engine rings it with every piece.
class Bell {
 public:
  explicit Bell(Generation& generation) : generation_(generation) {
    generation_.notify([this] { pieces_.poke(); });
  }
  Bell(const Bell&) = delete;
  Bell& operator=(const Bell&) = delete;
  ~Bell() { generation_.notify(nullptr); }

  // The next piece; nothing if it is time to look whether to stop.
  std::optional<Piece> next() {
    if (auto piece = generation_.try_next()) return piece;
    pieces_.wait_until(std::chrono::steady_clock::now() + kBetweenLooks);
    return generation_.try_next();
  }

 private:
  Generation& generation_;
  BoundedQueue<char> pieces_{1};
};

void append_rows(std::vector<float>& rows, const Piece& piece, std::size_t most_rows) {
  if (piece.logit_rows == 0) return;
  const std::size_t most =
      most_rows * (piece.logits.size() / static_cast<std::size_t>(piece.logit_rows));
  rows.insert(rows.end(), piece.logits.begin(), piece.logits.end());
  if (rows.size() <= most) return;
  rows.erase(rows.begin(), rows.end() - static_cast<std::ptrdiff_t>(most));
}

}  // namespace

Result<Outcome> finish(Generation generation, const Stop& stop, std::size_t logit_rows) {
  Outcome out;
  FinishReason reason = FinishReason::kNone;
  Bell bell(generation);
  while (reason == FinishReason::kNone) {
    if (stop && stop()) return Error(ErrorCode::kCancelled, "interrupted");
    const std::optional<Piece> piece = bell.next();
    if (!piece) continue;
    if (piece->token >= 0) out.tokens.push_back(piece->token);
    out.text += piece->text;
    append_rows(out.logits, *piece, logit_rows);
    reason = piece->finish;
  }
  if (reason == FinishReason::kError) {
    return generation.error() ? *generation.error() : io_error("the engine gave no reason");
  }
  out.usage = generation.usage();
  return out;
}

}  // namespace redknot::eval
