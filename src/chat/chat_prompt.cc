// SPDX-License-Identifier: Apache-2.0
#include "chat/chat_prompt.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "chat/reusable_marks.h"
#include "chat/template_input.h"

namespace redknot::chat {
namespace {

using Kind = MarkedPlace::Kind;

constexpr std::size_t kLeadBytes = 32;        // in front of documents
constexpr std::size_t kToolsLeadBytes = 256;  // in front of tools
constexpr std::size_t kTriedMarks = 32;       // one by one, if together they change the prompt

// Renders one request, with one template.
class Renderer {
 public:
  Renderer(const ChatRequest& request, const ChatModel& model, std::int64_t now_seconds)
      : request_(request), model_(model), now_seconds_(now_seconds) {}

  // Without marks, in the first style that the template takes; its first complaint if none.
  Status render_plain() {
    std::optional<Error> first;
    const bool has_developers =
        model_.chat_template.source().find("developer") != std::string::npos;
    for (int style = 0; style < 4; ++style) {
      style_ = {.arguments_as_text = style >= 2,
                .null_as_empty = style % 2 == 1,
                .developer_as_system = !has_developers};
      input_ = template_input(request_, frame(nullptr, nullptr));
      const std::string variables = dump_json(input_.variables);
      auto rendered = model_.chat_template.render(variables, now_seconds_);
      if (rendered.ok()) {
        plain_ = std::move(*rendered);
        in_use_ = private_characters(variables + model_.chat_template.source() + plain_);
        return Done{};
      }
      if (!first) first = std::move(rendered).error();
    }
    return *first;
  }

  // The prompt in runs: those of marks that had to be given up are not told apart. Nothing if
  // there are more marks than characters for them.
  std::optional<std::vector<MarkedText>> render_runs() {
    enabled_.assign(input_.places.size(), true);
    if (input_.places.empty()) return whole();
    const auto marks = ReusableMarks::choose(static_cast<int>(input_.places.size()), in_use_);
    if (!marks) return {};
    constexpr int kRounds = 4;
    for (int round = 0; round < kRounds && any_enabled(); ++round) {
      auto found = render_marked(*marks, enabled_);
      const bool has_broken = found && give_up_broken(found->broken);
      if (found && !has_broken && found->joined == plain_) return std::move(found->runs);
      if (!has_broken) give_up_changing(*marks);
    }
    enabled_.assign(enabled_.size(), false);
    return whole();
  }

  const std::string& plain() const { return plain_; }
  const std::vector<MarkedPlace>& places() const { return input_.places; }
  bool is_kept(std::size_t mark) const { return enabled_[mark]; }

 private:
  TemplateFrame frame(const ReusableMarks* marks, const std::vector<bool>* enabled) const {
    return {.specials = model_.specials,
            .bos_text = model_.bos_text,
            .eos_text = model_.eos_text,
            .style = style_,
            .marks = marks,
            .enabled = enabled};
  }

  std::vector<MarkedText> whole() const {
    return plain_.empty() ? std::vector<MarkedText>{} : std::vector<MarkedText>{{.text = plain_}};
  }

  bool any_enabled() const {
    return std::find(enabled_.begin(), enabled_.end(), true) != enabled_.end();
  }

  std::optional<MarkedRuns> render_marked(const ReusableMarks& marks,
                                          const std::vector<bool>& enabled) const {
    const TemplateInput input = template_input(request_, frame(&marks, &enabled));
    auto rendered = model_.chat_template.render(dump_json(input.variables), now_seconds_);
    if (!rendered.ok()) return {};
    return marks.split(*rendered);
  }

  bool give_up_broken(const std::vector<bool>& broken) {
    bool any = false;
    for (std::size_t mark = 0; mark < broken.size(); ++mark) {
      if (broken[mark] && enabled_[mark]) any = true;
      if (broken[mark]) enabled_[mark] = false;
    }
    return any;
  }

  // Marks that, each alone, change what the template writes; all if they are too many to try.
  void give_up_changing(const ReusableMarks& marks) {
    const auto count = std::count(enabled_.begin(), enabled_.end(), true);
    const bool too_many = count > static_cast<std::ptrdiff_t>(kTriedMarks);
    for (std::size_t mark = 0; mark < enabled_.size(); ++mark) {
      if (!enabled_[mark]) continue;
      std::vector<bool> alone(enabled_.size(), false);
      alone[mark] = true;
      const auto found = too_many ? std::nullopt : render_marked(marks, alone);
      if (!found || found->joined != plain_) enabled_[mark] = false;
    }
  }

