/* SPDX-License-Identifier: MIT */
#include "base/seal.h"

#include <limits.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define KEY_BYTES 32
#define BLOCK_BYTES 16

struct seal {
	EVP_CIPHER_CTX *cipher;
	uint8_t key[KEY_BYTES];
};

struct seal *seal_new(void)
{
	struct seal *s = calloc(1, sizeof(*s));
	if (s && (s->cipher = EVP_CIPHER_CTX_new()) &&
	    getrandom(s->key, sizeof(s->key), 0) == (ssize_t)sizeof(s->key) &&
	    EVP_EncryptInit_ex(s->cipher, EVP_aes_256_ctr(), NULL, s->key, NULL) == 1)
		return s;
	seal_free(s);
	return NULL;
}

void seal_free(struct seal *s)
{
	if (!s)
		return;
	EVP_CIPHER_CTX_free(s->cipher);
	OPENSSL_cleanse(s->key, sizeof(s->key));
	free(s);
}

int seal_apply(struct seal *s, uint64_t number, void *bytes, size_t n)
{
	uint8_t counter[BLOCK_BYTES] = {0};
	int done = 0;

	/* The low half counts blocks of 16 bytes: no two numbers share one. */
	memcpy(counter, &number, sizeof(number));
	if (n > INT_MAX || EVP_EncryptInit_ex(s->cipher, NULL, NULL, NULL, counter) != 1)
		return -1;
	return EVP_EncryptUpdate(s->cipher, bytes, &done, bytes, (int)n) == 1 && (size_t)done == n ? 0 : -1;
}
