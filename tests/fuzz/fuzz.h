/*
 * fuzz.h - what a fuzz target is: one function over the bytes of one input, libFuzzer's interface.
 * It returns 0, keeps nothing between two inputs but what is built once, and abort()s when what it
 * read breaks a promise of its header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
