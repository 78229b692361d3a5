// SPDX-License-Identifier: Apache-2.0
// Paged attention over random page tables against dense attention in double precision, and the laws
// that hold bit for bit.
//
// The oracle is DESIGN section 3: a KV head sees a set of positions, and the key at position j
// counts as rotated at j. It knows nothing of runs, shifts, forks or cuts, and of pages only which
// a query may select.
#include "runtime/attention.h"

#include <algorithm>
#include <array>
#include <limits>
#include <memory>
#include <set>
#include <utility>

#include "kernels/kernels_test.h"
#include "kv/sequence_kv.h"
#include "runtime/page_read.h"
#include "runtime/page_select.h"
#include "tests/dense_forward.h"

namespace redknot {
namespace {

using namespace kernels_test;

// The oracle works on what the pages hold (on what was written, for f32), so only the arithmetic
// differs: scores are float sums of head_dim products, rotations floats, 2^x is good to 5e-9.
// Relative to the largest value of the head.
constexpr double kTolerance = 1e-5;

using Rows = std::vector<std::vector<double>>;

struct Shape {
  int group, kv_heads, head_dim, rope_dims, page_tokens;
  bool interleaved;
};

std::string trace(const Shape& shape, std::uint64_t seed) {
  return concat("group ", shape.group, ", KV heads ", shape.kv_heads, ", head_dim ", shape.head_dim,
                ", rope dims ", shape.rope_dims, shape.interleaved ? " interleaved" : " half-split",
                ", pages of ", shape.page_tokens, ", seed ", seed);
}

// A sequence, and the keys (not rotated) and values of its positions as plain numbers.
struct KnownSequence {
  struct Head {
    Rows keys, values;  // [positions, head_dim]
  };
  SequenceKv kv;
  std::vector<Head> heads;  // [layers, kv_heads]
  int oldest_query = 0;     // what earlier queries see may have been given back
};

// Some rows of one sequence in a step.
struct Asked {
  const KnownSequence* sequence;
  std::vector<int> positions;
};

HeadPolicy random_policy(Random& random) {
  constexpr std::array kSinks = {0, 4, 16, 50};
  constexpr std::array kWindows = {1, 2, 3, 17, 64, 200};
  HeadPolicy policy;
  policy.kv_format = kKvFormats[static_cast<std::size_t>(random.between(0, 2))];
  policy.head_class = kHeadClasses[static_cast<std::size_t>(random.between(0, 2))];
  if (policy.head_class == HeadClass::kGlobal) return policy;
  policy.sink_tokens = kSinks[static_cast<std::size_t>(random.between(0, 3))];
  policy.window_tokens = kWindows[static_cast<std::size_t>(random.between(0, 5))];
  if (policy.head_class == HeadClass::kRetrieval) policy.top_pages = random.between(1, 4);
  return policy;
}

RopeConfig rope_config(const Shape& shape) {
  return {.pairing = shape.interleaved ? RopePairing::kInterleaved : RopePairing::kHalfSplit,
          .dims = shape.rope_dims,
          .frequency_divisors = {}};
}

// A pool, a profile of random policies, and sequences with known contents.
class World {
 public:
  static constexpr int kLayers = 2;

  World(const Kernels& kernels, const Shape& shape, std::uint64_t seed)
      : kernels_(kernels),
        shape_(shape),
        random_(seed),
        profile_(uniform_profile(kLayers, shape.kv_heads, {})),
        frequencies_(tests::rope_frequencies(rope_config(shape))),
        rope_(rope_config(shape)) {
    for (HeadPolicy& policy : profile_.policies) policy = random_policy(random_);
    const int pages = kLayers * shape.kv_heads * 4 * 1000 / shape.page_tokens + 200;
    const PageOptions options{.shape = {shape.page_tokens, shape.head_dim, /*key_bounds=*/true},
                              .page_count = {pages, pages, pages}};
    pool_ = PageAllocator::create(options).value();
    memory_ = PageMemory::create(options).value();
  }

  const HeadProfile& profile() const { return profile_; }
  Random& random() { return random_; }
  const PageAllocator& pool() const { return *pool_; }

  PageLog log() { return {&ops_, SequenceId{}}; }

  KnownSequence empty() {
    return {SequenceKv(*pool_, profile_, log()),
            std::vector<KnownSequence::Head>(profile_.policies.size()), 0};
  }

