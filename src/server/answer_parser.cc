// SPDX-License-Identifier: Apache-2.0
#include "server/answer_parser.h"

#include <random>
#include <utility>

#include "redknot/redknot.h"
#include "server/answer_reader.h"

namespace redknot::server {

AnswerParser::AnswerParser(const ParserOptions& options) {
  ParserOptions own = options;
  if (own.special == nullptr) own.special = std::make_shared<const MarkerSet>();
  if (own.seed == 0) {
    std::random_device chance;
    own.seed = (std::uint64_t{chance()} << 32) | chance();
  }
  reader_ = own.style.tools == ToolNotation::kHarmony ? make_channel_reader(own)
                                                      : make_marked_reader(own);
}

AnswerParser::AnswerParser(AnswerParser&&) noexcept = default;
AnswerParser& AnswerParser::operator=(AnswerParser&&) noexcept = default;
AnswerParser::~AnswerParser() = default;

AnswerDelta AnswerParser::read(std::string_view piece) {
  reader_->read(piece);
  return reader_->take();
}

AnswerDelta AnswerParser::finish() {
  reader_->finish();
  return reader_->take();
}

int AnswerParser::calls() const { return reader_->calls(); }

std::shared_ptr<const MarkerSet> special_texts(const Tokenizer& tokenizer) {
  std::vector<std::string> texts;
  for (int token = 0; token < tokenizer.size(); ++token) {
    const Result<std::string> hidden = tokenizer.detokenize({&token, 1}, /*show_special=*/false);
    if (!hidden.ok() || !hidden->empty()) continue;
    Result<std::string> shown = tokenizer.detokenize({&token, 1}, /*show_special=*/true);
    // Bytes that are no characters alone are not shown either way.
    if (shown.ok() && shown->size() > 1) texts.push_back(*std::move(shown));
  }
  return std::make_shared<const MarkerSet>(std::move(texts));
}

}  // namespace redknot::server
