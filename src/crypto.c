/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sallyport/crypto.h"

#include <wolfssl/options.h>

#include <wolfssl/version.h>
#include <wolfssl/wolfcrypt/aes.h>
#include <wolfssl/wolfcrypt/hmac.h>
#include <wolfssl/wolfcrypt/md5.h>
#include <wolfssl/wolfcrypt/sha256.h>

#include <stdlib.h>

#if defined(WOLFSSL_ARMASM)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

_Static_assert(SP_MD5_LEN == WC_MD5_DIGEST_SIZE && SP_SHA1_LEN == WC_SHA_DIGEST_SIZE &&
                   SP_SHA256_LEN == WC_SHA256_DIGEST_SIZE,
               "digest sizes");

/* Digests of memory can fail only by a wrong call or a library that is built without them; going on
 * with a wrong MAC would be worse than ending. */
static void must(int wolf_err)
{
    if (wolf_err != 0)
        abort();
}

static word32 len32(struct sp_span s)
{
    if (s.len > UINT32_MAX)
        abort();
    return (word32)s.len;
}

void sp_md5(const struct sp_span *parts, size_t n, uint8_t out[static SP_MD5_LEN])
{
    wc_Md5 md5;
    must(wc_InitMd5(&md5));
    for (size_t i = 0; i < n; i++)
        must(wc_Md5Update(&md5, parts[i].p, len32(parts[i])));
    must(wc_Md5Final(&md5, out));
    wc_Md5Free(&md5);
    sp_crypto_wipe(&md5, sizeof md5); /* TURN's long-term keys are MD5 of a password */
}

void sp_sha256(const struct sp_span *parts, size_t n, uint8_t out[static SP_SHA256_LEN])
{
    wc_Sha256 sha;
    must(wc_InitSha256(&sha));
    for (size_t i = 0; i < n; i++)
        must(wc_Sha256Update(&sha, parts[i].p, len32(parts[i])));
    must(wc_Sha256Final(&sha, out));
    wc_Sha256Free(&sha);
    sp_crypto_wipe(&sha, sizeof sha);
}

static void hmac(int type, struct sp_span key, const struct sp_span *parts, size_t n, uint8_t *out)
{
    Hmac h;
    must(wc_HmacInit(&h, NULL, INVALID_DEVID));
    must(wc_HmacSetKey(&h, type, key.p, len32(key)));
    for (size_t i = 0; i < n; i++)
        must(wc_HmacUpdate(&h, parts[i].p, len32(parts[i])));
    must(wc_HmacFinal(&h, out));
    wc_HmacFree(&h);
    sp_crypto_wipe(&h, sizeof h);
}

void sp_hmac_sha1(struct sp_span key, const struct sp_span *parts, size_t n,
                  uint8_t out[static SP_SHA1_LEN])
{
    hmac(WC_SHA, key, parts, n, out);
}

void sp_hmac_sha256(struct sp_span key, const struct sp_span *parts, size_t n,
                    uint8_t out[static SP_SHA256_LEN])
{
    hmac(WC_SHA256, key, parts, n, out);
}

void sp_hkdf_sha256(struct sp_span secret, const char *info, uint8_t *out, size_t out_len)
{
    must(wc_HKDF(WC_SHA256, secret.p, len32(secret), NULL, 0, (const byte *)info,
                 len32(sp_span_str(info)), out, len32(sp_span(out, out_len))));
}

/*
 * The table of the reflected polynomial 0xEDB88320, written by the compiler: the CRC is linear, so
 * an entry is the XOR of the entries of its bits.
 */
#define BIT(i, n, entry) ((i) >> (n)&1 ? (entry) : 0u)
#define ENTRY(i)                                                                \
    (BIT(i, 0, 0x77073096u) ^ BIT(i, 1, 0xee0e612cu) ^ BIT(i, 2, 0x076dc419u) ^ \
     BIT(i, 3, 0x0edb8832u) ^ BIT(i, 4, 0x1db71064u) ^ BIT(i, 5, 0x3b6e20c8u) ^ \
     BIT(i, 6, 0x76dc4190u) ^ BIT(i, 7, 0xedb88320u))
#define FOUR(i)       ENTRY(i), ENTRY((i) + 1), ENTRY((i) + 2), ENTRY((i) + 3)
#define SIXTEEN(i)    FOUR(i), FOUR((i) + 4), FOUR((i) + 8), FOUR((i) + 12)
#define SIXTY_FOUR(i) SIXTEEN(i), SIXTEEN((i) + 16), SIXTEEN((i) + 32), SIXTEEN((i) + 48)

static const uint32_t crc_table[256] = {SIXTY_FOUR(0), SIXTY_FOUR(64), SIXTY_FOUR(128),
                                        SIXTY_FOUR(192)};

uint32_t sp_crc32(const struct sp_span *parts, size_t n)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < parts[i].len; j++)
            crc = crc >> 8 ^ crc_table[(crc ^ parts[i].p[j]) & 0xff];
    }
    return ~crc;
}

bool sp_crypto_equal(struct sp_span a, struct sp_span b)
{
    volatile uint8_t diff = 0; /* volatile: no early end may be inferred */
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        diff = (uint8_t)(diff | (a.p[i] ^ b.p[i]));
    return diff == 0;
}

void sp_crypto_wipe(void *p, size_t len)
{
    if (len > 0)
        explicit_bzero(p, len);
}

/* Asks what the library does rather than what it was told at its build: only its AES code for this
 * processor sets the mark that is looked for. */
static bool aes_in_hardware(void)
{
#if defined(WOLFSSL_AESNI)
    static const byte key[AES_128_KEY_SIZE];
    Aes aes;
    bool hardware = false;
    memset(&aes, 0, sizeof aes);
    if (wc_AesInit(&aes, NULL, INVALID_DEVID) != 0)
        return false;
    if (wc_AesSetKey(&aes, key, sizeof key, NULL, AES_ENCRYPTION) == 0)
        hardware = aes.use_aesni != 0;
    wc_AesFree(&aes);
    return hardware;
#elif defined(WOLFSSL_ARMASM) && defined(__aarch64__)
    return (getauxval(AT_HWCAP) & HWCAP_AES) != 0;
#elif defined(WOLFSSL_ARMASM) && defined(__arm__)
    return (getauxval(AT_HWCAP2) & HWCAP2_AES) != 0;
#else
    return false;
#endif
}

const char *sp_crypto_describe(void)
{
    return aes_in_hardware() ? "wolfSSL " LIBWOLFSSL_VERSION_STRING ", AES in hardware"
                             : "wolfSSL " LIBWOLFSSL_VERSION_STRING ", AES in software";
}
