// SPDX-License-Identifier: Apache-2.0
#include "grammar/acceptor.h"

#include <algorithm>
#include <utility>

namespace redknot::grammar {
namespace {

constexpr std::size_t kFramesBetweenDrops = 4096;

}  // namespace

Acceptor::Acceptor(std::shared_ptr<const Grammar> grammar)
    : grammar_(std::move(grammar)), last_frames_(grammar_->starts.size(), kDead) {
  open_level();
  frames_.push_back({.rule = grammar_->root});
  last_frames_[grammar_->root] = 0;
  add(grammar_->starts[grammar_->root], 0);
  follow();
}

void Acceptor::open_level() {
  levels_.push_back({ways_.size(), frames_.size(), waiting_.size(), false});
}

// A way that is there already is not added again. What was added last for a frame is remembered
// across levels; it counts only if it belongs to this one.
void Acceptor::add(std::uint32_t state, std::uint32_t frame) {
  const auto in_level = [this, frame](std::uint32_t way) {
    return way >= levels_.back().first_way && way < ways_.size() && ways_[way].frame == frame;
  };
  const std::uint32_t last = frames_[frame].last_way;
  const std::uint32_t before = in_level(last) ? last : kDead;
  ++work_;
  for (std::uint32_t way = before; way != kDead; way = ways_[way].before) {
    if (ways_[way].state == state) return;
    ++work_;
  }
  frames_[frame].last_way = static_cast<std::uint32_t>(ways_.size());
  ways_.push_back({state, frame, before});
}

// Calls and returns of all ways of the last level, also of those that they bring.
void Acceptor::follow() {
  for (std::size_t i = levels_.back().first_way; i < ways_.size(); ++i) {
    const Way way = ways_[i];
    const State& state = grammar_->states[way.state];
    if (state.returns) {
      levels_.back().may_end |= way.frame == 0;
      // No rule is empty, so a frame that returns was opened by an earlier byte, and all that wait
      // for it are known.
      for (std::uint32_t at = frames_[way.frame].first_waiting; at != kDead;) {
        const Waiting waiting = waiting_[at];
        add(waiting.state, waiting.frame);
        at = waiting.next;
      }
    }
    for (std::uint32_t c = 0; c < state.call_count; ++c) {
      const Call& one = grammar_->calls[state.first_call + c];
      call(one, way.frame);
    }
  }
}

// The frame of a rule that was opened in this level; kDead if there is none.
std::uint32_t Acceptor::frame_of(std::uint32_t rule) const {
  const std::uint32_t last = last_frames_[rule];
  const bool in_level = last >= levels_.back().first_frame && last < frames_.size();
  return in_level && frames_[last].rule == rule ? last : kDead;
}

void Acceptor::call(const Call& call, std::uint32_t caller) {
  ++work_;
  std::uint32_t frame = frame_of(call.rule);
  const bool is_first = frame == kDead;
  if (is_first) {
    frame = static_cast<std::uint32_t>(frames_.size());
    frames_.push_back({.rule = call.rule});
    last_frames_[call.rule] = frame;
  }
  waiting_.push_back({call.return_state, caller, frames_[frame].first_waiting});
  frames_[frame].first_waiting = static_cast<std::uint32_t>(waiting_.size() - 1);
  if (is_first) add(grammar_->starts[call.rule], frame);
}

bool Acceptor::push(std::uint8_t byte) {
  const std::size_t first = levels_.back().first_way, last = ways_.size();
  open_level();
  for (std::size_t i = first; i < last; ++i) {
    const Way way = ways_[i];
    ++work_;
    const std::uint32_t state = grammar_->after(way.state, byte);
    if (state != kDead) add(state, way.frame);
  }
  if (ways_.size() == last) {
    levels_.pop_back();
    return false;
  }
  follow();
  return true;
}

void Acceptor::pop() {
  const Level& level = levels_.back();
  ways_.resize(level.first_way);
  frames_.resize(level.first_frame);
  waiting_.resize(level.first_waiting);
  levels_.pop_back();
}

void Acceptor::push_outside_strings() {
  const std::size_t first = levels_.back().first_way, last = ways_.size();
  open_level();
  for (std::size_t i = first; i < last; ++i) {
    const Way way = ways_[i];
    if (!grammar_->states[way.state].in_string) ways_.push_back({way.state, way.frame});
  }
}

int Acceptor::plain_characters() const {
  int most = 0;
  for (const Way* way = begin(); way != end(); ++way) {
    most = std::max(most, grammar_->states[way->state].plain_characters);
  }
  return most;
}

Acceptor::Position Acceptor::position() const {
  Position out{drops_, {}};
  for (const Way* way = begin(); way != end(); ++way) {
    out.ways.insert(out.ways.end(), {way->state, way->frame});
  }
  return out;
}

bool Acceptor::is_complete() const {
  return may_end() && std::none_of(begin(), end(), [this](const Way& way) {
           return grammar_->states[way.state].goes_on;
         });
}

bool Acceptor::accept(std::string_view bytes) {
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    if (push(static_cast<std::uint8_t>(bytes[i]))) continue;
    for (; i > 0; --i) pop();
    return false;
  }
  commit();
  return true;
}

// Forgets how the last level was reached.
void Acceptor::commit() {
  ways_.erase(ways_.begin(), ways_.begin() + static_cast<std::ptrdiff_t>(levels_.back().first_way));
  const bool may_end = levels_.back().may_end;
  levels_.clear();
  if (frames_.size() > 2 * frames_kept_ + kFramesBetweenDrops) drop_unreachable();
  levels_.push_back({0, frames_.size(), waiting_.size(), may_end});
}

void Acceptor::drop_unreachable() {
  std::vector<std::uint32_t> moved(frames_.size(), kDead);
  std::vector<std::uint32_t> kept = {0};
  moved[0] = 0;
  const auto keep = [&](std::uint32_t frame) {
    if (moved[frame] != kDead) return;
    moved[frame] = static_cast<std::uint32_t>(kept.size());
    kept.push_back(frame);
  };
  for (const Way& way : ways_) keep(way.frame);
  std::vector<Waiting> waiting;
  std::vector<Frame> frames;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    Frame frame = frames_[kept[i]];
    std::uint32_t last = kDead;
    for (std::uint32_t at = frame.first_waiting; at != kDead; at = waiting_[at].next) {
      const Waiting& one = waiting_[at];
      keep(one.frame);
      waiting.push_back({one.state, moved[one.frame], last});
      last = static_cast<std::uint32_t>(waiting.size() - 1);
    }
    frame.first_waiting = last;
    frames.push_back(frame);
  }
  for (Way& way : ways_) way.frame = moved[way.frame];
  frames_ = std::move(frames);
  waiting_ = std::move(waiting);
  frames_kept_ = frames_.size();
  ++drops_;
}

}  // namespace redknot::grammar
