// SPDX-License-Identifier: Apache-2.0
// The forward pass on random models against the slow one of tests/dense_forward.h, and the laws
// that hold bit for bit within one table of kernels.
#include "runtime/transformer_test.h"

namespace redknot {
namespace {

using namespace transformer_test;

void compare(const OpenModel& model, const HeadProfile& profile, const Kernels& kernels,
             double tolerance) {
  Machine machine(model, profile, {.kernels = &kernels, .threads = 2});
  const Tokens tokens = random_tokens(50, model.vocabulary(), 3);
  const std::vector<double> expected =
      tests::dense_logits(model.config, model.model.weights(), profile, tokens);
  EXPECT_LE(largest_difference(machine.compute(tokens, 32), expected), tolerance);
}

INSTANTIATE_TEST_SUITE_P(Kernels, TransformerTest, ::testing::ValuesIn(available_kernels()),
                         table_name);

TEST_P(TransformerTest, EveryArchitectureAndTypeAgreesWithTheSlowForwardPass) {
  for (const Architecture architecture : kArchitectures) {
    for (const char* type : {"F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_1"}) {
      SCOPED_TRACE(
          concat(small_shape(architecture).name, " ", static_cast<int>(architecture), " ", type));
      const OpenModel model = small(architecture, type);
      const bool integer = type[0] == 'Q';
      compare(model, global_profile(model), kernels(),
              integer ? kIntegerTolerance : kFloatTolerance);
    }
  }
}

// A type of weights and what enters its products.
struct Arithmetic {
  const char* type;
  ActivationFormat activations;
  double tolerance;
};
constexpr std::array kArithmetics = {Arithmetic{"Q8_0", ActivationFormat::kExact, kFloatTolerance},
                                     Arithmetic{"Q4_0", ActivationFormat::kExact, kFloatTolerance},
                                     Arithmetic{"Q4_1", ActivationFormat::kExact, kFloatTolerance},
                                     Arithmetic{"Q8_0", ActivationFormat::k16, kTwoDigitTolerance},
                                     Arithmetic{"Q4_0", ActivationFormat::k16, kTwoDigitTolerance},
                                     Arithmetic{"Q4_1", ActivationFormat::k16, kTwoDigitTolerance},
                                     Arithmetic{"BF16", ActivationFormat::kBf16, kBf16Tolerance}};

TEST_P(TransformerTest, EveryActivationFormatAgreesWithTheSlowForwardPass) {
  for (const Architecture architecture : kArchitectures) {
    for (const Arithmetic& one : kArithmetics) {
      if (one.activations == ActivationFormat::kBf16 && !kernels().multiply_bf16) continue;
      SCOPED_TRACE(
          concat(static_cast<int>(architecture), " ", one.type, " ", name(one.activations)));
      const OpenModel model = small(architecture, one.type);
      const HeadProfile profile = global_profile(model);
      const Tokens tokens = random_tokens(50, model.vocabulary(), 3);
      Machine machine(model, profile, with(one.activations));
      const std::vector<double> expected = tests::dense_logits(model.config, model.model.weights(),
                                                               profile, tokens, one.activations);
      EXPECT_LE(largest_difference(machine.compute(tokens, 32), expected), one.tolerance);
    }
  }
}

TEST_P(TransformerTest, AnyChunkingGivesTheSameBitsInEveryActivationFormat) {
  for (const Arithmetic& one : kArithmetics) {
    if (one.activations == ActivationFormat::kBf16 && !kernels().multiply_bf16) continue;
    SCOPED_TRACE(concat(one.type, " ", name(one.activations)));
    const OpenModel model = small(Architecture::kQwen3Moe, one.type);
    const Tokens tokens = random_tokens(130, model.vocabulary(), 11);
    Machine machine(model, global_profile(model, KvFormat::kF16), with(one.activations));
    const Floats whole = machine.compute(tokens);
    for (const int chunk_tokens : {1, 7, 63, 64, 100}) {
      ASSERT_TRUE(same_bits(machine.compute(tokens, chunk_tokens), whole)) << chunk_tokens;
    }
  }
}

TEST(ActivationChoice, IsWhatTheWeightsAndTheKernelsHave) {
  const auto choose = [](const char* type, std::optional<ActivationFormat> asked) {
    const OpenModel model = small(Architecture::kLlama, type);
    return choose_activations(asked, model.model.weights(), kReferenceKernels);
  };
  EXPECT_EQ(choose("Q4_0", {}).value(), ActivationFormat::k8);
  EXPECT_EQ(choose("BF16", {}).value(), ActivationFormat::kExact);
  for (const char* type : {"Q8_0", "BF16", "F32"}) {
    EXPECT_EQ(choose(type, ActivationFormat::kExact).value(), ActivationFormat::kExact);
  }
  EXPECT_EQ(choose("Q8_0", ActivationFormat::k16).value(), ActivationFormat::k16);
  EXPECT_EQ(choose("BF16", ActivationFormat::kBf16).value(), ActivationFormat::kBf16);
  const auto refusal = [&](const char* type, ActivationFormat asked) {
    return choose(type, asked).error().message();
  };
  EXPECT_EQ(refusal("BF16", ActivationFormat::k8),
            "activations 8: the model's weights are not quantised; exact would work, and bf16");
  EXPECT_EQ(refusal("F16", ActivationFormat::k16),
            "activations 16: the model's weights are not quantised; exact would work");
  EXPECT_EQ(refusal("Q8_0", ActivationFormat::kBf16),
            "activations bf16: the model has quantised weights; 8, 16 and exact work");
  EXPECT_EQ(refusal("F32", ActivationFormat::kBf16),
            "activations bf16: the model has no BF16 weights; exact would work");
  Kernels without = kReferenceKernels;
  without.name = "avx2";
  without.multiply_bf16 = false;
  const OpenModel model = small(Architecture::kLlama, "BF16");
  EXPECT_EQ(
      choose_activations(ActivationFormat::kBf16, model.model.weights(), without).error().message(),
      "activations bf16: the kernels avx2 do not multiply BF16, or this CPU lacks "
      "AVX512-BF16; exact would work, and the kernels reference, slowly");
}

TEST_P(TransformerTest, BothPairingsAndEveryRopeScalingAgreeWithTheSlowForwardPass) {
  OpenModel model = small(Architecture::kLlama, "F32");
  for (const RopePairing pairing : {RopePairing::kInterleaved, RopePairing::kHalfSplit}) {
    for (const RopeScaling scaling :
         {RopeScaling::kNone, RopeScaling::kLinear, RopeScaling::kYarn, RopeScaling::kLlama3}) {
      SCOPED_TRACE(
          concat("pairing ", static_cast<int>(pairing), ", scaling ", static_cast<int>(scaling)));
      model.config.rope.pairing = pairing;
      model.config.rope.scaling = scaling;
      model.config.rope.factor = 4.0;
      model.config.rope.original_context_tokens = 64;
      model.config.rope.yarn_magnitude = scaling == RopeScaling::kYarn ? 1.14 : 1.0;
      model.config.rope.frequency_divisors.assign(8, 3.0f);
      compare(model, global_profile(model), kernels(), kFloatTolerance);
    }
  }
}

TEST_P(TransformerTest, LocalHeadsAgreeWithTheSlowForwardPass) {
  const OpenModel model = small(Architecture::kQwen3, "F32");
  HeadProfile profile = local_profile(model);
  for (HeadPolicy& policy : profile.policies) policy.kv_format = KvFormat::kF32;
  compare(model, profile, kernels(), kFloatTolerance);
}

TEST_P(TransformerTest, AnyChunkingOfAPromptGivesTheSameBits) {
  for (const Architecture architecture : kArchitectures) {
    for (const char* type : {"F32", "Q8_0"}) {
      SCOPED_TRACE(concat("architecture ", static_cast<int>(architecture), " ", type));
      const OpenModel model = small(architecture, type);
      const Tokens tokens = random_tokens(130, model.vocabulary(), 11);
      Machine machine(model, global_profile(model, KvFormat::kF16), on());
      const Floats whole = machine.compute(tokens);
      for (const int chunk_tokens : {1, 7, 63, 64, 100}) {
        ASSERT_TRUE(same_bits(machine.compute(tokens, chunk_tokens), whole)) << chunk_tokens;
      }
    }
  }
}

// Logits have a deviation of about 3. Observed 0.05 and 0.6; a key or a value in the wrong
// coordinates moves them by several.
TEST_P(TransformerTest, QuantisedPagesAreNearToFloatPages) {
  for (const Architecture architecture : kArchitectures) {
    SCOPED_TRACE(concat("architecture ", static_cast<int>(architecture)));
    OpenModel model = small(architecture, "F32");
    // Rounding may exchange a token's experts, which is no small difference; so it goes to all.
    model.config.experts_per_token = model.config.experts;
    const Tokens tokens = random_tokens(100, model.vocabulary(), 21);
    Machine exact(model, global_profile(model), on());
    const Floats expected = exact.compute(tokens);
    for (const auto& [format, tolerance] :
         {std::pair{KvFormat::kQ8, 0.2}, std::pair{KvFormat::kK8V4, 1.5}}) {
      Machine machine(model, global_profile(model, format), on());
      const Floats found = machine.compute(tokens);
      EXPECT_LE(largest_difference(found, {expected.begin(), expected.end()}), tolerance)
          << name(format);
      EXPECT_TRUE(same_bits(machine.compute(tokens, 7), found)) << name(format);
    }
  }
}

TEST_P(TransformerTest, LocalHeadsGiveTheSameBitsInAnyChunkingAndFreePages) {
  const OpenModel model = small(Architecture::kLlama, "Q8_0");
  const HeadProfile profile = local_profile(model);
  const Tokens tokens = random_tokens(200, model.vocabulary(), 12);
  Machine machine(model, profile, on());
  SequenceKv at_once = machine.sequence();
  const Floats whole = machine.compute(at_once, tokens);
  // 13 pages a global head; sink and window of a local one lie in 1 + 1 and 1 + 4.
  EXPECT_EQ(at_once.pages()[index_of(KvFormat::kF16)], 2 * 13 + 2 + 5);
  for (const int chunk_tokens : {1, 7, 63, 64}) {
    SequenceKv kv = machine.sequence();
    ASSERT_TRUE(same_bits(machine.compute(kv, tokens, chunk_tokens), whole)) << chunk_tokens;
    EXPECT_TRUE(kv.check());
    EXPECT_EQ(kv.pages(), at_once.pages());
  }
}

// The pages of a head that hold its sink, its window and the page being filled, of 16 tokens.
int pages_kept(const HeadPolicy& policy, int length) {
  const int all = (length + 15) / 16;
  const int window_begin = length - policy.window_tokens + 1;
  if (policy.head_class == HeadClass::kGlobal || window_begin <= policy.sink_tokens) return all;
  const int sink_pages = (policy.sink_tokens + 15) / 16;
  // One that ends just before the window is kept, too: new tokens may have to continue it.
  const int first_recent = std::max(sink_pages, (window_begin + 15) / 16 - 1);
  return sink_pages + all - first_recent;
}

TEST(Transformer, PagesOfTenThousandTokensAreThoseOfTheFormulaAtEveryStep) {
  const OpenModel model = small(Architecture::kLlama, "Q8_0");
  HeadProfile profile = local_profile(model);
  profile.policies[0] = {HeadClass::kLocal, /*sink=*/0, /*window=*/128, KvFormat::kF16};
  profile.policies[2] = {HeadClass::kLocal, /*sink=*/20, /*window=*/1, KvFormat::kF16};
  Machine machine(model, profile, {.kernels = available_kernels().back()});
  SequenceKv kv = machine.sequence();
  const Tokens tokens = random_tokens(10'000, model.vocabulary(), 18);
  const int pages = machine.pool().free_pages(KvFormat::kF16);
  int most = 0;
  for (auto at = tokens.begin(); at != tokens.end();) {
    const int step_tokens = at - tokens.begin() < 2'000 ? 125 : 1;
    machine.step({{&kv, Tokens(at, at + step_tokens)}});
    at += step_tokens;
    int expected = 0;
    for (int layer = 0; layer < profile.layers; ++layer) {
      for (int head = 0; head < profile.kv_heads; ++head) {
        const int kept = pages_kept(profile.at(layer, head), kv.length());
        ASSERT_EQ(static_cast<int>(kv.table(layer, head).size()), kept) << kv.length();
        expected += kept;
      }
    }
    ASSERT_EQ(pages - machine.pool().free_pages(KvFormat::kF16), expected) << kv.length();
    if (kv.length() == 2'000) most = expected;
    // No more than a page a head above what it was.
    if (kv.length() > 2'000) {
      ASSERT_LE(expected, most + 4) << kv.length();
    }
  }
}

TEST_P(TransformerTest, RetrievalHeadsThatMaySelectAllPagesGiveTheBitsOfGlobalOnes) {
  const OpenModel model = small(Architecture::kQwen3, "Q8_0");
  HeadProfile profile = global_profile(model, KvFormat::kF16);
  const Tokens tokens = random_tokens(150, model.vocabulary(), 19);
  const Floats global = Machine(model, profile, on()).compute(tokens, 40);
  for (HeadPolicy& policy : profile.policies) {
    policy = {HeadClass::kRetrieval, /*sink=*/0, /*window=*/16, KvFormat::kF16, /*top_pages=*/10};
  }
  EXPECT_TRUE(same_bits(Machine(model, profile, on()).compute(tokens, 40), global));
  for (HeadPolicy& policy : profile.policies) policy.top_pages = 1;
  EXPECT_FALSE(same_bits(Machine(model, profile, on()).compute(tokens, 40), global));
}

TEST_P(TransformerTest, RetrievalHeadsGiveTheSameBitsInAnyChunkingAndKeepEverything) {
  const OpenModel model = small(Architecture::kLlama, "Q8_0");
  const Tokens tokens = random_tokens(200, model.vocabulary(), 12);
  Machine machine(model, retrieval_profile(model), on());
  const Floats whole = machine.compute(tokens);
  for (const int chunk_tokens : {1, 7, 63, 64}) {
    SequenceKv kv = machine.sequence();
    ASSERT_TRUE(same_bits(machine.compute(kv, tokens, chunk_tokens), whole)) << chunk_tokens;
    EXPECT_TRUE(kv.check());
    EXPECT_EQ(kv.pages()[index_of(KvFormat::kF16)], 2 * 13);
  }
}

TEST_P(TransformerTest, ABatchOfManyGivesEachTheBitsItGetsAlone) {
  for (const Architecture architecture : kArchitectures) {
    for (const char* type : {"F32", "Q4_0"}) {
      SCOPED_TRACE(concat("architecture ", static_cast<int>(architecture), " ", type));
      const OpenModel model = small(architecture, type);
      Machine machine(model, retrieval_profile(model), on());
      std::vector<SequenceKv> kv;
      std::vector<Tokens> tokens;
      std::vector<Part> prompts, answers;
      // Prompts of several lengths, then 3 and fewer tokens after them.
      for (const int length : {1, 40, 5, 100, 2}) {
        kv.push_back(machine.sequence());
        tokens.push_back(random_tokens(length + 3, model.vocabulary(), 20 + kv.size()));
      }
      for (std::size_t i = 0; i < kv.size(); ++i) {
        const auto middle = tokens[i].end() - 3;
        prompts.push_back({&kv[i], {tokens[i].begin(), middle}});
        answers.push_back({&kv[i], {middle, middle + 1 + static_cast<std::ptrdiff_t>(i % 3)}});
      }
      const Floats first = machine.step(prompts);
      const Floats second = machine.step(answers);
      std::size_t first_row = 0, second_row = 0;
      for (std::size_t i = 0; i < kv.size(); ++i) {
        SequenceKv alone = machine.sequence();
        const std::size_t prompt = prompts[i].tokens.size(), answer = answers[i].tokens.size();
        ASSERT_TRUE(same_bits(machine.rows(first, first_row, prompt),
                              machine.step({{&alone, prompts[i].tokens}})));
        ASSERT_TRUE(same_bits(machine.rows(second, second_row, answer),
                              machine.step({{&alone, answers[i].tokens}})));
        first_row += prompt;
        second_row += answer;
      }
    }
  }
}

TEST_P(TransformerTest, AnyNumberOfThreadsGivesTheSameBits) {
  for (const Architecture architecture : kArchitectures) {
    SCOPED_TRACE(concat("architecture ", static_cast<int>(architecture)));
    const OpenModel model = small(architecture, "Q8_0");
    const Tokens tokens = random_tokens(90, model.vocabulary(), 13);
    const HeadProfile profile = global_profile(model, KvFormat::kF16);
    const Floats one = Machine(model, profile, on(1)).compute(tokens, 80);
    for (const int threads : {2, 3}) {
      EXPECT_TRUE(same_bits(Machine(model, profile, on(threads)).compute(tokens, 80), one));
    }
  }
}

TEST_P(TransformerTest, PageSizesAgreeWithinRounding) {
  const OpenModel model = small(Architecture::kLlama, "F32");
  const Tokens tokens = random_tokens(140, model.vocabulary(), 14);
  const Floats pages_of_16 = Machine(model, global_profile(model), on(1, 16)).compute(tokens);
  const std::vector<double> expected(pages_of_16.begin(), pages_of_16.end());
  for (const int page_tokens : {32, 64, 128}) {
    Machine machine(model, global_profile(model), on(1, page_tokens));
    EXPECT_LE(largest_difference(machine.compute(tokens), expected), kFloatTolerance)
        << page_tokens;
  }
}

void compare_forks(const OpenModel& model, const HeadProfile& profile,
                   const MachineOptions& options) {
  Machine machine(model, profile, options);
  const Tokens common = random_tokens(75, model.vocabulary(), 15);
  const std::array endings = {random_tokens(20, model.vocabulary(), 16),
                              random_tokens(30, model.vocabulary(), 17)};
  SequenceKv kv = machine.sequence();
  machine.compute(kv, common);
  SequenceKv fork = kv.fork(machine.log());
  // In one step, so that each must have its own copy of the page they share.
  const Floats both = machine.step({{&kv, endings[0]}, {&fork, endings[1]}});
  std::size_t row = 0;
  for (const Tokens& ending : endings) {
    Tokens all = common;
    all.insert(all.end(), ending.begin(), ending.end());
    const Floats alone = machine.compute(all);
    ASSERT_TRUE(same_bits(machine.rows(both, row, ending.size()),
                          machine.rows(alone, common.size(), ending.size())));
    row += ending.size();
  }
}

TEST_P(TransformerTest, AForkThatDivergesEqualsComputingItsTokensFromTheStart) {
  const OpenModel model = small(Architecture::kQwen3, "Q8_0");
  compare_forks(model, local_profile(model), on());
  compare_forks(model, retrieval_profile(model), on());
}

TEST_P(TransformerTest, OnlyTheWantedRowsComeBackAndWithTheSameBits) {
  const OpenModel model = small(Architecture::kLlama, "Q8_0");
  Machine machine(model, global_profile(model), on());
  const Tokens tokens = random_tokens(20, model.vocabulary(), 18);
  const Floats all = machine.compute(tokens);

  ThreadPool threads(1);
  Transformer transformer(model.config, *model.weights, machine.memory(), kernels(), threads,
                          {.max_rows = 20, .max_logit_rows = 2});
  SequenceKv kv = machine.sequence();
  ASSERT_TRUE(kv.extend(20).ok());
  std::vector<int> positions(20);
  for (std::size_t i = 0; i < 20; ++i) positions[i] = static_cast<int>(i);
  const std::array wanted = {3, 19};
  const SequenceRows rows{&kv.tables(), positions, 0};
  const std::span<const float> logits =
      transformer.run({.tokens = tokens, .sequences = {&rows, 1}, .logit_rows = wanted}).logits;
  Floats expected = machine.rows(all, 3, 1);
  const Floats last = machine.rows(all, 19, 1);
  expected.insert(expected.end(), last.begin(), last.end());
  EXPECT_TRUE(same_bits(logits, expected));
}

TEST(Transformer, BlocksOf256AgreeWithTheSlowForwardPass) {
  for (const char* shape : {"tiny-llama", "tiny-qwen3moe"}) {
    for (const char* type : {"Q4_K", "Q6_K", "Q2_K"}) {
      SCOPED_TRACE(concat(shape, " ", type));
      RandomModelOptions options{.shape = *find_shape(shape), .type = type, .pure = true};
      options.shape.layers = 1;
      const OpenModel model(options);
      HeadProfile profile = global_profile(model);
      Machine machine(model, profile, {.kernels = find_kernels(""), .threads = 2});
      const Tokens tokens = random_tokens(12, model.vocabulary(), 3);
      const std::vector<double> expected =
          tests::dense_logits(model.config, model.model.weights(), profile, tokens);
      EXPECT_LE(largest_difference(machine.compute(tokens), expected), kIntegerTolerance);
    }
  }
}

}  // namespace
}  // namespace redknot