  // Appends tokens with random keys and values, as a step of the transformer would.
  void extend(KnownSequence& sequence, int tokens) {
    const int begin = sequence.kv.length();
    ops_.clear();
    ASSERT_TRUE(sequence.kv.extend(tokens).ok());
    for (const PageOp& op : ops_) {
      if (op.kind == PageOp::Kind::kCopy) memory_->copy(op.from, op.entry.frame);
    }
    rope_.prepare(begin, begin + tokens);
    for (int head = 0; head < heads(); ++head) {
      for (const PageRef& page : table(sequence, head)) {
        for (int position = std::max(begin, page.position); position < page.end(); ++position) {
          write(sequence, head, page, position);
        }
      }
      bound_keys(table(sequence, head), {begin, begin + tokens}, *memory_, kernels_);
    }
  }

  // Appends `tokens` tokens of the donor from a page on, by reference and under a shift.
  void adopt(KnownSequence& sequence, const KnownSequence& donor, int first_page, int tokens) {
    const int begin = first_page * shape_.page_tokens;
    const int shift = sequence.kv.length() - begin;
    for (int head = 0; head < heads(); ++head) {
      std::vector<PageId> pages;
      for (int first = 0; first < tokens; first += shape_.page_tokens) {
        const auto page = static_cast<std::size_t>((begin + first) / shape_.page_tokens);
        pages.push_back(table(donor, head)[page].page);
      }
      sequence.kv.adopt(head / shape_.kv_heads, head % shape_.kv_heads, pages, tokens, shift);
      KnownSequence::Head& known = sequence.heads[static_cast<std::size_t>(head)];
      const KnownSequence::Head& from = donor.heads[static_cast<std::size_t>(head)];
      for (int i = begin; i < begin + tokens; ++i) {
        known.keys.push_back(from.keys[static_cast<std::size_t>(i)]);
        known.values.push_back(from.values[static_cast<std::size_t>(i)]);
      }
    }
    sequence.kv.advance(tokens);
  }

  void forget(KnownSequence& sequence, int next) {
    sequence.kv.forget(next);
    sequence.oldest_query = std::max(sequence.oldest_query, next);
  }

  // Every position that may still be asked for with the given probability in percent.
  Asked ask(const KnownSequence& sequence, int percent) {
    Asked asked{&sequence, {}};
    for (int p = std::min(sequence.oldest_query, sequence.kv.length() - 1);
         p < sequence.kv.length(); ++p) {
      if (random_.between(1, 100) <= percent) asked.positions.push_back(p);
    }
    return asked;
  }

  int row_floats() const { return shape_.group * shape_.kv_heads * shape_.head_dim; }

  // The attention of all rows in one step.
  Floats run(int layer, std::span<const Asked> asked, const Floats& queries, int thread_count) {
    ThreadPool threads(thread_count);
    RopeTable rope(rope_config(shape_));
    SegPagedAttention attention({shape_.group * shape_.kv_heads, shape_.kv_heads, shape_.head_dim},
                                *memory_, kernels_, threads, rope);
    std::vector<SequenceRows> sequences;
    int rows = 0;
    for (const Asked& one : asked) {
      sequences.push_back({&one.sequence->kv.tables(), one.positions, rows});
      rows += static_cast<int>(one.positions.size());
    }
    Floats out(static_cast<std::size_t>(rows) * static_cast<std::size_t>(row_floats()),
               std::nanf(""));
    attention.run(layer, sequences, queries.data(), out.data());
    return out;
  }

  Floats random_queries(std::span<const Asked> asked) {
    std::size_t rows = 0;
    for (const Asked& one : asked) rows += one.positions.size();
    return random_.normals(rows * static_cast<std::size_t>(row_floats()));
  }

  // Compares with dense attention, row by row.
  void compare(int layer, std::span<const Asked> asked, const Floats& queries, const Floats& out) {
    const float* query = queries.data();
    const float* actual = out.data();
    for (const Asked& one : asked) {
      for (int kv_head = 0; kv_head < shape_.kv_heads; ++kv_head) {
        compare_head(layer, kv_head, one, query, actual);
      }
      query += one.positions.size() * static_cast<std::size_t>(row_floats());
      actual += one.positions.size() * static_cast<std::size_t>(row_floats());
    }
  }

 private:
  int heads() const { return static_cast<int>(profile_.policies.size()); }
  const PageTable& table(const KnownSequence& sequence, int head) const {
    return sequence.kv.table(head / shape_.kv_heads, head % shape_.kv_heads);
  }

