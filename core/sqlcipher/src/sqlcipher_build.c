/*
** The one C file of this crate: SQLCipher's amalgamation with the table of our provider behind it.
**
** Why here and not in Rust: sqlcipher_provider is declared only inside the amalgamation. Filled in on this side,
** the C compiler checks the layout and each signature against the very source that is compiled; a Rust copy of
** the struct could drift silently at the next SQLCipher.
*/
#include "sqlcipher.c"

#include <stddef.h>

/* Implemented in provider.rs. */
int pocketchart_sqlcipher_random(void *ctx, void *buffer, int length);
int pocketchart_sqlcipher_hmac(void *ctx, int algorithm, const unsigned char *key, int key_sz,
                               const unsigned char *in, int in_sz, const unsigned char *in2, int in2_sz,
                               unsigned char *out);
int pocketchart_sqlcipher_kdf(void *ctx, int algorithm, const unsigned char *pass, int pass_sz,
                              const unsigned char *salt, int salt_sz, int workfactor, int key_sz,
                              unsigned char *key);
int pocketchart_sqlcipher_cipher(void *ctx, int mode, const unsigned char *key, int key_sz,
                                 const unsigned char *iv, const unsigned char *in, int in_sz,
                                 unsigned char *out);
int pocketchart_sqlcipher_hmac_sz(void *ctx, int algorithm);
int pocketchart_sqlcipher_ctx_init(void **ctx);
int pocketchart_sqlcipher_ctx_free(void **ctx);

static const char *provider_name(void *ctx) { return POCKETCHART_PROVIDER_NAME; }
static const char *provider_version(void *ctx) { return POCKETCHART_PROVIDER_VERSION; }
static const char *provider_cipher_name(void *ctx) { return "aes-256-cbc"; }
static int provider_key_sz(void *ctx) { return 32; }
static int provider_iv_sz(void *ctx) { return 16; }
static int provider_block_sz(void *ctx) { return 16; }
static int provider_fips_status(void *ctx) { return 0; }
/* The operating system's generator is asked each time, so there is no pool to stir. */
static int provider_add_random(void *ctx, const void *buffer, int length) { return SQLITE_OK; }

/* A newer SQLCipher with one more function would call NULL: refuse to build instead. */
_Static_assert(sizeof(sqlcipher_provider) == 18 * sizeof(void *), "sqlcipher_provider has changed");
_Static_assert(offsetof(sqlcipher_provider, next) == 17 * sizeof(void *), "sqlcipher_provider has changed");
_Static_assert(SQLCIPHER_DECRYPT == 0 && SQLCIPHER_ENCRYPT == 1, "modes have changed");
_Static_assert(SQLCIPHER_HMAC_SHA1 == 0 && SQLCIPHER_HMAC_SHA256 == 1 && SQLCIPHER_HMAC_SHA512 == 2,
               "HMAC algorithms have changed");
_Static_assert(SQLCIPHER_PBKDF2_HMAC_SHA1 == 0 && SQLCIPHER_PBKDF2_HMAC_SHA256 == 1
               && SQLCIPHER_PBKDF2_HMAC_SHA512 == 2, "PBKDF2 algorithms have changed");

int pocketchart_sqlcipher_setup(sqlcipher_provider *p) {
  p->init = NULL;
  p->shutdown = NULL;
  p->get_provider_name = provider_name;
  p->add_random = provider_add_random;
  p->random = pocketchart_sqlcipher_random;
  p->hmac = pocketchart_sqlcipher_hmac;
  p->kdf = pocketchart_sqlcipher_kdf;
  p->cipher = pocketchart_sqlcipher_cipher;
  p->get_cipher = provider_cipher_name;
  p->get_key_sz = provider_key_sz;
  p->get_iv_sz = provider_iv_sz;
  p->get_block_sz = provider_block_sz;
  p->get_hmac_sz = pocketchart_sqlcipher_hmac_sz;
  p->ctx_init = pocketchart_sqlcipher_ctx_init;
  p->ctx_free = pocketchart_sqlcipher_ctx_free;
  p->fips_status = provider_fips_status;
  p->get_provider_version = provider_version;
  return SQLITE_OK;
}
