/* The keyed hash with a key of the caller's, for checking it against published vectors. */
#ifndef COVET_SRC_BASE_HASH_H
#define COVET_SRC_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** SipHash (Aumasson and Bernstein 2012) with one round a word and three at the end. */
uint64_t cv__siphash13(const void *data, size_t len, const uint64_t key[2]);

#endif