  const ChatRequest& request_;
  const ChatModel& model_;
  std::int64_t now_seconds_;
  TemplateStyle style_{};
  TemplateInput input_{};
  std::string plain_{};
  std::set<char32_t> in_use_{};
  std::vector<bool> enabled_{};
};

// How much of the end of a text belongs to the document behind it.
std::size_t document_lead(const std::string& before, const SpecialTexts& specials) {
  const std::size_t begin = before.size() - std::min(before.size(), kLeadBytes);
  const auto last = specials.last_in(std::string_view(before).substr(begin));
  return last ? before.size() - begin - *last : 0;
}

// The brace that a list of tools begins with, in its line and behind special tokens.
std::size_t tools_lead(const std::string& before, const SpecialTexts& specials) {
  std::size_t begin = before.size() - std::min(before.size(), kToolsLeadBytes);
  const auto special = specials.last_in(std::string_view(before).substr(begin));
  if (special) begin += *special;
  const std::size_t line = before.rfind('\n');
  if (line != before.npos) begin = std::max(begin, line);
  const std::size_t brace = before.find('{', begin);
  return brace == before.npos ? 0 : before.size() - brace;
}

void append(std::vector<PromptPart>& parts, PromptPart part) {
  if (part.text.empty()) return;
  if (!parts.empty() && !part.reusable && !parts.back().reusable &&
      parts.back().parse_special == part.parse_special) {
    parts.back().text += part.text;
    return;
  }
  parts.push_back(std::move(part));
}

// Text at the end of the last part, if the template wrote it, moves into the next.
std::string take_lead(std::vector<PromptPart>& parts, Kind kind, const SpecialTexts& specials) {
  if (parts.empty() || parts.back().reusable || !parts.back().parse_special) return {};
  std::string& before = parts.back().text;
  const std::size_t lead = kind == Kind::kDocument ? document_lead(before, specials)
                           : kind == Kind::kTools  ? tools_lead(before, specials)
                                                   : 0;
  std::string out = before.substr(before.size() - lead);
  before.resize(before.size() - lead);
  if (before.empty()) parts.pop_back();
  return out;
}

std::vector<PromptPart> parts_of(std::vector<MarkedText> runs,
                                 const std::vector<MarkedPlace>& places,
                                 const SpecialTexts& specials) {
  std::vector<PromptPart> parts;
  bool after_tools = false;
  for (MarkedText& run : runs) {
    if (run.mark < 0) {
      if (std::exchange(after_tools, false)) {
        const std::size_t rest = std::min(run.text.find_first_not_of("\"]}"), run.text.size());
        parts.back().text += run.text.substr(0, rest);
        run.text.erase(0, rest);
      }
      append(parts, {.text = std::move(run.text)});
      continue;
    }
    const Kind kind = places[static_cast<std::size_t>(run.mark)].kind;
    after_tools = kind == Kind::kTools;
    const bool has_specials = specials.appear_in(run.text);
    std::string lead = has_specials ? std::string() : take_lead(parts, kind, specials);
    append(parts, {.text = std::move(lead) + run.text,
                   .parse_special = !has_specials,
                   .reusable = kind != Kind::kLiteral});
  }
  return parts;
}

// The prompt up to where the last message's text ends.
Status cut_behind_last_message(const ChatRequest& request, const std::string& prompt,
                               std::vector<PromptPart>& parts) {
  std::string text;
  if (!request.messages.back().content.empty()) text = request.messages.back().content.back().text;
  constexpr const char* kWhite = " \t\n\r\f\v";
  text.erase(text.find_last_not_of(kWhite) + 1);
  text.erase(0, std::min(text.find_first_not_of(kWhite), text.size()));
  const std::size_t at = text.empty() ? prompt.npos : prompt.rfind(text);
  if (at == prompt.npos) {
    return invalid("the chat template does not write the last message as it is");
  }
  std::size_t left = at + text.size();
  for (PromptPart& part : parts) {
    part.text.resize(std::min(part.text.size(), left));
    left -= part.text.size();
  }
  parts.erase(std::remove_if(parts.begin(), parts.end(),
                             [](const PromptPart& part) { return part.text.empty(); }),
              parts.end());
  return Done{};
}

// Refuses what a prompt would not be safe without; whether all documents are in it.
bool check_places(const Renderer& renderer, const std::vector<MarkedText>& runs, Refusal& refusal) {
  std::vector<bool> seen(renderer.places().size(), false);
  for (const MarkedText& run : runs) {
    if (run.mark >= 0) seen[static_cast<std::size_t>(run.mark)] = true;
  }
  bool all_documents = true;
  for (std::size_t mark = 0; mark < seen.size(); ++mark) {
    const MarkedPlace& place = renderer.places()[mark];
    if (place.kind == Kind::kDocument && renderer.is_kept(mark) && !seen[mark]) {
      all_documents = false;
    }
    if (place.has_specials && !renderer.is_kept(mark)) {
      refusal.refuse(place.path,
                     "has the text of a special token, which the model's chat template does not "
                     "keep apart");
    }
  }
  return all_documents;
}

Error refused_by_template(const Error& error) { return error.within("the model's chat template"); }

struct Attempt {
  bool has_all_documents = true;
  ChatPrompt prompt{};
};

Read<Attempt> attempt_prompt(const ChatRequest& request, const ChatModel& model,
                             std::int64_t now_seconds) {
  Refusal refusal;
  Renderer renderer(request, model, now_seconds);
  if (const Status plain = renderer.render_plain(); !plain.ok()) {
    refusal.refuse("messages", refused_by_template(plain.error()).message());
    return *refusal.first();
  }
  auto runs = renderer.render_runs();
  if (!runs) {
    refusal.refuse("messages", "too many reusable parts and texts of special tokens");
    return *refusal.first();
  }
  Attempt out;
  out.has_all_documents = check_places(renderer, *runs, refusal);
  out.prompt.text = renderer.plain();
  out.prompt.parts = parts_of(std::move(*runs), renderer.places(), model.specials);
  if (request.continue_final_message) {
    const Status cut = cut_behind_last_message(request, renderer.plain(), out.prompt.parts);
    if (!cut.ok()) refusal.refuse("continue_final_message", cut.error().message());
  }
  if (refusal.first()) return *refusal.first();
  return out;
}

ChatRequest with_documents_in_messages(ChatRequest request, Refusal& refusal) {
  if (!move_documents_into_messages(request)) {
    refusal.refuse("documents", "there is no user message to put them in front of");
  }
  return request;
}

ChatPrompt finished(ChatPrompt prompt, const ChatModel& model) {
  const bool has_parts = !prompt.parts.empty() && prompt.parts.front().parse_special;
  const std::string& begin = has_parts ? prompt.parts.front().text : prompt.text;
  prompt.add_bos = model.bos_text.empty() || !has_parts ||
                   begin.compare(0, model.bos_text.size(), model.bos_text) != 0;
  prompt.text.clear();
  for (const PromptPart& part : prompt.parts) prompt.text += part.text;
  return prompt;
}

}  // namespace

Result<std::optional<ChatModel>> chat_model(const ModelInfo& info, const Tokenizer* tokenizer,
                                            const std::string& chat_template) {
  const std::string& source = chat_template.empty() ? info.chat_template : chat_template;
  if (source.empty() || tokenizer == nullptr) return std::optional<ChatModel>();
  auto parsed = ChatTemplate::parse(source);
  if (!parsed.ok()) {
    return parsed.error().within(chat_template.empty() ? "read the model's chat template"
                                                       : "read the chat template");
  }
  return std::optional(ChatModel{.chat_template = std::move(*parsed),
                                 .specials = SpecialTexts(special_texts(*tokenizer)),
                                 .bos_text = info.bos_text,
                                 .eos_text = info.eos_text});
}

bool writes_documents(const ChatModel& model) {
  return model.chat_template.source().find("documents") != std::string::npos;
}

Read<ChatPrompt> chat_prompt(const ChatRequest& request, const ChatModel& model,
                             std::int64_t now_seconds) {
  if (request.documents.empty() || writes_documents(model)) {
    auto attempt = attempt_prompt(request, model, now_seconds);
    if (!attempt.ok()) return attempt.error();
    if (attempt->has_all_documents) return finished(std::move(attempt->prompt), model);
  }
  Refusal refusal;
  const ChatRequest moved = with_documents_in_messages(request, refusal);
  if (refusal.first()) return *refusal.first();
  auto attempt = attempt_prompt(moved, model, now_seconds);
  if (!attempt.ok()) return attempt.error();
  return finished(std::move(attempt->prompt), model);
}

std::vector<PromptPart> preload_parts(const std::string& text, const ChatModel& model,
                                      std::int64_t now_seconds) {
  std::vector<PromptPart> out;
  ChatMessage question;
  question.fields["role"] = "user";
  question.content = {{.text = "?"}};
  ChatRequest with_document;
  with_document.messages = {question};
  with_document.documents = {{.text = {.text = text, .reusable = true}}};
  ChatRequest with_part;
  with_part.messages = {question};
  with_part.messages.front().content = {{.text = text, .reusable = true}, {.text = "?"}};
  for (const ChatRequest& request : {with_document, with_part}) {
    auto prompt = chat_prompt(request, model, now_seconds);
    if (!prompt.ok()) continue;
    for (PromptPart& part : prompt->parts) {
      const bool is_known = std::any_of(
          out.begin(), out.end(), [&](const PromptPart& other) { return other.text == part.text; });
      if (part.reusable && !is_known) out.push_back(std::move(part));
    }
  }
  return out;
}

}  // namespace redknot::chat
