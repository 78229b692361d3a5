// SPDX-License-Identifier: Apache-2.0
#include "chat/answer_parser.h"

#include <random>
#include <utility>

#include "chat/answer_reader.h"

namespace redknot::chat {

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

std::shared_ptr<const MarkerSet> special_markers(std::vector<std::string> special_texts) {
  // Bytes that are no characters alone are not shown either way.
  std::erase_if(special_texts, [](const std::string& text) { return text.size() == 1; });
  return std::make_shared<const MarkerSet>(std::move(special_texts));
}

}  // namespace redknot::chat
