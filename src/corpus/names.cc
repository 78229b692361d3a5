// SPDX-License-Identifier: Apache-2.0
#include "corpus/names.h"

#include <array>
#include <cstddef>
#include <string_view>

namespace redknot::corpus {
namespace {

using std::string_view;

constexpr std::array<string_view, 26> kOnsets = {"b",  "br", "c",  "d", "dr", "f", "g",  "gr", "h",
                                                 "j",  "k",  "l",  "m", "n",  "p", "qu", "r",  "s",
                                                 "st", "t",  "tr", "v", "w",  "z", "pl", "sh"};
constexpr std::array<string_view, 7> kVowels = {"a", "e", "i", "o", "u", "ai", "ou"};
constexpr std::array<string_view, 12> kCodas = {"",  "l", "m",  "n",  "r",  "s",
                                                "t", "k", "nd", "rt", "sk", "x"};
constexpr std::array<string_view, 6> kFirms = {"Works",   "Mills", "Brothers",
                                               "Trading", "Press", "Motors"};
constexpr std::array<string_view, 6> kGatherings = {"Fair",   "Race",  "Feast",
                                                    "Market", "Games", "Parade"};
constexpr double kLongName = 0.85;       // of two syllables, not one
constexpr double kSurname = 0.25;        // of persons
constexpr std::uint64_t kTestShare = 6;  // one syllable in six

// A fixed scatter of the syllables over the splits.
Split split_of(std::size_t onset, std::size_t vowel, std::size_t coda) {
  std::uint64_t mixed = (onset * kVowels.size() + vowel) * kCodas.size() + coda + 1;
  mixed *= 0x9E3779B97F4A7C15U;
  mixed ^= mixed >> 32;
  return mixed % kTestShare == 0 ? Split::kTest : Split::kTrain;
}

std::string capitalised(std::string word) {
  word[0] = static_cast<char>(word[0] - 'a' + 'A');
  return word;
}

}  // namespace

std::string NameMaker::syllable(Random& random) const {
  for (;;) {
    const std::size_t onset = random.below(kOnsets.size());
    const std::size_t vowel = random.below(kVowels.size());
    const std::size_t coda = random.below(kCodas.size());
    if (split_of(onset, vowel, coda) != split_) continue;
    return std::string(kOnsets[onset]) + std::string(kVowels[vowel]) + std::string(kCodas[coda]);
  }
}

std::string NameMaker::word(Random& random) {
  for (;;) {
    std::string out;
    const int syllables = random.chance(easy_ ? 0.5 : kLongName) ? 2 : 1;
    for (int i = 0; i < syllables; ++i) out += syllable(random);
    if (out.size() < 3) continue;
    out = capitalised(std::move(out));
    if (taken_.insert(out).second) return out;
  }
}

std::string NameMaker::person(Random& random) {
  const std::string name = word(random);
  return easy_ || !random.chance(kSurname) ? name : name + " " + word(random);
}

std::string NameMaker::company(Random& random) {
  const std::string name = word(random);
  return easy_ || random.chance(0.5) ? name : name + " " + std::string(random.pick(kFirms));
}

std::string NameMaker::event(Random& random) {
  const std::string name = word(random);
  return "the " + name + " " + std::string(random.pick(kGatherings));
}

std::string NameMaker::place(Random& random) { return word(random); }

}  // namespace redknot::corpus
