// SPDX-License-Identifier: Apache-2.0
// An Acceptor takes the bytes of an answer one after the other, as long as a grammar allows them.
//
// All ways to read what came are followed at once. A way is a state and the frame of the rule that
// it is a state of; a frame knows all that wait for its rule's return. There is one frame for each
// rule and each place it was called at, however many called it there, so that ambiguous grammars
// take polynomial time. Bytes can be taken back, for looking ahead. Each constrained answer owns
// one, which the step loop calls through engine/answer_constraint.h; one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "grammar/grammar.h"

namespace redknot::grammar {

class Acceptor {
 public:
  explicit Acceptor(std::shared_ptr<const Grammar> grammar);

  // The answer goes on with these bytes, or nothing changes and the result is false.
  bool accept(std::string_view bytes);
  // The answer may end here.
  bool may_end() const { return levels_.back().may_end; }
  // Nothing can follow.
  bool is_complete() const;

  // Looking ahead: each push that returned true is undone by one pop. Requires none of them to be
  // outstanding for accept().
  bool push(std::uint8_t byte);
  void pop();
  // Follows from here only the ways that are not in a string; always pushes.
  void push_outside_strings();
  // The most plain characters that may come next as part of a string.
  int plain_characters() const;
  // Equal positions of one acceptor go on alike.
  struct Position {
    std::uint64_t drops = 0;
    std::vector<std::uint32_t> ways{};
    bool operator==(const Position&) const = default;
  };
  Position position() const;
  // Ways followed by all pushes so far: a measure of time.
  std::uint64_t work() const { return work_; }
  std::size_t frames() const { return frames_.size(); }

 private:
  struct Way {
    std::uint32_t state = 0, frame = 0;
    std::uint32_t before = kDead;  // the way of the same level and frame that was added before
  };
  struct Frame {
    std::uint32_t rule = 0;
    std::uint32_t first_waiting = kDead;  // in waiting_
    std::uint32_t last_way = kDead;       // in ways_; of any level, also of one that is gone
  };
  // What goes on when a frame returns.
  struct Waiting {
    std::uint32_t state = 0, frame = 0;
    std::uint32_t next = kDead;  // of the same frame
  };
  // After each byte: the ways, and where what this byte brought begins.
  struct Level {
    std::size_t first_way = 0, first_frame = 0, first_waiting = 0;
    bool may_end = false;
  };

  const Way* begin() const { return ways_.data() + levels_.back().first_way; }
  const Way* end() const { return ways_.data() + ways_.size(); }
  void open_level();
  void add(std::uint32_t state, std::uint32_t frame);
  std::uint32_t frame_of(std::uint32_t rule) const;
  void follow();
  void call(const Call& call, std::uint32_t caller);
  void commit();
  void drop_unreachable();

  std::shared_ptr<const Grammar> grammar_;
  std::vector<std::uint32_t> last_frames_;  // by rule, as Frame::last_way
  std::vector<Frame> frames_;               // the first is that of the whole answer
  std::vector<Waiting> waiting_;
  std::vector<Way> ways_;
  std::vector<Level> levels_;
  std::size_t frames_kept_ = 0;  // when unreachable ones were dropped last
  std::uint64_t drops_ = 0;      // how often that was: it gives frames other numbers
  std::uint64_t work_ = 0;
};

}  // namespace redknot::grammar
