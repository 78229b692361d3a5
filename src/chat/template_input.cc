// SPDX-License-Identifier: Apache-2.0
#include "chat/template_input.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace redknot::chat {
namespace {

using Kind = MarkedPlace::Kind;

class Writer {
 public:
  Writer(const ChatRequest& request, const TemplateFrame& frame)
      : request_(request), frame_(frame) {}

  TemplateInput write() {
    Json& variables = out_.variables;
    variables = request_.template_variables;
    mark_leaves(variables, "chat_template_kwargs");
    variables["bos_token"] = frame_.bos_text;
    variables["eos_token"] = frame_.eos_text;
    variables["add_generation_prompt"] = request_.add_generation_prompt;
    // Templates loop over what is there, and ask whether it is.
    if (!request_.tools.empty() && request_.tool_choice != ToolChoice::kNone) {
      variables["tools"] = tools();
    }
    if (!request_.documents.empty()) variables["documents"] = documents();
    Json messages = Json::array();
    for (std::size_t i = 0; i < request_.messages.size(); ++i) {
      messages.push_back(message(request_.messages[i], i));
    }
    variables["messages"] = std::move(messages);
    return std::move(out_);
  }

 private:
  // Takes the next mark; nothing if it is not to be written.
  std::optional<int> place(Kind kind, std::string path, bool has_specials) {
    const std::size_t mark = out_.places.size();
    out_.places.push_back({.kind = kind, .path = std::move(path), .has_specials = has_specials});
    if (frame_.marks == nullptr || !(*frame_.enabled)[mark]) return {};
    return static_cast<int>(mark);
  }

  std::string marked(const std::string& text, std::optional<int> mark) const {
    return mark ? frame_.marks->wrap(*mark, text) : text;
  }

  std::string literal(std::string text, const std::string& path) {
    if (!frame_.specials.appear_in(text)) return text;
    return marked(text, place(Kind::kLiteral, path, true));
  }

  std::string reusable(const ContentPart& part, Kind kind) {
    return marked(part.text, place(kind, part.path, frame_.specials.appear_in(part.text)));
  }

  // All strings that could become special tokens.
  void mark_leaves(Json& json, const std::string& path) {
    if (json.is_string()) json = literal(json.get<std::string>(), path);
    if (!json.is_structured()) return;
    for (Json& element : json) mark_leaves(element, path);
  }

  static bool has_specials(const Json& json, const SpecialTexts& specials) {
    if (json.is_string()) return specials.appear_in(json.get_ref<const std::string&>());
    if (!json.is_structured()) return false;
    return std::any_of(json.begin(), json.end(),
                       [&](const Json& element) { return has_specials(element, specials); });
  }

  // The first or the last of the strings in a function, which bound the list of tools.
  static Json* edge_string(Json& json, bool first) {
    if (json.is_string()) return json.get_ref<const std::string&>().empty() ? nullptr : &json;
    if (!json.is_structured()) return nullptr;
    std::vector<Json*> elements;
    elements.reserve(json.size());
    for (Json& element : json) elements.push_back(&element);
    if (!first) std::reverse(elements.begin(), elements.end());
    for (Json* const element : elements) {
      if (Json* const found = edge_string(*element, first)) return found;
    }
    return nullptr;
  }

  Json tools() {
    Json out = Json::array();
    std::size_t reusable = 0;  // so many of the first ones
    for (std::size_t i = 0; i < request_.tools.size(); ++i) {
      out.push_back(request_.tools[i].tool);
      if (request_.tools[i].reusable) reusable = i + 1;
    }
    const auto end = out.begin() + static_cast<std::ptrdiff_t>(reusable);
    if (std::any_of(out.begin(), end,
                    [&](const Json& tool) { return has_specials(tool, frame_.specials); })) {
      reusable = 0;
    }
    for (std::size_t i = reusable; i < out.size(); ++i) {
      mark_leaves(out[i], concat("tools[", i, "]"));
    }
    if (reusable == 0) return out;
    const auto mark = place(Kind::kTools, "tools", false);
    if (!mark) return out;
    Json* const first = edge_string(out[0]["function"], true);
    Json* const last = edge_string(out[reusable - 1]["function"], false);
    if (first == nullptr || last == nullptr) return out;
    *first = frame_.marks->opening(*mark) + first->get<std::string>();
    *last = last->get<std::string>() + frame_.marks->closing(*mark);
    return out;
  }

  Json documents() {
    Json out = Json::array();
    for (const ChatDocument& document : request_.documents) {
      Json fields = document.fields;
      mark_leaves(fields, document.text.path);
      fields["text"] = reusable(document.text, Kind::kDocument);
      out.push_back(std::move(fields));
    }
    return out;
  }

  // Parts are joined as vLLM and llama.cpp join them. Those that are not reusable are looked at
  // together: a special token's text may be spread over them.
  std::string content(const std::vector<ContentPart>& parts) {
    std::string out, plain;
    std::string plain_path;
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i > 0) plain += '\n';
      if (!parts[i].reusable) {
        if (plain_path.empty()) plain_path = parts[i].path;
        plain += parts[i].text;
        continue;
      }
      out += literal(std::exchange(plain, {}), plain_path);
      plain_path.clear();
      out += reusable(parts[i], Kind::kPart);
    }
    return out + literal(std::move(plain), plain_path);
  }

  Json message(const ChatMessage& message, std::size_t index) {
    Json out = message.fields;
    const std::string path = concat("messages[", index, "]");
    for (auto field = out.begin(); field != out.end(); ++field) {
      if (field.key() == "tool_calls") {
        mark_calls(*field, path + ".tool_calls");
      } else if (field.key() != "role") {
        mark_leaves(*field, concat(path, '.', field.key()));
      }
    }
    if (frame_.style.developer_as_system && out["role"] == "developer") out["role"] = "system";
    const bool is_null = message.content.empty();
    out["content"] = nullptr;
    if (!is_null || frame_.style.null_as_empty) out["content"] = content(message.content);
    return out;
  }

  void mark_calls(Json& calls, const std::string& path) {
    for (Json& call : calls) {
      mark_leaves(call, path);
      Json& arguments = call["function"]["arguments"];
      if (frame_.style.arguments_as_text) arguments = dump_json(arguments);
    }
  }

  const ChatRequest& request_;
  const TemplateFrame& frame_;
  TemplateInput out_{};
};

}  // namespace

TemplateInput template_input(const ChatRequest& request, const TemplateFrame& frame) {
  return Writer(request, frame).write();
}

bool move_documents_into_messages(ChatRequest& request) {
  const auto last = std::find_if(
      request.messages.rbegin(), request.messages.rend(),
      [](const ChatMessage& message) { return message.fields.value("role", "") == "user"; });
  if (last == request.messages.rend()) return false;
  std::vector<ContentPart> parts;
  parts.reserve(2 * request.documents.size() + last->content.size());
  for (ChatDocument& document : request.documents) {
    const auto title = document.fields.find("title");
    if (title != document.fields.end() && title->is_string()) {
      document.text.text = title->get<std::string>() + "\n" + document.text.text;
    }
    const std::string path = document.text.path;
    parts.push_back(std::move(document.text));
    parts.push_back({.text = "", .path = path});  // an empty line
  }
  parts.insert(parts.end(), std::make_move_iterator(last->content.begin()),
               std::make_move_iterator(last->content.end()));
  last->content = std::move(parts);
  request.documents.clear();
  return true;
}

}  // namespace redknot::chat
