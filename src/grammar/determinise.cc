// SPDX-License-Identifier: Apache-2.0
#include "grammar/determinise.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"

namespace redknot::grammar {
namespace {

// Bytes that are in the same sets are one class.
void choose_classes(const std::vector<ByteSet>& sets, Grammar& grammar) {
  std::map<std::vector<bool>, std::uint8_t> classes;
  for (std::size_t byte = 0; byte < 256; ++byte) {
    std::vector<bool> member(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i) member[i] = sets[i].test(byte);
    const auto next = static_cast<std::uint8_t>(classes.size());
    grammar.class_of[byte] = classes.try_emplace(std::move(member), next).first->second;
  }
  grammar.classes = static_cast<std::uint32_t>(classes.size());
}

std::vector<std::vector<std::uint8_t>> classes_of(const std::vector<ByteSet>& sets,
                                                  const Grammar& grammar) {
  std::vector<std::vector<std::uint8_t>> out(sets.size());
  for (std::size_t i = 0; i < sets.size(); ++i) {
    std::vector<bool> seen(grammar.classes);
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint8_t one = grammar.class_of[byte];
      if (!sets[i].test(byte) || seen[one]) continue;
      seen[one] = true;
      out[i].push_back(one);
    }
  }
  return out;
}

class Subsets {
 public:
  explicit Subsets(const RuleNodes& nodes) : nodes_(nodes.nodes()), mark_(nodes_.size()) {
    choose_classes(nodes.sets(), grammar_);
    set_classes_ = classes_of(nodes.sets(), grammar_);
  }

  // All states of one rule; false if there are too many.
  bool add_rule(int start) {
    grammar_.starts.push_back(start == kNothing ? kDead : state_of({start}));
    for (; expanded_ < members_.size(); ++expanded_) {
      if (members_.size() * grammar_.classes > kMaxTableCells || work_ > kMaxSubsetWork) {
        return false;
      }
      expand(expanded_);
    }
    return true;
  }

  Grammar take() && { return std::move(grammar_); }

 private:
  std::uint32_t state_of(const std::vector<int>& reached);
  void describe(State& state, const std::vector<int>& members) const;
  void expand(std::size_t state);

  const std::vector<Node>& nodes_;
  std::vector<std::vector<std::uint8_t>> set_classes_;
  Grammar grammar_;
  std::vector<std::vector<int>> members_;  // by state: nodes but kEither, sorted
  std::map<std::vector<int>, std::uint32_t> index_;
  std::vector<std::uint32_t> mark_;
  std::uint32_t round_ = 0;
  std::size_t expanded_ = 0, work_ = 0;
};

std::uint32_t Subsets::state_of(const std::vector<int>& reached) {
  ++round_;
  std::vector<int> members, open = reached;
  while (!open.empty()) {
    const int at = open.back();
    open.pop_back();
    if (at == kNothing || mark_[static_cast<std::size_t>(at)] == round_) continue;
    mark_[static_cast<std::size_t>(at)] = round_;
    ++work_;
    const Node& node = nodes_[static_cast<std::size_t>(at)];
    if (node.kind != Node::Kind::kEither) {
      members.push_back(at);
      continue;
    }
    open.push_back(node.next);
    open.push_back(node.other);
  }
  if (members.empty()) return kDead;
  std::sort(members.begin(), members.end());
  const auto [found, is_first] =
      index_.try_emplace(members, static_cast<std::uint32_t>(members_.size()));
  if (is_first) members_.push_back(std::move(members));
  return found->second;
}

void Subsets::describe(State& state, const std::vector<int>& members) const {
  state.in_string = true;
  for (const int at : members) {
    const Node& node = nodes_[static_cast<std::size_t>(at)];
    if (node.kind == Node::Kind::kReturn) state.returns = true;
    if (node.plain_characters == kNotInString) state.in_string = false;
    state.plain_characters = std::max(state.plain_characters, node.plain_characters);
  }
}

void Subsets::expand(std::size_t state) {
  const std::vector<int> members = members_[state];
  State described;
  describe(described, members);
  std::vector<std::vector<int>> reached(grammar_.classes);
  std::map<int, std::vector<int>> called;  // by rule: what goes on behind it
  for (const int at : members) {
    const Node& node = nodes_[static_cast<std::size_t>(at)];
    if (node.kind == Node::Kind::kCall) called[node.other].push_back(node.next);
    if (node.kind != Node::Kind::kBytes) continue;
    const auto& classes = set_classes_[static_cast<std::size_t>(node.other)];
    work_ += classes.size();
    for (const std::uint8_t one : classes) reached[one].push_back(node.next);
  }
  described.first_call = static_cast<std::uint32_t>(grammar_.calls.size());
  described.call_count = static_cast<std::uint32_t>(called.size());
  for (const auto& [rule, behind] : called) {
    grammar_.calls.push_back({static_cast<std::uint32_t>(rule), state_of(behind)});
  }
  for (const std::vector<int>& nodes : reached) {
    grammar_.next.push_back(nodes.empty() ? kDead : state_of(nodes));
  }
  grammar_.states.push_back(described);
}

// States from which a return can be reached.
class Living {
 public:
  explicit Living(const Grammar& grammar) : grammar_(grammar), living_(grammar.states.size()) {
    for (bool changed = true; changed;) {
      changed = false;
      for (auto state = static_cast<std::uint32_t>(living_.size()); state-- > 0;) {
        if (living_[state] || !can_live(state)) continue;
        living_[state] = changed = true;
      }
    }
  }

