// SPDX-License-Identifier: Apache-2.0
// Two files of the source tree that are part of the binary: model_names.cc reads the one and runs
// the other. Constants.
#pragma once

namespace redknot::cli {

extern const char kModelNames[];  // models/names.json
extern const char kFetchModel[];  // src/cli/fetch_model.py

}  // namespace redknot::cli
