// SPDX-License-Identifier: Apache-2.0
// Server-sent events from bytes that may be cut anywhere, as the HTML standard reads them.
//
// An SseReader belongs to the coroutine that reads one stream, such as stream_request of a load; it
// owns the event that is not complete yet. One thread at a time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "redknot/result.h"

namespace redknot::http {

struct SseEvent {
  std::string type{};  // "message" unless the event says otherwise
  std::string data{};  // its lines, with '\n' between them
};

class SseReader {
 public:
  explicit SseReader(std::size_t event_bytes = std::size_t{16} << 20) : event_bytes_(event_bytes) {}

  // The events that these bytes complete. kCorrupt once a line or an event is larger than
  // event_bytes; the reader is of no use after that.
  Result<std::vector<SseEvent>> put(std::string_view bytes);

 private:
  void end_line(std::vector<SseEvent>& events);
  void take_field(std::string_view line);

  std::size_t event_bytes_;
  std::string line_{};
  SseEvent event_{};
  bool has_data_ = false;
  bool after_return_ = false;  // a '\n' now belongs to the line end before it
  bool first_line_ = true;
};

}  // namespace redknot::http
