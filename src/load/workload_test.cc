// SPDX-License-Identifier: Apache-2.0
#include "load/workload.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "load/text.h"

namespace redknot::load {
namespace {

bool same(const Workload& a, const Workload& b) {
  if (a.conversations.size() != b.conversations.size()) return false;
  for (std::size_t i = 0; i < a.conversations.size(); ++i) {
    const auto &left = a.conversations[i].turns, &right = b.conversations[i].turns;
    if (left.size() != right.size()) return false;
    for (std::size_t turn = 0; turn < left.size(); ++turn) {
      if (left[turn].at_s != right[turn].at_s) return false;
      if (left[turn].parts.size() != right[turn].parts.size()) return false;
      for (std::size_t part = 0; part < left[turn].parts.size(); ++part) {
        if (left[turn].parts[part].seed != right[turn].parts[part].seed) return false;
      }
    }
  }
  return true;
}

Workload made(const WorkloadOptions& options, const std::vector<TraceRequest>& trace = {}) {
  auto workload = make_workload(options, {.trace = trace});
  EXPECT_TRUE(workload.ok()) << workload.error().message();
  return workload.ok() ? *std::move(workload) : Workload{};
}

TEST(Workload, TheSeedFixesEverything) {
  for (const Mix mix : {Mix::kUnique, Mix::kShared, Mix::kMultiTurn}) {
    const WorkloadOptions options{.mix = mix, .prompts = 50, .rate = 3, .seed = 7};
    WorkloadOptions other = options;
    other.seed = 8;
    EXPECT_TRUE(same(made(options), made(options)));
    EXPECT_FALSE(same(made(options), made(other)));
  }
}

TEST(Workload, AnotherRateAsksTheSame) {
  const WorkloadOptions slow{.mix = Mix::kShared, .prompts = 20, .rate = 1};
  WorkloadOptions fast = slow;
  fast.rate = 10;
  const Workload a = made(slow), b = made(fast);
  for (std::size_t i = 0; i < a.conversations.size(); ++i) {
    const Turn &left = a.conversations[i].turns[0], &right = b.conversations[i].turns[0];
    EXPECT_NEAR(left.at_s, 10 * right.at_s, 1e-9);
    EXPECT_EQ(left.parts[0].seed, right.parts[0].seed);
  }
}

TEST(Workload, QuestionsOfAFileAreAskedOnceWithTheDocumentsInAnyOrder) {
  std::vector<QuestionSet> sets(2);
  for (int i = 0; i < 5; ++i) {
    sets[0].documents.push_back(std::make_shared<const std::string>(1, 'a' + i));
  }
  sets[0].system = "be brief";
  for (int i = 0; i < 30; ++i) sets[0].questions.push_back({std::to_string(i), "yes"});
  sets[1].documents.push_back(std::make_shared<const std::string>("z"));
  sets[1].questions.push_back({"30", ""});
  const WorkloadOptions options{.mix = Mix::kQuestions, .prompts = 100, .rate = 2};
  const auto workload = make_workload(options, {.questions = sets});
  ASSERT_TRUE(workload.ok());
  ASSERT_EQ(workload->requests(), 31);
  std::set<std::string> questions, orders;
  std::set<std::uint64_t> seeds;
  for (const Conversation& conversation : workload->conversations) {
    const Turn& turn = conversation.turns.at(0);
    std::string order;
    for (const TextPart& part : turn.parts) {
      if (part.reusable) order += *part.text;
    }
    const bool first = order.size() == 5;
    EXPECT_EQ(turn.system, first ? "be brief" : "");
    EXPECT_EQ(turn.expected, first ? "yes" : "");
    EXPECT_FALSE(turn.parts.back().reusable);
    questions.insert(*turn.parts.back().text);
    seeds.insert(turn.parts.back().seed);
    orders.insert(order);
  }
  EXPECT_EQ(questions.size(), 31u);
  EXPECT_EQ(seeds.size(), 31u);
  EXPECT_GT(orders.size(), 10u);
  const WorkloadOptions few{.mix = Mix::kQuestions, .prompts = 4};
  EXPECT_EQ(make_workload(few, {.questions = sets})->requests(), 4);
  EXPECT_FALSE(make_workload(few).ok());
}

std::string documents_of(const Conversation& conversation) {
  std::string out;
  for (const TextPart& part : conversation.turns.at(0).parts) {
    if (part.reusable) out += *part.text;
  }
  return out;
}

TEST(Workload, QuestionsMayKeepTheFilesOrderAndHaveBeenSeen) {
  std::vector<QuestionSet> sets(2);
  for (int i = 0; i < 5; ++i) {
    sets[0].documents.push_back(std::make_shared<const std::string>(1, 'a' + i));
    sets[0].questions.push_back({std::to_string(i), "yes"});
  }
  sets[1].documents.push_back(std::make_shared<const std::string>("z"));
  sets[1].questions.push_back({"5", ""});
  WorkloadOptions options{.mix = Mix::kQuestions, .orders_vary = false, .first_sights = true};
  const auto seen = make_workload(options, {.questions = sets});
  ASSERT_TRUE(seen.ok());
  std::multiset<std::string> asked, known;
  for (const Conversation& one : seen->conversations) asked.insert(documents_of(one));
  for (const Conversation& one : seen->first_sights) {
    known.insert(documents_of(one));
    EXPECT_EQ(one.turns.at(0).output_tokens, 1);
  }
  EXPECT_EQ(asked.count("abcde"), 5u);
  EXPECT_EQ(asked.count("z"), 1u);
  EXPECT_EQ(known, (std::multiset<std::string>{"abcde", "z"}));
  // The same questions in the same order as where orders vary.
  options.orders_vary = true;
  options.first_sights = false;
  const auto varied = make_workload(options, {.questions = sets});
  EXPECT_TRUE(varied->first_sights.empty());
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(*varied->conversations[i].turns[0].parts.back().text,
              *seen->conversations[i].turns[0].parts.back().text);
  }
}

TEST(Workload, ArrivalsArePoisson) {
  const std::vector<double> arrivals = poisson_arrivals(20000, 5, 1);
  double before = 0, sum = 0, squares = 0;
  for (const double at_s : arrivals) {
    const double gap = at_s - before;
    EXPECT_GE(gap, 0);
    sum += gap;
    squares += gap * gap;
    before = at_s;
  }
  const double mean = sum / 20000;
  EXPECT_NEAR(mean, 0.2, 0.005);
  // Exponential: the deviation is the mean.
  EXPECT_NEAR(squares / 20000 - mean * mean, 0.04, 0.002);
}

TEST(Workload, AnInfiniteRateIsAllAtOnce) {
  for (const Conversation& one : made({.prompts = 10}).conversations) {
    EXPECT_EQ(one.turns[0].at_s, 0);
  }
}

TEST(Workload, UniquePromptsShareNothing) {
  std::set<std::uint64_t> seeds;
  for (const Conversation& one : made({.prompts = 500}).conversations) {
    seeds.insert(one.turns[0].parts[0].seed);
  }
  EXPECT_EQ(seeds.size(), 500u);
}

TEST(Workload, SharedPromptsTakeDifferentDocumentsAndAskAboutThem) {
  const WorkloadOptions options{
      .mix = Mix::kShared, .prompts = 400, .documents = 6, .documents_per_prompt = 3};
  std::map<std::uint64_t, int> asked;
  for (const Conversation& one : made(options).conversations) {
    const auto& parts = one.turns[0].parts;
    ASSERT_EQ(parts.size(), 4u);
    std::set<std::uint64_t> documents;
    for (std::size_t part = 0; part < 3; ++part) {
      EXPECT_TRUE(parts[part].reusable);
      EXPECT_EQ(parts[part].tokens, options.document_tokens);
      documents.insert(parts[part].seed);
      ++asked[parts[part].seed];
    }
    EXPECT_EQ(documents.size(), 3u);
    EXPECT_FALSE(parts[3].reusable);
    EXPECT_EQ(parts[3].tokens, options.question_tokens);
  }
  EXPECT_EQ(asked.size(), 6u);
}

TEST(Workload, ZipfMakesTheFirstDocumentPopular) {
  WorkloadOptions options{
      .mix = Mix::kShared, .prompts = 3000, .documents = 10, .documents_per_prompt = 1, .zipf = 1};
  const auto share_of_most = [](const Workload& workload) {
    std::map<std::uint64_t, int> asked;
    int most = 0;
    for (const Conversation& one : workload.conversations) {
      most = std::max(most, ++asked[one.turns[0].parts[0].seed]);
    }
    return most / 3000.0;
  };
  EXPECT_NEAR(share_of_most(made(options)), 1 / 2.929, 0.03);  // 1 / (1 + 1/2 + ... + 1/10)
  options.zipf = 0;
  EXPECT_NEAR(share_of_most(made(options)), 0.1, 0.03);
}

TEST(Workload, AllDocumentsMayBeTakenHoweverUnpopular) {
  const Workload workload = made(
      {.mix = Mix::kShared, .prompts = 5, .documents = 50, .documents_per_prompt = 50, .zipf = 10});
  EXPECT_EQ(workload.conversations[0].turns[0].parts.size(), 51u);
}

TEST(Workload, TurnsFollowEachOtherAndAddUp) {
  const Workload workload =
      made({.mix = Mix::kMultiTurn, .prompts = 11, .rate = 100, .question_tokens = 5, .turns = 4});
  ASSERT_EQ(workload.conversations.size(), 3u);
  EXPECT_EQ(workload.requests(), 11);
  EXPECT_EQ(workload.conversations[2].turns.size(), 3u);
  for (const Conversation& one : workload.conversations) {
    for (std::size_t turn = 1; turn < one.turns.size(); ++turn) {
      EXPECT_GT(one.turns[turn].at_s, one.turns[turn - 1].at_s);
      EXPECT_EQ(one.turns[turn].parts[0].tokens, 5);
    }
  }
}

TEST(Workload, ATraceKeepsItsTimesLengthsAndEqualBlocks) {
  const std::vector<TraceRequest> trace = {
      {.timestamp_ms = 500, .input_tokens = 600, .output_tokens = 9, .blocks = {4, 5}},
      {.timestamp_ms = 900, .input_tokens = 5000, .output_tokens = 9, .blocks = {1, 2, 3}},
      {.timestamp_ms = 1000, .input_tokens = 1024, .output_tokens = 3, .blocks = {4, 6}}};
  const Workload workload = made({.mix = Mix::kTrace, .speed = 2, .max_input_tokens = 2000}, trace);
  ASSERT_EQ(workload.conversations.size(), 2u);
  EXPECT_EQ(workload.left_out, 1);
  const Turn &first = workload.conversations[0].turns[0],
             &last = workload.conversations[1].turns[0];
  EXPECT_EQ(first.at_s, 0.25);
  EXPECT_EQ(last.at_s, 0.5);
  EXPECT_EQ(last.output_tokens, 3);
  EXPECT_EQ(first.parts[0].tokens, 512);
  EXPECT_EQ(first.parts[1].tokens, 88);
  EXPECT_EQ(first.parts[0].seed, last.parts[0].seed);
  EXPECT_NE(first.parts[1].seed, last.parts[1].seed);
}

TEST(Workload, WrongOptionsAreRefused) {
  const WorkloadOptions wrong[] = {
      {.prompts = 0},
      {.rate = 0},
      {.rate = -1},
      {.input_tokens = 0},
      {.output_tokens = 0},
      {.mix = Mix::kMultiTurn, .turns = 0},
      {.think_s = -1},
      {.speed = 0},
      {.mix = Mix::kShared, .documents = 2, .documents_per_prompt = 3},
      {.mix = Mix::kShared, .documents_per_prompt = 0},
      {.mix = Mix::kTrace},
  };
  for (const WorkloadOptions& options : wrong) EXPECT_FALSE(make_workload(options, {}).ok());
}

TEST(Text, IsAsLongAsWantedAndEqualForEqualSeeds) {
  const TextMaker maker(1.5);
  const std::string text = maker.text(3, 300);
  EXPECT_EQ(std::count(text.begin(), text.end(), ' ') + 1, 200);
  EXPECT_EQ(text, maker.text(3, 300));
  EXPECT_NE(text.substr(0, 40), maker.text(4, 300).substr(0, 40));
  EXPECT_FALSE(maker.text(3, 1).empty());
}

}  // namespace
}  // namespace redknot::load
