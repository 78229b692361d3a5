// SPDX-License-Identifier: Apache-2.0
#include "corpus/lookup.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "corpus/relations.h"

namespace redknot::corpus {
namespace {

using std::string_view;

std::string hex(int digits, Random& random) {
  constexpr string_view kDigits = "0123456789abcdef";
  std::string out;
  for (int i = 0; i < digits; ++i) out += kDigits[random.below(kDigits.size())];
  return out;
}

std::string uuid(Random& random) {
  std::string out = hex(32, random);
  out[12] = '4';  // the version of random ones
  for (const std::size_t at : {20, 16, 12, 8}) out.insert(at, "-");
  return out;
}

std::string entry(string_view key, string_view value) {
  return concat("\"", key, "\": \"", value, "\"");
}

using Pairs = std::vector<std::pair<std::string, std::string>>;

Pairs make_pairs(const SampleOptions& options, const CountTokens& count, Random& random) {
  const bool whole =
      options.split == Split::kTest || !(options.style == Style::kEasy || random.chance(0.3));
  const auto word = [&] { return whole ? uuid(random) : hex(8, random); };
  Pairs pairs;
  for (int left = options.document_tokens - 30; left > 0 || pairs.size() < 2;) {
    std::string key = word();
    std::string value = word();
    left -= count(entry(key, value) + ", ");
    pairs.emplace_back(std::move(key), std::move(value));
  }
  if (pairs.size() > 2) pairs.pop_back();
  return pairs;
}

// As in "Lost in the Middle", in llm-foundry, and short.
constexpr std::array<string_view, 3> kTasks = {
    "Extract the value corresponding to the specified key in the JSON object below.\n\nJSON "
    "data:\n",
    "Extract the value corresponding to the specified key in the JSON object below. \n JSON "
    "data:\n",
    "JSON data:\n"};

std::string json_text(const Pairs& pairs) {
  std::string out = "{";
  for (const auto& [key, value] : pairs) {
    out += (out.size() > 1 ? ", " : "") + entry(key, value);
  }
  return out + "}";
}

}  // namespace

Sample make_key_value(const SampleOptions& options, const CountTokens& count, Random& random) {
  Pairs pairs = make_pairs(options, count, random);
  const std::string object = std::string(random.pick(kTasks)) + json_text(pairs);
  Sample sample;
  const bool in_question = random.chance(0.5);
  if (!in_question) sample.documents.push_back(object);
  random.shuffle(pairs);
  for (int i = 0; i < options.turns && i < static_cast<int>(pairs.size()); ++i) {
    const auto& [key, value] = pairs[static_cast<std::size_t>(i)];
    std::string question =
        "Key: \"" + key + "\"\nCorresponding " + (random.chance(0.5) ? "Value:" : "value:");
    if (in_question && i == 0) question.insert(0, object + "\n\n");
    sample.turns.push_back({Kind::kKeyValue, std::move(question), value});
  }
  return sample;
}

Sample make_passkey(const SampleOptions& options, const CountTokens& count, Random& random) {
  std::string key;
  for (int i = 0; i < 5; ++i) key += static_cast<char>('0' + random.between(i == 0 ? 1 : 0, 9));
  const bool test = options.split == Split::kTest;
  const std::string statement =
      test ? "The pass key is " + key + ". Remember it: " + key + " is the pass key."
           : "The pass key is " + key + ". Remember it.";
  std::vector<std::string> sentences = {statement};
  for (int left = options.document_tokens - count(statement) - 8; left > 16;) {
    sentences.push_back(filler_sentence(options.split, random));
    left -= count(" " + sentences.back());
  }
  std::swap(sentences[0], sentences[random.below(sentences.size())]);
  Sample sample;
  sample.documents.emplace_back();
  for (const std::string& sentence : sentences) {
    std::string& document = sample.documents.back();
    document += (document.empty() ? "" : " ") + sentence;
  }
  sample.turns.push_back(
      {Kind::kPasskey, open_question("What is the pass key?", options.split, random), key});
  return sample;
}

}  // namespace redknot::corpus
