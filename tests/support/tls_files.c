/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tls_files.h"

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/asn.h>
#include <wolfssl/wolfcrypt/asn_public.h>
#include <wolfssl/wolfcrypt/ecc.h>
#include <wolfssl/wolfcrypt/random.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "require.h"
#include "sallyport/addr.h"
#include "sallyport/bytes.h"

#define DER_MAX 4096

struct maker {
    WC_RNG rng;
    ecc_key ca_key, key;
    uint8_t ca_der[DER_MAX];
    int ca_len;
};

static void write_pem(const char *path, const uint8_t *der, int len, int type)
{
    uint8_t pem[2 * DER_MAX];
    int n = wc_DerToPem(der, (word32)len, pem, sizeof pem, type);
    FILE *f = fopen(path, "w");

    REQUIRE(n > 0 && f != NULL);
    REQUIRE(fwrite(pem, 1, (size_t)n, f) == (size_t)n);
    REQUIRE(fclose(f) == 0);
}

/* GeneralNames (RFC 5280 section 4.2.1.6): dNSName is [2], iPAddress [7]. */
static void set_alt_names(Cert *cert, const char *names)
{
    uint8_t body[255];
    size_t len = 0;
    char copy[512], *save = NULL;

    snprintf(copy, sizeof copy, "%s", names);
    for (char *n = strtok_r(copy, ",", &save); n != NULL; n = strtok_r(NULL, ",", &save)) {
        struct sp_addr ip;
        bool is_ip = sp_addr_parse_ip(n, &ip) == 0;
        size_t n_len = is_ip ? sp_addr_ip_len(&ip) : strlen(n);
        REQUIRE(n_len < 128 && len + 2 + n_len <= sizeof body);
        body[len] = is_ip ? 0x87 : 0x82;
        body[len + 1] = (uint8_t)n_len;
        memcpy(body + len + 2, is_ip ? ip.ip : (uint8_t *)n, n_len);
        len += 2 + n_len;
    }
    size_t head = len < 128 ? 2 : 3;
    REQUIRE(len < 256 && len + head <= sizeof cert->altNames);
    cert->altNames[0] = 0x30;
    cert->altNames[1] = len < 128 ? (uint8_t)len : 0x81;
    if (head == 3)
        cert->altNames[2] = (uint8_t)len;
    memcpy(cert->altNames + head, body, len);
    cert->altNamesSz = (int)(len + head);
}

static void init_cert(Cert *cert, const char *name)
{
    REQUIRE(wc_InitCert(cert) == 0);
    snprintf(cert->subject.commonName, sizeof cert->subject.commonName, "%s", name);
    snprintf(cert->subject.org, sizeof cert->subject.org, "sallyport tests");
    cert->sigType = CTC_SHA256wECDSA;
    cert->daysValid = 30;
}

static void let_expire(Cert *cert)
{
    static const uint8_t from[] = "\x17\x0d"
                                  "200101000000Z",
                         until[] = "\x17\x0d"
                                   "210101000000Z";

    memcpy(cert->beforeDate, from, sizeof from - 1);
    memcpy(cert->afterDate, until, sizeof until - 1);
    cert->beforeDateSz = cert->afterDateSz = sizeof from - 1;
}

static int sign(struct maker *m, Cert *cert, uint8_t *der)
{
    int len = wc_SignCert(cert->bodySz, cert->sigType, der, DER_MAX, NULL, &m->ca_key, &m->rng);
    REQUIRE(len > 0);
    return len;
}

static void make_ca(struct maker *m, const struct tls_files_spec *spec, const char *path)
{
    Cert cert;

    init_cert(&cert, spec->ca_name != NULL ? spec->ca_name : "sallyport test CA");
    cert.isCA = 1;
    if (spec->ca_expired)
        let_expire(&cert);
    REQUIRE(wc_SetSubjectKeyIdFromPublicKey(&cert, NULL, &m->ca_key) == 0);
    REQUIRE(wc_SetKeyUsage(&cert, "keyCertSign,cRLSign") == 0);
    REQUIRE(wc_MakeCert(&cert, m->ca_der, DER_MAX, NULL, &m->ca_key, &m->rng) > 0);
    m->ca_len = sign(m, &cert, m->ca_der);
    write_pem(path, m->ca_der, m->ca_len, CERT_TYPE);
}

