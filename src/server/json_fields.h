// SPDX-License-Identifier: Apache-2.0
// JSON as src/chat reads and writes it, under the names that this room uses.
#pragma once

#include "chat/fields.h"

namespace redknot::server {

using chat::dump_json;
using chat::Json;
using chat::parse_json;
using chat::Read;
using chat::Refusal;
using chat::RequestError;
using chat::Value;

}  // namespace redknot::server