  void write(KnownSequence& sequence, int head, const PageRef& page, int position) {
    const auto dim = static_cast<std::size_t>(shape_.head_dim);
    const Floats key = random_.normals(dim);
    const Floats value = random_.normals(dim);
    Floats rotated(dim);
    kernels_.rotate(key.data(), rope_.at(position), shape_.head_dim, 1.0f, rotated.data());
    const PageView view = page_view(*memory_, page.frame);
    const auto slot = static_cast<std::size_t>(position - page.position);
    kernels_.write_slot(view, static_cast<int>(slot), rotated.data(), value.data());
    KnownSequence::Head& known = sequence.heads[static_cast<std::size_t>(head)];
    known.keys.emplace_back(key.begin(), key.end());
    known.values.emplace_back(value.begin(), value.end());
    if (view.format == KvFormat::kF32) return;
    const bool q8 = view.format == KvFormat::kQ8;
    for (std::size_t d = 0; d < dim; ++d) {
      known.keys.back()[d] = page_element(view.format, view.keys,
                                          d * static_cast<std::size_t>(view.page_tokens) + slot,
                                          q8 ? view.key_scales[slot] : 0);
      known.values.back()[d] =
          page_element(view.format, view.values, slot * dim + d, q8 ? view.value_scales[slot] : 0);
    }
    tests::rotate_dense(rope_config(shape_), frequencies_, -position, known.keys.back());
  }

  void compare_head(int layer, int kv_head, const Asked& asked, const float* queries,
                    const float* actual) {
    const RopeConfig rope = rope_config(shape_);
    KnownSequence::Head head =
        asked.sequence->heads[static_cast<std::size_t>(layer * shape_.kv_heads + kv_head)];
    for (std::size_t p = 0; p < head.keys.size(); ++p) {
      tests::rotate_dense(rope, frequencies_, static_cast<double>(p), head.keys[p]);
    }
    double peak = 0.0;
    for (const auto& value : head.values) {
      for (const double x : value) peak = std::max(peak, std::abs(x));
    }
    const auto dim = static_cast<std::size_t>(shape_.head_dim);
    const PageTable& pages = asked.sequence->kv.table(layer, kv_head);
    for (std::size_t row = 0; row < asked.positions.size(); ++row) {
      const int position = asked.positions[row];
      const std::size_t first = row * static_cast<std::size_t>(row_floats()) +
                                static_cast<std::size_t>(kv_head * shape_.group) * dim;
      Rows group;
      for (int i = 0; i < shape_.group; ++i) {
        const float* query = queries + first + static_cast<std::size_t>(i) * dim;
        group.emplace_back(query, query + dim);
      }
      const std::vector<int> seen = seen_by(profile_.at(layer, kv_head), position, group, pages);
      for (int i = 0; i < shape_.group; ++i) {
        const std::size_t at = first + static_cast<std::size_t>(i) * dim;
        std::vector<double>& query = group[static_cast<std::size_t>(i)];
        tests::rotate_dense(rope, frequencies_, position, query);
        const std::vector<double> expected =
            tests::attend_dense(seen, query, head.keys, head.values);
        for (std::size_t d = 0; d < dim; ++d) {
          ASSERT_NEAR(actual[at + d], expected[d], kTolerance * peak)
              << "layer " << layer << ", KV head " << kv_head << ", position " << position
              << ", query " << i << ", element " << d;
        }
      }
    }
  }

