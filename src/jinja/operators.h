// SPDX-License-Identifier: Apache-2.0
// Python's operators on values.
//
// kInvalidArgument for operands that they do not take, division by zero and integers beyond 64
// bits; kResourceExhausted for limits of the heap.
#pragma once

#include "jinja/syntax.h"
#include "jinja/value.h"
#include "redknot/result.h"

namespace redknot::jinja {

Result<Value> arithmetic(Heap& heap, BinaryOperator op, const Value& a, const Value& b);
Result<Value> negative(const Value& value);
Result<bool> compare(Heap& heap, Comparison comparison, const Value& a, const Value& b);
Result<bool> equal(Heap& heap, const Value& a, const Value& b);
// Does a come before b? Numbers, texts and lists have an order.
Result<bool> less(Heap& heap, const Value& a, const Value& b);
Result<bool> contains(Heap& heap, const Value& container, const Value& item);

}  // namespace redknot::jinja
