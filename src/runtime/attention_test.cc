// SPDX-License-Identifier: Apache-2.0
// Paged attention over random page tables against dense attention in double precision, and the laws
// that hold bit for bit.
#include "runtime/attention_test.h"

namespace redknot {
namespace {

using namespace attention_test;

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
