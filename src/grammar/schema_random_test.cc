// SPDX-License-Identifier: Apache-2.0
// Random schemas beside a slow validator: documents that meet one are taken, what is taken meets
// it, and random walks through what is allowed end in documents that meet it.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "grammar/constraint_state.h"
#include "grammar/token_masker.h"

namespace redknot::grammar {
namespace {

using Json = nlohmann::ordered_json;

class Random {
 public:
  explicit Random(unsigned seed) : engine_(seed) {}
  int below(int count) { return static_cast<int>(engine_() % static_cast<unsigned>(count)); }
  bool one_in(int count) { return below(count) == 0; }

 private:
  std::mt19937 engine_;
};

std::string random_text(Random& random, int least, int most) {
  constexpr const char* kPieces[] = {"a",      "b",          "\"", "\\", "\n",
                                     "\u00e9", "\U0001F600", "/",  " ",  "\x01"};
  std::string out;
  for (int left = least + random.below(most - least + 1); left > 0; --left) {
    out += kPieces[random.below(std::size(kPieces))];
  }
  return out;
}

Json random_constant(Random& random, int depth) {
  switch (random.below(depth > 0 ? 6 : 4)) {
    case 0:
      return nullptr;
    case 1:
      return random.below(2000) - 1000;
    case 2:
      return random_text(random, 0, 3);
    case 3:
      return random.one_in(2);
    case 4:
      return Json::array({random_constant(random, depth - 1)});
    default:
      return Json{{random_text(random, 0, 2), random_constant(random, depth - 1)}};
  }
}

Json random_schema(Random& random, int depth);

Json random_object_schema(Random& random, int depth) {
  Json out = {{"type", "object"}, {"properties", Json::object()}, {"required", Json::array()}};
  for (int left = random.below(4); left > 0; --left) {
    const std::string name = random_text(random, 1, 3);
    out["properties"][name] = random_schema(random, depth - 1);
    if (random.one_in(2)) out["required"].push_back(name);
  }
  if (random.one_in(3)) out["additionalProperties"] = random_schema(random, depth - 1);
  return out;
}

Json random_array_schema(Random& random, int depth) {
  Json out = {{"type", "array"}, {"items", random_schema(random, depth - 1)}};
  if (random.one_in(2)) out["prefixItems"] = Json::array({random_schema(random, depth - 1)});
  if (random.one_in(2)) out["minItems"] = random.below(3);
  if (random.one_in(2)) out["maxItems"] = 2 + random.below(3);
  return out;
}

Json random_schema(Random& random, int depth) {
  switch (random.below(depth > 0 ? 10 : 5)) {
    case 0:
      return {{"type", random.one_in(2) ? "boolean" : "null"}};
    case 1: {
      const int least = random.below(200) - 100;
      return {{"type", "integer"}, {"minimum", least}, {"maximum", least + random.below(150)}};
    }
    case 2: {
      const int least = random.below(3);
      return {{"type", "string"}, {"minLength", least}, {"maxLength", least + random.below(4)}};
    }
    case 3:
      return {{"enum", Json::array({random_constant(random, 2), random_constant(random, 2)})}};
    case 4:
      return {{"type", Json::array({"string", "integer"})}};
    case 5:
      return random_array_schema(random, depth);
    case 6:
      return {{"anyOf",
               Json::array({random_schema(random, depth - 1), random_schema(random, depth - 1)})}};
    case 7:
      return {{"$ref", "#/$defs/node"}};
    default:
      return random_object_schema(random, depth);
  }
}

// Some schema, and under $defs one that refers to itself.
Json random_root(Random& random) {
  Json out = random_object_schema(random, 3);
  out["$defs"] = Json{{"node", random_object_schema(random, 1)}};
  out["$defs"]["node"]["properties"]["next"] = {{"$ref", "#/$defs/node"}};
  auto& required = out["$defs"]["node"]["required"];
  required.erase(std::remove(required.begin(), required.end(), Json("next")), required.end());
  return out;
}

std::size_t characters(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

bool meets(const Json& root, const Json& schema, const Json& value);

bool has_type(const std::string& type, const Json& value) {
  if (type == "integer") return value.is_number_integer();
  return type == value.type_name();
}

bool object_meets(const Json& root, const Json& schema, const Json& value) {
  for (const Json& name : schema.value("required", Json::array())) {
    if (!value.contains(name.get<std::string>())) return false;
  }
  const Json properties = schema.value("properties", Json::object());
  const auto items = value.items();
  return std::all_of(items.begin(), items.end(), [&](const auto& item) {
    if (properties.contains(item.key())) return meets(root, properties[item.key()], item.value());
    return schema.contains("additionalProperties") &&
           meets(root, schema["additionalProperties"], item.value());
  });
}

bool array_meets(const Json& root, const Json& schema, const Json& value) {
  if (value.size() < schema.value("minItems", 0u)) return false;
  if (value.size() > schema.value("maxItems", 1000u)) return false;
  const Json first = schema.value("prefixItems", Json::array());
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (!meets(root, i < first.size() ? first[i] : schema["items"], value[i])) return false;
  }
  return true;
}

// Whether a value meets a schema of those that random_schema() makes.
bool meets(const Json& root, const Json& schema, const Json& value) {
  if (schema.contains("$ref")) return meets(root, root["$defs"]["node"], value);
  const auto any = [&](const Json& list, auto test) {
    return std::any_of(list.begin(), list.end(), test);
  };
  if (schema.contains("anyOf")) {
    return any(schema["anyOf"], [&](const Json& one) { return meets(root, one, value); });
  }
  if (schema.contains("enum")) {
    // Order within objects does not matter to equality here, but to the grammar: one order is said.
    return any(schema["enum"], [&](const Json& one) { return one == value; });
  }
  const Json types = schema["type"].is_array() ? schema["type"] : Json::array({schema["type"]});
  if (!any(types, [&](const Json& type) { return has_type(type, value); })) return false;
  if (value.is_object()) return object_meets(root, schema, value);
  if (value.is_array()) return array_meets(root, schema, value);
  if (value.is_string()) {
    const std::size_t length = characters(value.get<std::string>());
    return length >= schema.value("minLength", 0u) && length <= schema.value("maxLength", 1000u);
  }
  if (!value.is_number()) return true;
  return value >= schema.value("minimum", -1e18) && value <= schema.value("maximum", 1e18);
}

// A value that meets a schema; additional properties have names that no schema has.
Json random_value(Random& random, const Json& root, const Json& schema, int depth) {
  if (schema.contains("$ref")) return random_value(random, root, root["$defs"]["node"], depth);
  for (const char* key : {"anyOf", "enum"}) {
    if (!schema.contains(key)) continue;
    const Json& one = schema[key][static_cast<std::size_t>(random.below(2))];
    return key[0] == 'e' ? one : random_value(random, root, one, depth);
  }
  const std::string type = schema["type"].is_array() ? (random.one_in(2) ? "string" : "integer")
                                                     : schema["type"].get<std::string>();
  if (type == "null") return nullptr;
  if (type == "boolean") return random.one_in(2);
  if (type == "string") {
    return random_text(random, schema.value("minLength", 0), schema.value("maxLength", 12));
  }
  if (type == "integer") {
    const int least = schema.value("minimum", -5000);
    return least + random.below(schema.value("maximum", 5000) - least + 1);
  }
  Json out = type == "array" ? Json::array() : Json::object();
  if (type == "array") {
    const Json first = schema.value("prefixItems", Json::array());
    const int least = schema.value("minItems", 0), most = schema.value("maxItems", 4);
    const int count = least + random.below(std::max(most - least, 0) + 1);
    for (auto i = 0u; i < static_cast<unsigned>(count); ++i) {
      out.push_back(
          random_value(random, root, i < first.size() ? first[i] : schema["items"], depth));
    }
    return out;
  }
  for (const auto& [name, inner] : schema["properties"].items()) {
    const Json& required = schema["required"];
    const bool must = std::find(required.begin(), required.end(), Json(name)) != required.end();
    if (must || (depth > 0 && random.one_in(2))) {
      out[name] = random_value(random, root, inner, depth - 1);
    }
  }
  if (schema.contains("additionalProperties") && random.one_in(2)) {
    out["other name"] = random_value(random, root, schema["additionalProperties"], depth - 1);
  }
  return out;
}

void mutate(Random& random, std::string& text) {
  constexpr char kBytes[] = "\"\\{}[]:, \n01-.eatru\xc3\xa9";
  const auto at = static_cast<std::size_t>(random.below(static_cast<int>(text.size())));
  const char byte = kBytes[random.below(sizeof(kBytes) - 1)];
  switch (random.below(4)) {
    case 0:
      text[at] = byte;
      break;
    case 1:
      text.erase(at, 1 + static_cast<std::size_t>(random.below(3)));
      break;
    case 2:
      text.insert(at, 1, byte);
      break;
    default:
      text.insert(
          at,
          text.substr(static_cast<std::size_t>(random.below(static_cast<int>(text.size()))), 4));
  }
}

bool takes(const Constraint& constraint, const std::string& text) {
  Acceptor acceptor = acceptor_of(constraint);
  return acceptor.accept(text) && acceptor.may_end();
}

TEST(RandomSchemas, DocumentsThatMeetThemAreTakenAndOnlyThose) {
  int refused = 0, taken = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    Random random(seed);
    const Json schema = random_root(random);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ": " << schema.dump());
    const auto constraint = Constraint::json_schema(schema.dump());
    ASSERT_TRUE(constraint.ok()) << constraint.error().message();
    for (int i = 0; i < 10; ++i) {
      const Json value = random_value(random, schema, schema, 4);
      ASSERT_TRUE(meets(schema, schema, value)) << value.dump();
      std::string text = value.dump(random.one_in(3) ? 1 : -1);
      EXPECT_TRUE(takes(*constraint, text)) << text;
      for (int changes = 0; changes < 20 && !text.empty(); ++changes) {
        mutate(random, text);
        const Json changed = Json::parse(text, nullptr, false);
        const bool good = !changed.is_discarded() && meets(schema, schema, changed);
        const bool is_taken = takes(*constraint, text);
        EXPECT_TRUE(good || !is_taken) << text;
        ++(is_taken ? taken : refused);
        if (!good) text = value.dump();
      }
    }
  }
  EXPECT_GT(taken, 1000);
  EXPECT_GT(refused, 10000);
}