static void make_server(struct maker *m, const struct tls_files_spec *spec, const char *path)
{
    const char *names = spec->names != NULL ? spec->names : "edge.test";
    uint8_t der[DER_MAX];
    char first[64];
    Cert cert;

    snprintf(first, sizeof first, "%.*s", (int)strcspn(names, ","), names);
    init_cert(&cert, first);
    if (!spec->no_names)
        set_alt_names(&cert, names);
    REQUIRE(wc_SetIssuerBuffer(&cert, m->ca_der, m->ca_len) == 0);
    REQUIRE(wc_SetAuthKeyIdFromCert(&cert, m->ca_der, m->ca_len) == 0);
    REQUIRE(wc_SetKeyUsage(&cert, "digitalSignature") == 0);
    REQUIRE(wc_SetExtKeyUsage(&cert, "serverAuth") == 0);
    if (spec->expired)
        let_expire(&cert);
    REQUIRE(wc_MakeCert(&cert, der, sizeof der, NULL, &m->key, &m->rng) > 0);
    write_pem(path, der, sign(m, &cert, der), CERT_TYPE);
}

static void make_key(struct maker *m, const char *path)
{
    uint8_t der[DER_MAX];
    int len = wc_EccKeyToDer(&m->key, der, sizeof der);

    REQUIRE(len > 0);
    write_pem(path, der, len, ECC_PRIVATEKEY_TYPE);
}

#define PREFIX "sallyport-tls-"

static void remove_folder(const char *path)
{
    DIR *d = opendir(path);
    const struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.')
            unlinkat(dirfd(d), e->d_name, 0);
    closedir(d);
    rmdir(path);
}

/* A test that fails ends without another word, so its folder bears its process's number, and goes
 * when the next one comes. */
static void remove_orphans(const char *tmp)
{
    DIR *d = opendir(tmp);
    const struct dirent *e;

    if (d == NULL)
        return;
    while ((e = readdir(d)) != NULL) {
        char path[512], *end;
        if (strncmp(e->d_name, PREFIX, strlen(PREFIX)) != 0)
            continue;
        long pid = strtol(e->d_name + strlen(PREFIX), &end, 10);
        if (*end != '-' || pid <= 0 || kill((pid_t)pid, 0) == 0 || errno != ESRCH)
            continue;
        snprintf(path, sizeof path, "%s/%s", tmp, e->d_name);
        remove_folder(path);
    }
    closedir(d);
}

void tls_files_make(struct tls_files *f, const struct tls_files_spec *spec)
{
    static const struct tls_files_spec plain;
    struct maker *m = calloc(1, sizeof *m);
    const char *tmp = getenv("TMPDIR");

    if (spec == NULL)
        spec = &plain;
    if (tmp == NULL || strlen(tmp) > 24)
        tmp = "/tmp";
    remove_orphans(tmp);
    snprintf(f->dir, sizeof f->dir, "%s/" PREFIX "%d-XXXXXX", tmp, (int)getpid());
    REQUIRE(m != NULL && mkdtemp(f->dir) != NULL);
    snprintf(f->ca, sizeof f->ca, "%s/ca.pem", f->dir);
    snprintf(f->cert, sizeof f->cert, "%s/cert.pem", f->dir);
    snprintf(f->key, sizeof f->key, "%s/key.pem", f->dir);

    REQUIRE(wc_InitRng(&m->rng) == 0);
    REQUIRE(wc_ecc_init(&m->ca_key) == 0 && wc_ecc_init(&m->key) == 0);
    REQUIRE(wc_ecc_make_key(&m->rng, 32, &m->ca_key) == 0);
    REQUIRE(wc_ecc_make_key(&m->rng, 32, &m->key) == 0);
    make_ca(m, spec, f->ca);
    make_server(m, spec, f->cert);
    make_key(m, f->key);
    wc_ecc_free(&m->ca_key);
    wc_ecc_free(&m->key);
    wc_FreeRng(&m->rng);
    free(m);
}

void tls_files_remove(const struct tls_files *f)
{
    remove_folder(f->dir);
}
