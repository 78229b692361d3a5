// SPDX-License-Identifier: Apache-2.0
#include "tests/models/random_vocabulary.h"

#include <string>
#include <unordered_set>
#include <vector>

#include "base/check.h"
#include "base/utf8.h"

namespace redknot {
namespace {

constexpr std::string_view kChatTemplate =
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + "
    "message['content'] + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

// The character that stands for a byte in byte-level BPE: itself where it is visible, else one from
// U+0100 on.
std::string printable(int byte) {
  const auto visible = [](int b) {
    return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
  };
  int code = byte;
  if (!visible(byte)) {
    code = 256;
    for (int b = 0; b < byte; ++b) code += visible(b) ? 0 : 1;
  }
  std::string out;
  append_utf8(out, static_cast<char32_t>(code));
  return out;
}

struct Pieces {
  std::size_t limit;                // of tokens
  std::vector<std::string> tokens;  // in order of their ids
  std::vector<std::string> merges;
  std::unordered_set<std::string> seen;

  bool full() const { return tokens.size() >= limit; }

  // Requires that both parts are tokens already.
  void add(const std::string& left, const std::string& right) {
    if (full() || !seen.insert(left + right).second) return;
    tokens.push_back(left + right);
    merges.push_back(left + " " + right);
  }
};

void add_bytes(Pieces& pieces) {
  for (int byte = 0; byte < 256; ++byte) pieces.tokens.push_back(printable(byte));
  pieces.seen.insert(pieces.tokens.begin(), pieces.tokens.end());
}

void add_english(Pieces& pieces) {
  constexpr const char* kSpace = "\u0120";
  const char* merges[][2] = {
      {kSpace, "t"},    {"h", "e"},    {"\u0120t", "he"}, {"i", "n"},       {"e", "r"},
      {kSpace, "a"},    {"o", "n"},    {kSpace, "s"},     {"r", "e"},       {"a", "n"},
      {"\u0120a", "n"}, {"e", "n"},    {"\u0120an", "d"}, {kSpace, "o"},    {"\u0120o", "f"},
      {"in", "g"},      {"o", "r"},    {kSpace, "i"},     {"\u0120i", "n"}, {"\u0120t", "o"},
      {"e", "d"},       {kSpace, "w"}, {kSpace, "b"},     {kSpace, "c"},    {kSpace, "f"},
      {kSpace, "h"},    {kSpace, "m"}, {kSpace, "p"},     {kSpace, "d"},    {"\u0120i", "s"},
      {"e", "s"},       {"a", "t"},    {"i", "s"},        {"o", "u"},       {kSpace, "l"}};
  for (const auto& [left, right] : merges) pieces.add(left, right);
}

// Runs of letters: every run of n + m letters is one of n and one of m.
void add_letters(Pieces& pieces) {
  std::vector<std::string> letters, pairs;
  for (char c = 'a'; c <= 'z'; ++c) letters.push_back({c});
  for (const std::string& left : letters) {
    for (const std::string& right : letters) {
      pieces.add(left, right);
      pairs.push_back(left + right);
    }
  }
  if (pieces.full()) return;
  for (const std::string& left : pairs) {
    for (const std::string& right : letters) pieces.add(left, right);
  }
  for (const std::string& left : pairs) {
    for (const std::string& right : pairs) {
      if (pieces.full()) return;
      pieces.add(left, right);
    }
  }
}

}  // namespace

void put_random_vocabulary(GgufWriter& writer, int size, std::string_view pre_tokenizer,
                           bool add_bos) {
  REDKNOT_CHECK(size >= kMinRandomVocabulary && size <= kMaxRandomVocabulary);
  Pieces pieces{
      .limit = static_cast<std::size_t>(size) - 3, .tokens = {}, .merges = {}, .seen = {}};
  add_bytes(pieces);
  add_english(pieces);
  add_letters(pieces);
  std::vector<std::string> tokens = std::move(pieces.tokens);
  std::vector<std::int32_t> types(tokens.size(), 1);
  for (const char* control : {"<|endoftext|>", "<|im_start|>", "<|im_end|>"}) {
    tokens.push_back(control);
    types.push_back(3);
  }
  REDKNOT_CHECK(tokens.size() == static_cast<std::size_t>(size));
  writer.put_text("tokenizer.ggml.model", "gpt2");
  writer.put_text("tokenizer.ggml.pre", pre_tokenizer);
  writer.put_texts("tokenizer.ggml.tokens", tokens);
  writer.put_integers("tokenizer.ggml.token_type", types);
  writer.put_texts("tokenizer.ggml.merges", pieces.merges);
  writer.put_integer("tokenizer.ggml.bos_token_id", static_cast<std::uint32_t>(size - 3));
  writer.put_integer("tokenizer.ggml.eos_token_id", static_cast<std::uint32_t>(size - 1));
  writer.put_bool("tokenizer.ggml.add_bos_token", add_bos);
  writer.put_text("tokenizer.chat_template", kChatTemplate);
}

}  // namespace redknot
