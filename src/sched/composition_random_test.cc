// SPDX-License-Identifier: Apache-2.0
// Random prompts against a slow oracle: whole page tables of all that was kept, compared one by
// one. A hit of the cache is at least as long, and its pages hold the prompt's tokens.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "kv/kv_cache.h"
#include "sched/composition.h"
#include "sched/recovery_strategy.h"

namespace redknot {
namespace {

constexpr int kPageTokens = 16;

// What was kept, and the longest beginning by scan.
class Oracle {
 public:
  std::optional<SequenceKv> find(const ComposedTokens& wanted, int most_tokens) const {
    std::vector<std::pair<int, const Kept*>> candidates;
    for (const Kept& one : kept_) {
      const int common = std::min(most_tokens, common_tokens(one, wanted));
      if (common > 0) candidates.emplace_back(common, &one);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first > b.first; });
    for (const auto& [tokens, one] : candidates) {
      if (std::optional<SequenceKv> found = one->kv.prefix(tokens)) return found;
    }
    return std::nullopt;
  }

  void insert(const ComposedTokens& tokens, const SequenceKv& kv) {
    const auto length = static_cast<std::size_t>(kv.length());
    Kept one{.tokens = {tokens.tokens.begin(), tokens.tokens.begin() + kv.length()},
             .parts = {},
             .recovery = tokens.recovery,
             .salt = std::string(tokens.salt),
             .kv = kv.fork()};
    for (const SequencePart& part : tokens.parts) {
      if (part.positions.begin < static_cast<int>(length)) one.parts.push_back(part);
    }
    kept_.push_front(std::move(one));
  }

  void drop_holding(const SegmentKey& key) {
    std::erase_if(kept_, [&key](const Kept& one) {
      return std::any_of(one.parts.begin(), one.parts.end(),
                         [&key](const SequencePart& part) { return part.segment == key; });
    });
  }

 private:
  struct Kept {
    std::vector<TokenId> tokens;
    std::vector<SequencePart> parts;
    RecoveryOptions recovery;
    std::string salt;
    SequenceKv kv;
  };

  static int end_of(std::span<const SequencePart> parts, std::size_t index, int length) {
    return index + 1 == parts.size() ? length : parts[index].positions.end;
  }

  // Whether the segments that stand together from `first` on are the same in both, and the text
  // between and behind them that recovery looks with, within the tokens that are alike.
  static bool same_group(std::span<const SequencePart> a, std::span<const SequencePart> b,
                         std::size_t first, int common) {
    const PositionRange question = a[first].question;
    if (question != b[first].question || question.end > common) return false;
    for (std::size_t i = first; i < std::min(a.size(), b.size()); ++i) {
      if (!a[i].segment && !b[i].segment && a[i].positions.begin == question.begin &&
          b[i].positions.begin == question.begin) {
        return true;
      }
      if (a[i].segment != b[i].segment || a[i].positions != b[i].positions) return false;
    }
    return false;
  }

  // Up to where both hold the same tokens, computed in the same way, in pages cut alike.
  static int common_tokens(const Kept& one, const ComposedTokens& wanted) {
    if (one.salt != wanted.salt) return 0;
    const auto differ = std::mismatch(one.tokens.begin(), one.tokens.end(), wanted.tokens.begin(),
                                      wanted.tokens.end());
    const int common = static_cast<int>(differ.first - one.tokens.begin());
    const int length = one.kv.length(), wanted_length = static_cast<int>(wanted.tokens.size());
    for (std::size_t i = 0; i < std::min(one.parts.size(), wanted.parts.size()); ++i) {
      const SequencePart& a = one.parts[i];
      const SequencePart& b = wanted.parts[i];
      const int begin = a.positions.begin;
      const int a_end = end_of(one.parts, i, length);
      const int b_end = end_of(wanted.parts, i, wanted_length);
      if (begin >= common) return common;
      if (a.segment != b.segment) return begin;
      if (a.segment) {
        if (a_end != b_end || a_end > common || one.recovery != wanted.recovery) return begin;
        const bool looked = strategy_of(wanted.recovery.policy).looks_with_question();
        if (looked && !same_group(one.parts, wanted.parts, i, common)) return begin;
        continue;
      }
      if (a_end != b_end) return std::min({common, a_end, b_end});
    }
    return common;
  }

  std::list<Kept> kept_;
};

class World {
 public:
  explicit World(unsigned seed) : random_(seed) {
    profile_ = uniform_profile(1, 3, {});
    if (random_() % 3 != 0) profile_.policies[1] = local(draw(0, 20), draw(1, 60));
    if (random_() % 3 != 0) profile_.policies[2] = local(draw(0, 40), draw(1, 30));
    for (std::vector<TokenId>& document : documents_) {
      for (int i = draw(1, 50); i > 0; --i) document.push_back(draw_token());
    }
    cache_.emplace(*pool_, profile_, Domain{});
  }