TEST(RandomSchemas, RandomWalksEndInDocumentsThatMeetThem) {
  std::vector<std::string> tokens = {"\": ", "\", \"",   "{\"", "\"}",  "}, ",   "], [",
                                     "ab\"", "\xf0\x9f", "\\u", "true", "null, "};
  for (int byte = 0; byte < 256; ++byte) tokens.emplace_back(1, static_cast<char>(byte));
  const std::vector<std::string_view> texts(tokens.begin(), tokens.end());
  const TokenMasker masker(texts);
  int complete = 0;
  for (unsigned seed = 0; seed < 150; ++seed) {
    Random random(seed);
    const Json schema = random_root(random);
    SCOPED_TRACE(testing::Message() << "seed " << seed << ": " << schema.dump());
    Acceptor acceptor = acceptor_of(Constraint::json_schema(schema.dump()).value());
    std::string text;
    for (int step = 0; step < 3000 && !acceptor.is_complete(); ++step) {
      const TokenSet allowed = masker.allowed(acceptor).value();
      std::vector<std::string> possible, closing;
      for (std::size_t i = 0; i < tokens.size(); ++i) {
        if (!contains(allowed, static_cast<int>(i))) continue;
        possible.push_back(tokens[i]);
        if (tokens[i] == "\"" || tokens[i] == "}" || tokens[i] == "]") closing.push_back(tokens[i]);
      }
      ASSERT_FALSE(possible.empty()) << text;
      const auto& from = !closing.empty() && random.one_in(2) ? closing : possible;
      const std::string token =
          from[static_cast<std::size_t>(random.below(static_cast<int>(from.size())))];
      ASSERT_TRUE(acceptor.accept(token)) << text;
      text += token;
    }
    if (!acceptor.is_complete()) continue;
    ++complete;
    const Json value = Json::parse(text, nullptr, false);
    ASSERT_FALSE(value.is_discarded()) << text;
    EXPECT_TRUE(meets(schema, schema, value)) << text;
  }
  EXPECT_GT(complete, 140);
}

}  // namespace
}  // namespace redknot::grammar