  bool state(std::uint32_t state) const { return state != kDead && living_[state]; }
  bool call(const Call& call) const {
    return state(grammar_.starts[call.rule]) && state(call.return_state);
  }

 private:
  bool can_live(std::uint32_t at) const {
    const State& state = grammar_.states[at];
    if (state.returns) return true;
    const auto row = grammar_.next.begin() + static_cast<std::ptrdiff_t>(at) * grammar_.classes;
    if (std::any_of(row, row + grammar_.classes, [this](auto to) { return this->state(to); })) {
      return true;
    }
    const auto calls = grammar_.calls.begin() + state.first_call;
    return std::any_of(calls, calls + state.call_count,
                       [this](const Call& one) { return call(one); });
  }

  const Grammar& grammar_;
  std::vector<bool> living_;
};

void drop_dead_ends(Grammar& grammar, const Living& living) {
  for (std::uint32_t& to : grammar.next) {
    if (!living.state(to)) to = kDead;
  }
  std::vector<Call> kept;
  for (std::size_t i = 0; i < grammar.states.size(); ++i) {
    State& state = grammar.states[i];
    const auto first = static_cast<std::uint32_t>(kept.size());
    for (std::uint32_t c = 0; c < state.call_count; ++c) {
      const Call& call = grammar.calls[state.first_call + c];
      if (living.call(call)) kept.push_back(call);
    }
    state.first_call = first;
    state.call_count = static_cast<std::uint32_t>(kept.size()) - first;
    const auto row = grammar.next.begin() + static_cast<std::ptrdiff_t>(i * grammar.classes);
    state.goes_on = state.call_count > 0 ||
                    std::any_of(row, row + grammar.classes, [](auto to) { return to != kDead; });
  }
  grammar.calls = std::move(kept);
}

}  // namespace

Result<Grammar> determinise(const RuleNodes& nodes, const std::vector<Rule>& rules, int root) {
  Subsets subsets(nodes);
  for (const Rule& rule : rules) {
    if (!subsets.add_rule(rule.start)) return exhausted(rule.place, ": too large");
  }
  Grammar grammar = std::move(subsets).take();
  grammar.root = static_cast<std::uint32_t>(root);
  const Living living(grammar);
  if (!living.state(grammar.starts[grammar.root])) {
    return invalid(rules[grammar.root].place, ": no finite text can meet it");
  }
  drop_dead_ends(grammar, living);
  return grammar;
}

}  // namespace redknot::grammar