  void run(int prompts) {
    for (int i = 0; i < prompts; ++i) {
      ASSERT_NO_FATAL_FAILURE(run_prompt());
      ASSERT_TRUE(cache_->check());
      if (evicts_) evict_some();
      if (random_() % 20 == 0) drop_a_segment();
    }
  }
  // Entries go meanwhile, and there is no oracle.
  void evict() { evicts_ = true; }
  int hits() const { return hits_; }
  int longer() const { return longer_; }

 private:
  struct Sequence {
    Prompt prompt;
    std::vector<SequencePart> parts;
    RecoveryOptions recovery;
    std::string salt;
    ComposedTokens composed(std::size_t tokens) const {
      return {std::span(prompt.tokens).first(tokens), parts, recovery, salt};
    }
  };

  int draw(int least, int most) { return std::uniform_int_distribution(least, most)(random_); }
  TokenId draw_token() { return TokenId{draw(0, 1)}; }
  static HeadPolicy local(int sink_tokens, int window_tokens) {
    return {.head_class = HeadClass::kLocal,
            .sink_tokens = sink_tokens,
            .window_tokens = window_tokens};
  }

  // Half of them continue an earlier one, changed somewhere or not.
  Sequence draw_sequence() {
    Sequence one;
    std::vector<TokenId>& tokens = one.prompt.tokens;
    const auto add_text = [&](int length) {
      for (; length > 0; --length) tokens.push_back(length % 3 == 0 ? draw_token() : TokenId{0});
    };
    if (random_() % 2 == 0 && !earlier_.empty()) {
      one = earlier_[random_() % earlier_.size()];
      const auto change = static_cast<std::size_t>(draw(0, static_cast<int>(tokens.size()) - 1));
      if (random_() % 2 == 0) tokens[change] = draw_token();
      if (random_() % 4 == 0) tokens.resize(change + 1);
      add_text(draw(0, 40));
      std::erase_if(one.prompt.reusable, [&](const PositionRange& range) {
        return range.end > static_cast<int>(tokens.size());
      });
    } else {
      add_text(3);
      one.prompt.context_tokens = 3;
      for (int count = draw(0, 3); count > 0; --count) {
        const std::vector<TokenId>& document = documents_[random_() % documents_.size()];
        const int begin = static_cast<int>(tokens.size());
        tokens.insert(tokens.end(), document.begin(), document.end());
        one.prompt.reusable.push_back({begin, static_cast<int>(tokens.size())});
        if (random_() % 3 == 0) add_text(draw(1, 50));
      }
      add_text(draw(1, 60));
      one.recovery = {.policy = static_cast<RecoveryPolicy>(draw(0, 4)), .ratio = 0.5};
      if (random_() % 4 == 0) one.salt = "another";
    }
    if (static_cast<int>(tokens.size()) <= one.prompt.context_tokens) add_text(4);
    one.prompt.text_ends = {static_cast<int>(tokens.size())};
    one.parts = parts_of(one.prompt, one.salt);
    return one;
  }

  TokenId* slot(const PageRef& page, int position) {
    return &slots_[page.frame][static_cast<std::size_t>(position - page.position)];
  }
  void write(const SequenceKv& kv, const std::vector<TokenId>& tokens, int begin, int end) {
    for (int head = 0; head < 3; ++head) {
      for (const PageRef& page : kv.table(0, head)) {
        if (page.reused) continue;
        for (int at = std::max(begin, page.position); at < std::min(end, page.end()); ++at) {
          *slot(page, at) = tokens[static_cast<std::size_t>(at)];
        }
      }
    }
  }
  void check_hit(const SequenceKv& kv, const std::vector<TokenId>& tokens) {
    ASSERT_TRUE(kv.check());
    for (int head = 0; head < 3; ++head) {
      for (const PageRef& page : kv.table(0, head)) {
        for (int at = page.position; at < page.end(); ++at) {
          ASSERT_EQ(*slot(page, at), tokens[static_cast<std::size_t>(at)]) << at;
        }
      }
    }
  }

  void adopt(const Sequence& one, const SequencePart& part, SequenceKv& kv) {
    const auto begin = one.prompt.tokens.begin() + part.positions.begin;
    if (cache_->segments().find(*part.segment) == nullptr) {
      SequenceKv build(*pool_, profile_);
      ASSERT_TRUE(build.extend(part.tokens()).ok());
      write(build, {begin, begin + part.tokens()}, 0, part.tokens());
      cache_->add_segment(*part.segment, Segment(*pool_, build, {0, part.tokens()}),
                          {one.salt, hex(*part.segment)}, [] { return true; });
      names_.push_back({{one.salt, hex(*part.segment)}, *part.segment});
    }
    cache_->segments().find(*part.segment)->adopt_into(kv);
    if (one.recovery.policy == RecoveryPolicy::kNone) return;
    const int first = part.positions.begin + draw(0, part.tokens() - 1);
    const PositionRange range{first, std::min(first + draw(1, 40), part.positions.end)};
    ops_.clear();
    ASSERT_TRUE(kv.recover(0, draw(0, 2), {&range, 1}).ok());
    copy_pages();
    write(kv, one.prompt.tokens, range.begin, range.end);
  }

