// SPDX-License-Identifier: Apache-2.0
#include "corpus/relations.h"

#include "base/check.h"
#include "base/error.h"

namespace redknot::corpus {
namespace {

using std::string_view;
using enum SubjectType;

constexpr std::array kRelations = {
    Relation{
        kPerson,
        ValueType::kCity,
        "birthplace",
        {"was born in", "is a native of", "comes from", "first saw the light in"},
        {"Where was {S} born?", "In which city was {S} born?", "What is the birthplace of {S}?"},
        "birthplace"},
    Relation{
        kPerson,
        ValueType::kCity,
        "home city",
        {"lives in", "makes a home in", "has a house in", "now resides in"},
        {"Where does {S} live?", "In which city does {S} live?", "What is the home city of {S}?"},
        "home city"},
    Relation{
        kPerson,
        ValueType::kCompany,
        "employer",
        {"works for", "is employed by", "earns a living at", "has a desk at"},
        {"Who employs {S}?", "Which company does {S} work for?", "What is the employer of {S}?"},
        "employer"},
    Relation{kPerson,
             ValueType::kJob,
             "job",
             {"works as a", "earns money as a", "is known as a good", "was trained as a"},
             {"What is the job of {S}?", "What does {S} work as?", "Which job does {S} have?"},
             ""},
    Relation{kPerson,
             ValueType::kPerson,
             "sister",
             {"has a sister named", "grew up with a sister called", "often visits a sister named",
              "shares a garden with a sister called"},
             {"Who is the sister of {S}?", "What is the name of the sister of {S}?",
              "Which person is the sister of {S}?"},
             "sister"},
    Relation{kPerson,
             ValueType::kPerson,
             "teacher",
             {"studied under", "was taught by", "learned everything from", "was a pupil of"},
             {"Who taught {S}?", "Who is the teacher of {S}?", "With whom did {S} study?"},
             "teacher"},
    Relation{kPerson,
             ValueType::kYear,
             "birth year",
             {"has the birth year", "is a child of the year", "was christened in the year",
              "came into the world in"},
             {"In which year was {S} born?", "What is the birth year of {S}?",
              "Which birth year does {S} have?"},
             ""},
    Relation{kPerson,
             ValueType::kInstrument,
             "instrument",
             {"plays the", "practises the", "performs on the", "owns and plays a"},
             {"Which instrument does {S} play?", "What does {S} play?",
              "What is the instrument of {S}?"},
             ""},
    Relation{kCompany,
             ValueType::kCity,
             "seat",
             {"is based in", "has its offices in", "keeps its main office in", "is run from"},
             {"Where is {S} based?", "In which city is {S} based?", "What is the seat of {S}?"},
             "seat"},
    Relation{kCompany,
             ValueType::kProduct,
             "product",
             {"makes", "sells", "produces", "is famous for its"},
             {"What does {S} make?", "What does {S} sell?", "What is the product of {S}?"},
             ""},
    Relation{kCompany,
             ValueType::kYear,
             "founding year",
             {"was founded in", "dates from the year", "opened its doors in", "was set up in"},
             {"When was {S} founded?", "In which year was {S} founded?",
              "What is the founding year of {S}?"},
             ""},
    Relation{kCompany,
             ValueType::kPerson,
             "head",
             {"is led by", "is headed by", "is directed by", "takes orders from"},
             {"Who leads {S}?", "Who is the head of {S}?", "Which person directs {S}?"},
             "head"},
    Relation{
        kCity,
        ValueType::kRiver,
        "river",
        {"lies on the river", "stands by the river", "was built along the river",
         "is crossed by the river"},
        {"Which river crosses {S}?", "On which river does {S} lie?", "What is the river of {S}?"},
        ""},
    Relation{kCity,
             ValueType::kPerson,
             "mayor",
             {"has a mayor named", "is governed by", "elected as its mayor", "put its trust in"},
             {"Who governs {S}?", "Who is the mayor of {S}?", "Which person is the mayor of {S}?"},
             "mayor"},
    Relation{
        kCity,
        ValueType::kRegion,
        "region",
        {"belongs to the region of", "is part of", "lies in the land of", "is the largest town of"},
        {"In which region is {S}?", "To which region does {S} belong?",
         "What is the region of {S}?"},
        ""},
    Relation{
        kEvent,
        ValueType::kCity,
        "place",
        {"takes place in", "is held in", "fills the streets of", "brings visitors to"},
        {"Where is {S} held?", "In which city does {S} take place?", "What is the place of {S}?"},
        "place"},
    Relation{kEvent,
             ValueType::kYear,
             "first year",
             {"was first held in", "began in", "started in the year", "goes back to"},
             {"When was {S} first held?", "In which year did {S} begin?",
              "What is the first year of {S}?"},
             ""},
    Relation{
        kEvent,
        ValueType::kPerson,
        "winner",
        {"was last won by", "gave its prize to", "was won this year by", "crowned as its winner"},
        {"Who won {S}?", "Who is the winner of {S}?", "Which person won {S}?"},
        "winner"},
};

constexpr Relation kAlias = {
    kPerson,
    ValueType::kPerson,
    "name",
    {"is also known as", "goes by the name", "signs letters as", "is called by many people"},
    {},
    ""};

constexpr std::array<string_view, 4> kFrames = {"{F}.", "According to the records, {F}.",
                                                "It is known that {F}.",
                                                "{F}, as many people remember."};
constexpr std::array<string_view, 4> kOpenings = {
    "", "Please tell me: ", "According to the documents: ", "A short question: "};

constexpr std::array<string_view, 24> kJobs = {
    "baker",  "doctor",   "lawyer",    "painter", "sailor",     "teacher",   "farmer", "cook",
    "tailor", "gardener", "carpenter", "dancer",  "journalist", "librarian", "miller", "nurse",
    "pilot",  "plumber",  "poet",      "singer",  "smith",      "surgeon",   "tanner", "writer"};
constexpr std::array<string_view, 16> kInstruments = {
    "violin", "piano",    "flute",    "guitar",  "drum", "trumpet", "harp",       "cello",
    "lute",   "clarinet", "mandolin", "bassoon", "horn", "fiddle",  "tambourine", "banjo"};
constexpr std::array<string_view, 24> kProducts = {
    "bicycles", "clocks", "shoes", "candles", "carpets", "glass",  "paper",  "pianos",
    "ropes",    "ships",  "soap",  "tools",   "wool",    "bricks", "cheese", "furniture",
    "hats",     "lamps",  "maps",  "mirrors", "paint",   "sugar",  "toys",   "wine"};

constexpr std::array<string_view, 20> kAdjectives = {
    "old",   "quiet", "small", "bright", "narrow", "tall",  "grey",   "wooden", "empty", "broad",
    "round", "plain", "heavy", "dusty",  "green",  "stone", "pretty", "cold",   "wide",  "simple"};
constexpr std::array<string_view, 24> kNouns = {
    "bridge", "tower",  "garden", "library", "road",   "wall",    "hall",    "fountain",
    "square", "field",  "forest", "barn",    "church", "harbour", "school",  "window",
    "lane",   "meadow", "gate",   "well",    "roof",   "path",    "orchard", "stable"};
constexpr std::array<string_view, 16> kEvents = {"was repaired",
                                                 "stood in the rain",
                                                 "was full of people",
                                                 "needed new paint",
                                                 "was closed",
                                                 "looked very fine",
                                                 "drew some visitors",
                                                 "was covered with snow",
                                                 "was left in peace",
                                                 "could be seen from afar",
                                                 "was swept by the wind",
                                                 "was measured",
                                                 "smelled of apples",
                                                 "was being sold",
                                                 "had been cleaned",
                                                 "cast a long shadow"};
constexpr std::array<string_view, 16> kTimes = {
    "in the spring",     "last winter",      "every morning", "for three weeks",
    "after the storm",   "on most days",     "in those days", "before the harvest",
    "during the summer", "at noon",          "once a month",  "in the evening",
    "for a long time",   "on the first day", "all year",      "without any reason"};

// Parts i and j of a sentence go together in one split only.
bool together(std::size_t i, std::size_t j, Split split) {
  return ((i + j) % 4 == 3) == (split == Split::kTest);
}

std::string replaced(string_view text, string_view mark, string_view by) {
  std::string out(text);
  const std::size_t at = out.find(mark);
  REDKNOT_CHECK(at != std::string::npos);
  return out.replace(at, mark.size(), by);
}

}  // namespace

std::span<const Relation> relations() { return kRelations; }

std::string state(const Relation& relation, string_view subject, string_view value, Split split,
                  Random& random) {
  for (;;) {
    const std::size_t phrase = random.below(relation.phrases.size());
    const std::size_t frame = random.below(kFrames.size());
    if (!together(phrase, frame, split)) continue;
    std::string fact = std::string(subject) + " " + std::string(relation.phrases[phrase]) + " " +
                       std::string(value);
    std::string sentence = replaced(kFrames[frame], "{F}", fact);
    if (sentence[0] >= 'a' && sentence[0] <= 'z') {
      sentence[0] = static_cast<char>(sentence[0] - 'a' + 'A');
    }
    return sentence;
  }
}

std::string state_alias(string_view subject, string_view alias, Split split, Random& random) {
  return state(kAlias, subject, alias, split, random);
}

std::string ask(const Relation& relation, string_view subject, Split split, Random& random) {
  for (;;) {
    const std::size_t question = random.below(relation.questions.size());
    const std::size_t opening = random.below(kOpenings.size());
    if (!together(question, opening, split)) continue;
    return std::string(kOpenings[opening]) + replaced(relation.questions[question], "{S}", subject);
  }
}

std::string ask_further(const Relation& relation, Split split, Random& random) {
  constexpr std::array<string_view, 3> kFurther = {"And what is the {N}?", "What about the {N}?",
                                                   "And the {N}?"};
  const std::size_t form = split == Split::kTest ? 2 : random.below(2);
  return replaced(kFurther[form], "{N}", relation.noun);
}

std::string open_question(string_view question, Split split, Random& random) {
  const std::size_t opening = split == Split::kTest ? 3 : random.below(3);
  return std::string(kOpenings[opening]) + std::string(question);
}

string_view pick_word(ValueType type, Random& random) {
  switch (type) {
    case ValueType::kJob:
      return random.pick(kJobs);
    case ValueType::kInstrument:
      return random.pick(kInstruments);
    case ValueType::kProduct:
      return random.pick(kProducts);
    default:
      break;
  }
  REDKNOT_CHECK(false && "names and years are not words");
  return {};
}

std::string filler_sentence(Split split, Random& random) {
  for (;;) {
    const std::size_t adjective = random.below(kAdjectives.size());
    const std::size_t noun = random.below(kNouns.size());
    if (!together(adjective, noun, split)) continue;
    const std::string thing = concat("the ", kAdjectives[adjective], " ", kNouns[noun]);
    const string_view happened = random.pick(kEvents);
    const string_view when = random.pick(kTimes);
    switch (random.below(3)) {
      case 0:
        return concat("T", thing.substr(1), " ", happened, " ", when, ".");
      case 1:
        return concat("Few people noticed that ", thing, " ", happened, ".");
      default:
        return concat("They say ", thing, " ", happened, " ", when, ".");
    }
  }
}

}  // namespace redknot::corpus
