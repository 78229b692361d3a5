// SPDX-License-Identifier: Apache-2.0
#include "load/text.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "load/random.h"

namespace redknot::load {
namespace {

constexpr auto kWords = std::to_array<std::string_view>(
    {"able",    "account", "after",  "again",    "against", "air",    "always",  "among",
     "animal",  "answer",  "area",   "around",   "art",     "author", "bank",    "become",
     "before",  "behind",  "better", "between",  "big",     "black",  "board",   "body",
     "book",    "both",    "bring",  "build",    "call",    "car",    "card",    "care",
     "case",    "center",  "change", "child",    "city",    "class",  "clear",   "close",
     "cold",    "come",    "common", "cost",     "country", "court",  "cover",   "dark",
     "day",     "deal",    "death",  "develop",  "door",    "down",   "draw",    "drive",
     "early",   "east",    "effect", "end",      "energy",  "enough", "even",    "ever",
     "example", "eye",     "face",   "fact",     "family",  "far",    "father",  "field",
     "final",   "fire",    "floor",  "follow",   "food",    "force",  "form",    "free",
     "friend",  "front",   "future", "game",     "general", "give",   "glass",   "good",
     "great",   "green",   "ground", "group",    "grow",    "hair",   "half",    "hand",
     "hard",    "head",    "hear",   "heart",    "help",    "high",   "history", "home",
     "hope",    "hour",    "house",  "human",    "idea",    "image",  "inside",  "island",
     "keep",    "kind",    "land",   "large",    "late",    "law",    "lead",    "learn",
     "letter",  "level",   "life",   "light",    "line",    "list",   "little",  "live",
     "long",    "look",    "low",    "machine",  "main",    "make",   "market",  "matter",
     "measure", "meet",    "member", "mind",     "minute",  "model",  "modern",  "money",
     "month",   "morning", "mother", "mountain", "move",    "music",  "name",    "nature",
     "near",    "need",    "never",  "night",    "north",   "note",   "number",  "object",
     "ocean",   "office",  "often",  "open",     "order",   "other",  "page",    "paper",
     "part",    "past",    "path",   "people",   "place",   "plan",   "plant",   "play",
     "point",   "power",   "public", "quick",    "quiet",   "rain",   "reach",   "read",
     "reason",  "record",  "red",    "result",   "rich",    "right",  "rise",    "river",
     "road",    "rock",    "room",   "round",    "rule",    "run",    "sea",     "season",
     "second",  "sense",   "shape",  "short",    "show",    "side",   "simple",  "sing",
     "slow",    "small",   "snow",   "sound",    "south",   "space",  "speak",   "stand",
     "star",    "state",   "step",   "stone",    "story",   "street", "strong",  "study",
     "summer",  "sun",     "table",  "talk",     "teach",   "test",   "thing",   "think",
     "time",    "town",    "trade",  "train",    "tree",    "true",   "turn",    "under",
     "unit",    "value",   "voice",  "walk",     "wall",    "warm",   "water",   "west",
     "white",   "whole",   "wind",   "winter",   "wood",    "word",   "work",    "world",
     "write",   "year",    "young"});

constexpr int kShortestSentence = 6;
constexpr int kSentenceLengths = 9;

std::string words(std::uint64_t seed, int count) {
  Random random(seed);
  std::string out;
  out.reserve(static_cast<std::size_t>(count) * 7);
  int left_in_sentence = 0;
  for (int word = 0; word < count; ++word) {
    const bool first = left_in_sentence == 0;
    if (first)
      left_in_sentence = kShortestSentence + static_cast<int>(random.below(kSentenceLengths));
    if (word > 0) out += ' ';
    const std::size_t start = out.size();
    out += kWords[random.below(kWords.size())];
    if (first) out[start] = static_cast<char>(out[start] - 'a' + 'A');
    if (--left_in_sentence == 0 || word + 1 == count) out += '.';
  }
  return out;
}

}  // namespace

std::string TextMaker::text(std::uint64_t seed, int tokens) const {
  return words(seed, std::max(1, static_cast<int>(std::lround(tokens / tokens_per_word_))));
}

std::string calibration_text() { return words(/*seed=*/0x5eed, kCalibrationWords); }

}  // namespace redknot::load