  void run_prompt() {
    const Sequence one = draw_sequence();
    const std::vector<TokenId>& tokens = one.prompt.tokens;
    const int length = static_cast<int>(tokens.size());
    const Chain chain = chain_of(one.composed(tokens.size()), kPageTokens);
    // The scheduler asks for all but the last token; a prefix may be asked for anywhere in the text
    // of the last part.
    const int last = one.parts.back().positions.begin;
    const int most = random_() % 3 == 0 ? draw(last, length) : length - 1;
    auto found = cache_->find_prefix(chain, most);
    const auto expected = oracle_.find(one.composed(tokens.size()), most);
    const int found_tokens = found ? found->length() : 0;
    const int expected_tokens = expected ? expected->length() : 0;
    ASSERT_LE(found_tokens, most);
    if (!evicts_) {
      ASSERT_GE(found_tokens, expected_tokens);
    }
    hits_ += found ? 1 : 0;
    longer_ += found_tokens > expected_tokens ? 1 : 0;
    if (found) {
      ASSERT_NO_FATAL_FAILURE(check_hit(*found, tokens));
    }
    SequenceKv kv(*pool_, profile_, {&ops_});
    if (found) kv.begin_with(*found);
    found.reset();
    ASSERT_NO_FATAL_FAILURE(compute(one, kv));
    // The oracle's tables would hold all pages that are to be free.
    if (!evicts_) oracle_.insert(one.composed(tokens.size()), kv);
    cache_->keep_prefix(chain, kv);
    earlier_.push_back(one);
  }

  // As an executor does before it writes.
  void copy_pages() {
    for (const PageOp& op : ops_) {
      if (op.kind == PageOp::Kind::kCopy) slots_[op.entry.frame] = slots_[op.from];
    }
  }

  void compute(const Sequence& one, SequenceKv& kv) {
    for (const SequencePart& part : one.parts) {
      if (part.positions.end <= kv.length()) continue;
      if (part.positions.begin == kv.length()) kv.end_page();
      if (part.segment) {
        ASSERT_EQ(part.positions.begin, kv.length());
        ASSERT_NO_FATAL_FAILURE(adopt(one, part, kv));
        continue;
      }
      while (kv.length() < part.positions.end) {
        const int begin = kv.length();
        const int chunk = std::min(part.positions.end - begin, draw(1, 60));
        ops_.clear();
        ASSERT_TRUE(kv.extend(chunk).ok());
        copy_pages();
        write(kv, one.prompt.tokens, begin, kv.length());
        kv.forget(kv.length());
      }
    }
  }

  void drop_a_segment() {
    if (names_.empty()) return;
    const auto& [name, key] = names_[random_() % names_.size()];
    cache_->drop_segments(name.salt, name.id);
    oracle_.drop_holding(key);
    ASSERT_TRUE(cache_->check());
  }

  void evict_some() {
    const int wanted = pool_->total_pages(KvFormat::kF16) - draw(100, 300);
    cache_->evict_until([wanted] { return PageCounts{wanted, 0, 0}; });
    ASSERT_TRUE(cache_->check());
  }

  std::mt19937 random_;
  HeadProfile profile_;
  std::unique_ptr<PageAllocator> pool_ =
      PageAllocator::create(
          {.shape = {.page_tokens = kPageTokens, .head_dim = 4}, .page_count = {30000, 0, 0}})
          .value();
  std::map<FrameId, std::array<TokenId, kPageTokens>> slots_;  // what frames hold
  std::vector<PageOp> ops_;
  std::optional<KvCache> cache_;
  Oracle oracle_;
  std::array<std::vector<TokenId>, 4> documents_;
  std::vector<Sequence> earlier_;
  std::vector<std::pair<SegmentName, SegmentKey>> names_;
  bool evicts_ = false;
  int hits_ = 0, longer_ = 0;
};

TEST(CompositionRandomTest, HitsAreAtLeastAsLongAsThoseOfAScan) {
  int hits = 0, longer = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    ASSERT_NO_FATAL_FAILURE(world.run(150));
    hits += world.hits();
    longer += world.longer();
  }
  EXPECT_GT(hits, 500);
  EXPECT_GT(longer, 10);
}

TEST(CompositionRandomTest, HitsAreValidWhateverWasEvicted) {
  int hits = 0;
  for (unsigned seed = 1; seed <= 12; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    World world(seed);
    world.evict();
    ASSERT_NO_FATAL_FAILURE(world.run(150));
    hits += world.hits();
  }
  EXPECT_GT(hits, 200);
}

}  // namespace
}  // namespace redknot