  // What the queries of one token see, selected pages among it: of all pages that may be selected,
  // in order of what their bounds promise the best of the queries.
  std::vector<int> seen_by(const HeadPolicy& policy, int position, const Rows& group,
                           const PageTable& pages) {
    const std::vector<int> always = tests::seen_positions(policy, position);
    if (policy.head_class != HeadClass::kRetrieval) return always;
    std::set<int> seen(always.begin(), always.end());
    std::vector<std::pair<double, const PageRef*>> candidates;
    for (const PageRef& page : pages) {
      if (page.end() > position + 1) continue;
      if (page.tokens < shape_.page_tokens) {
        // The rest of a part has no bounds: it is always seen from behind it.
        for (int at = page.position; at < page.end() && page.end() <= position; ++at) {
          seen.insert(at);
        }
        continue;
      }
      bool all_seen = true;
      for (int i = page.position; i < page.end(); ++i) all_seen &= seen.count(i) == 1;
      if (!all_seen) candidates.emplace_back(-promise(page, position, group), &page);
    }
    std::stable_sort(candidates.begin(), candidates.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    const auto top = static_cast<std::size_t>(policy.top_pages);
    for (std::size_t i = 0; i < std::min(top, candidates.size()); ++i) {
      const PageRef& page = *candidates[i].second;
      for (int at = page.position; at < page.end(); ++at) seen.insert(at);
    }
    return {seen.begin(), seen.end()};
  }

  double promise(const PageRef& page, int position, const Rows& group) {
    const PageView view = page_view(*memory_, page.frame);
    double best = -std::numeric_limits<double>::infinity();
    for (std::vector<double> query : group) {
      tests::rotate_dense(rope_config(shape_), frequencies_, position - page.shift, query);
      double sum = 0;
      for (std::size_t d = 0; d < query.size(); ++d) {
        sum += std::max(query[d] * f16_to_f32(view.key_bounds[d]),
                        query[d] * f16_to_f32(view.key_bounds[query.size() + d]));
      }
      best = std::max(best, sum);
    }
    return best;
  }

  const Kernels& kernels_;
  Shape shape_;
  Random random_;
  HeadProfile profile_;
  std::vector<double> frequencies_;
  RopeTable rope_;
  std::unique_ptr<PageAllocator> pool_;
  std::unique_ptr<PageMemory> memory_;
  std::vector<PageOp> ops_;
};

// Three sequences after a random history of extending, adopting, forking and forgetting.
std::vector<KnownSequence> random_sequences(World& world, int page_tokens, int most_tokens) {
  Random& random = world.random();
  KnownSequence donor = world.empty();
  world.extend(donor, random.between(page_tokens, 3 * page_tokens));
  world.extend(donor, random.between(1, 100));
  std::vector<KnownSequence> sequences;
  sequences.push_back(world.empty());
  while (sequences.size() < 3 || sequences.back().kv.length() == 0) {
    KnownSequence& last = sequences.back();
    const int room = most_tokens - last.kv.length();
    const int first_page = random.between(0, (donor.kv.length() - 1) / page_tokens);
    const int adopted = random.between(1, donor.kv.length() - first_page * page_tokens);
    const int action = random.between(0, 9);
    if (action == 0 && last.kv.length() > 0) {
      sequences.push_back(world.empty());
    } else if (action == 1 && last.kv.length() > 0) {
      KnownSequence fork{last.kv.fork(world.log()), last.heads, last.oldest_query};
      sequences.push_back(std::move(fork));
    } else if (action == 2) {
      world.forget(last, random.between(last.oldest_query, last.kv.length()));
    } else if (action < 6) {
      if (adopted <= room) world.adopt(last, donor, first_page, adopted);
    } else if (room > 0) {
      const int most = random.coin() ? 150 : 5;
      world.extend(last, random.between(1, std::min(room, most)));
    }
  }
  for (const KnownSequence& sequence : sequences) EXPECT_TRUE(sequence.kv.check());
  return sequences;
}

// Group sizes, head sizes and page sizes, met in turn; a prime number of each wheel.
Shape shape_for(std::uint64_t seed) {
  constexpr std::array kGroups = {1, 2, 3, 8};
  constexpr std::array kDims = {8, 40, 80, 7, 64};
  constexpr std::array kKvHeads = {1, 2, 1};
  constexpr std::array kPages = {16, 32, 64, 128, 16, 64, 32};
  const int dim = kDims[seed % kDims.size()];
  const int rope_dims = seed % 4 == 3 ? dim / 4 * 2 : dim / 2 * 2;
  return {kGroups[seed % kGroups.size()],
          kKvHeads[seed % kKvHeads.size()],
          dim,
          rope_dims,
          kPages[seed % kPages.size()],
          seed % 2 == 0};
}

class SegPagedAttentionTest : public KernelsTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, SegPagedAttentionTest, ::testing::ValuesIn(available_kernels()),
                         table_name);

TEST_P(SegPagedAttentionTest, EqualsDenseAttentionOverAnyTables) {
  for (std::uint64_t seed = 1; seed <= 24; ++seed) {
    const Shape shape = shape_for(seed);
    SCOPED_TRACE(trace(shape, seed));
    World world(kernels(), shape, seed);
    const std::vector<KnownSequence> sequences =
        random_sequences(world, shape.page_tokens, seed % 4 == 0 ? 700 : 300);
    std::vector<Asked> asked;
    for (const KnownSequence& sequence : sequences) {
      const Asked one = world.ask(sequence, seed % 3 == 0 ? 100 : 15);
      if (!one.positions.empty()) asked.push_back(one);
    }
    const Floats queries = world.random_queries(asked);
    for (int layer = 0; layer < World::kLayers; ++layer) {
      const Floats out = world.run(layer, asked, queries, /*thread_count=*/2);
      ASSERT_NO_FATAL_FAILURE(world.compare(layer, asked, queries, out));
    }
  }
}

TEST_P(SegPagedAttentionTest, GroupLargerThanABlockOfRowsIsComputedWhole) {
  const Shape shape{130, 1, 8, 8, 16, false};
  SCOPED_TRACE(trace(shape, 1));
  World world(kernels(), shape, 1);
  KnownSequence sequence = world.empty();
  world.extend(sequence, 40);
  const std::vector<Asked> asked = {world.ask(sequence, 50)};
  const Floats queries = world.random_queries(asked);
  world.compare(0, asked, queries, world.run(0, asked, queries, 2));
}

// The world of the laws: long enough for several cuts, with enough rows for several blocks.
struct Laws {
  Laws(const Kernels& kernels, std::uint64_t seed)
      : shape(shape_for(seed)), world(kernels, shape, seed) {
    sequences = random_sequences(world, shape.page_tokens, 600);
    for (const KnownSequence& sequence : sequences) {
      const Asked one = world.ask(sequence, 40);
      if (!one.positions.empty()) asked.push_back(one);
    }
    queries = world.random_queries(asked);
    together = world.run(0, asked, queries, 1);
  }

