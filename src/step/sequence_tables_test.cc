// SPDX-License-Identifier: Apache-2.0
// Tables that are kept in step by changes alone equal those of the sequences that made the changes.
#include "step/sequence_tables.h"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "kv/sequence_kv.h"

namespace redknot {
namespace {

HeadProfile mixed_profile() {
  HeadProfile profile = uniform_profile(2, 2, {});
  profile.policies[1] = {.head_class = HeadClass::kLocal, .sink_tokens = 4, .window_tokens = 20};
  profile.policies[2].kv_format = KvFormat::kQ8;
  return profile;
}

// Random sequences that log their changes, and tables that follow the log.
class World {
 public:
  World() : tables_(profile_) {}

  void step() {
    const auto choice = random_() % 8;
    if (sequences_.empty() || (choice == 0 && sequences_.size() < 6)) return create();
    SequenceKv& one = any();
    if (choice == 1) {
      sequences_.erase(sequences_.begin());
    } else if (choice == 2) {
      one.end_page();
    } else if (choice == 3) {
      one.forget(one.length() - static_cast<int>(random_() % (one.length() / 2 + 1)) / 4);
    } else if (choice == 4) {
      adopt(one, any(), static_cast<int>(random_() % 40) + 1);
    } else if (one.length() < 400 && !one.extend(static_cast<int>(random_() % 30)).ok()) {
      sequences_.erase(sequences_.begin());
    }
  }

  void follow() {
    tables_.apply(std::exchange(ops_, {}), [this](FrameId from, FrameId to) {
      EXPECT_NE(from, to);
      ++copies_;
    });
    ASSERT_LE(tables_.sequences(), sequences_.size());
    for (const auto& [id, kv] : sequences_) {
      ASSERT_TRUE(kv->check());
      if (kv->length() == 0) continue;
      ASSERT_TRUE(tables_.of(SequenceId{id}) == kv->tables());
    }
  }

  bool flip(unsigned one_in) { return random_() % one_in == 0; }
  int copies() const { return copies_; }
  int adopted() const { return adopted_; }

 private:
  SequenceKv& any() {
    const auto at = static_cast<std::ptrdiff_t>(random_() % sequences_.size());
    return *std::next(sequences_.begin(), at)->second;
  }

  void create() {
    const std::uint32_t id = next_++;
    auto kv = std::make_unique<SequenceKv>(*pages_, profile_, PageLog{&ops_, SequenceId{id}});
    if (!sequences_.empty() && flip(2)) kv->begin_with(any());
    sequences_.emplace(id, std::move(kv));
  }

  // The first tokens of a donor, if all its heads still have them in whole pages.
  void adopt(SequenceKv& one, const SequenceKv& donor, int tokens) {
    if (&one == &donor || one.length() > 400) return;
    for (int head = 0; head < kHeads; ++head) {
      int end = 0;
      for (const PageRef& entry : donor.tables().at(head)) {
        const bool whole = entry.tokens == 16 || entry.end() >= tokens;
        if (entry.position == end && whole) end = entry.end();
      }
      if (end < tokens) return;
    }
    for (int head = 0; head < kHeads; ++head) {
      std::vector<PageId> pages;
      for (const PageRef& entry : donor.tables().at(head)) {
        if (entry.position < tokens) pages.push_back(entry.page);
      }
      one.adopt(head / 2, head % 2, pages, tokens, one.length());
    }
    one.advance(tokens);
    one.end_page();
    ++adopted_;
    if (flip(2)) {
      const PositionRange all{one.length() - tokens, one.length()};
      const bool done = one.recover(0, 0, {&all, 1}).ok();
      EXPECT_EQ(done, one.table(0, 0).back().shift == 0);
    }
  }

  static constexpr int kHeads = 4;
  HeadProfile profile_ = mixed_profile();
  std::unique_ptr<PageAllocator> pages_ =
      PageAllocator::create(
          {.shape = {.page_tokens = 16, .head_dim = 4}, .page_count = {300, 150, 0}})
          .value();
  std::mt19937 random_{11};
  std::vector<PageOp> ops_;
  SequenceTables tables_;
  std::map<std::uint32_t, std::unique_ptr<SequenceKv>> sequences_;
  std::uint32_t next_ = 0;
  int copies_ = 0, adopted_ = 0;
};

TEST(SequenceTables, FollowTheChangesOfRandomSequences) {
  World world;
  for (int step = 0; step < 4000; ++step) {
    world.step();
    if (!world.flip(3)) continue;
    ASSERT_NO_FATAL_FAILURE(world.follow());
  }
  EXPECT_GT(world.copies(), 20);
  EXPECT_GT(world.adopted(), 20);
}

TEST(SequenceTablesDeathTest, UnknownSequencesAreNotFound) {
  const HeadProfile profile = mixed_profile();
  const SequenceTables tables(profile);
  EXPECT_DEATH(tables.of(SequenceId{0}), "found");
}

}  // namespace
}  // namespace redknot
