// SPDX-License-Identifier: Apache-2.0
// The data of server-sent events out of bytes that are cut anywhere. A value of one stream.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace redknot::load {

class EventLines {
 public:
  // The data of the events that these bytes complete; several data lines are joined by newlines.
  std::vector<std::string> take(std::string_view bytes);

 private:
  std::string line_;
  std::string data_;
  bool has_data_ = false;
};

}  // namespace redknot::load