  // Rows [first, first + count) of the sequence `index` in a step of their own.
  Floats run_alone(std::size_t index, std::size_t first, std::size_t count, int thread_count) {
    const std::size_t row = first_row(index) + first;
    const auto width = static_cast<std::size_t>(world.row_floats());
    const Floats part(queries.begin() + static_cast<std::ptrdiff_t>(row * width),
                      queries.begin() + static_cast<std::ptrdiff_t>((row + count) * width));
    const auto begin = asked[index].positions.begin() + static_cast<std::ptrdiff_t>(first);
    const Asked one{asked[index].sequence, {begin, begin + static_cast<std::ptrdiff_t>(count)}};
    return world.run(0, {&one, 1}, part, thread_count);
  }
  std::span<const float> rows(std::size_t index, std::size_t first, std::size_t count) const {
    const auto width = static_cast<std::size_t>(world.row_floats());
    return std::span(together).subspan((first_row(index) + first) * width, count * width);
  }
  std::size_t first_row(std::size_t index) const {
    std::size_t row = 0;
    for (std::size_t i = 0; i < index; ++i) row += asked[i].positions.size();
    return row;
  }

  Shape shape;
  World world;
  std::vector<KnownSequence> sequences;
  std::vector<Asked> asked;
  Floats queries, together;
};

TEST_P(SegPagedAttentionTest, AnyNumberOfThreadsGivesTheSameBits) {
  for (std::uint64_t seed = 101; seed <= 104; ++seed) {
    Laws laws(kernels(), seed);
    SCOPED_TRACE(trace(laws.shape, seed));
    for (const int threads : {2, 3, 7}) {
      ASSERT_TRUE(same_bits(laws.world.run(0, laws.asked, laws.queries, threads), laws.together))
          << threads << " threads";
    }
  }
}

TEST_P(SegPagedAttentionTest, ASequenceAloneGivesTheSameBitsAsAmongOthers) {
  for (std::uint64_t seed = 201; seed <= 206; ++seed) {
    Laws laws(kernels(), seed);
    SCOPED_TRACE(trace(laws.shape, seed));
    for (std::size_t i = 0; i < laws.asked.size(); ++i) {
      const std::size_t count = laws.asked[i].positions.size();
      ASSERT_TRUE(same_bits(laws.run_alone(i, 0, count, 2), laws.rows(i, 0, count)));
    }
  }
}

TEST_P(SegPagedAttentionTest, RowsInAnyNumberOfStepsGiveTheSameBits) {
  for (std::uint64_t seed = 301; seed <= 306; ++seed) {
    Laws laws(kernels(), seed);
    SCOPED_TRACE(trace(laws.shape, seed));
    for (std::size_t i = 0; i < laws.asked.size(); ++i) {
      const auto total = static_cast<int>(laws.asked[i].positions.size());
      for (int first = 0; first < total;) {
        const int longest = laws.world.random().coin() ? 1 : 100;
        const int count = std::min(total - first, laws.world.random().between(1, longest));
        const auto at = static_cast<std::size_t>(first);
        const auto rows = static_cast<std::size_t>(count);
        ASSERT_TRUE(same_bits(laws.run_alone(i, at, rows, 1 + first % 3), laws.rows(i, at, rows)))
            << "rows " << first << " to " << first + count;
        first += count;
      }
    }
  }
}

}  // namespace
}  // namespace redknot
