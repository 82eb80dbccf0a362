/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What passes between the TURN engine and its owner (turn.h), as values: where clients are, what
 * leaves, what is asked for, what is counted. No functions but the makers of these values.
 */
#ifndef SALLYPORT_SERVER_TURN_TYPES_H
#define SALLYPORT_SERVER_TURN_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sallyport/addr.h"
#include "sallyport/bytes.h"

struct sp_bound_hits;  /* bounds.h */
struct sp_turn_alloc;  /* turn_alloc.h; an owner asks by the functions of turn.h */
struct sp_turn_common; /* turn_common.h */

enum sp_turn_transport { SP_TURN_UDP, SP_TURN_TCP, SP_TURN_TLS, SP_TURN_FLOW };

/*
 * Where a client is, as a value: RFC 8656's five-tuple, with the object that carries it. All bytes
 * count when paths are compared, so it is filled by sp_turn_path_make. `via` is the owner's (UDP
 * socket, connection, flow) and never looked into.
 */
struct sp_turn_path {
    void *via;
    struct sp_addr remote; /* the client; on a flow all zero */
    struct sp_addr local;  /* the address that was asked: answers leave from there */
    uint32_t transport;
    uint32_t zero;
};

struct sp_turn_path sp_turn_path_make(enum sp_turn_transport transport, void *via,
                                      const struct sp_addr *remote, const struct sp_addr *local);

/*
 * One datagram that leaves: head, then body, then pad_len zero bytes. Valid during emit() only;
 * `body` may lie in the bytes that came in.
 */
#define SP_TURN_HEAD_MAX 48
#define SP_TURN_BATCH    64 /* at most so many in one emit() */
struct sp_turn_out {
    const struct sp_turn_path *client; /* to a client; NULL: to a peer */
    void *relay;                       /* to a peer: by this relay … */
    struct sp_addr peer;               /* … to this address */
    struct sp_span body;
    uint8_t head_len;
    uint8_t pad_len;    /* ChannelData on TCP and TLS; Data indications on all transports */
    bool dont_fragment; /* to a peer by IPv4: DF was asked for this datagram */
    uint8_t head[SP_TURN_HEAD_MAX];
};

struct sp_turn_relay_request {
    uint16_t family;         /* SP_IPV4 or SP_IPV6 */
    bool even_port;          /* EVEN-PORT was asked */
    bool reserve;            /* … with its R bit: reserve the next port as well */
    bool dont_fragment;      /* DF may be asked for datagrams of this allocation */
    uint16_t port;           /* not 0: exactly this one, reserved before (RESERVATION-TOKEN) */
    struct sp_addr reserved; /* with `port`: the local address it was reserved on, port and all */
};

struct sp_turn_relay {
    void *relay;            /* the owner's handle; NULL for a virtual address (hairpin only) */
    struct sp_addr local;   /* what the socket is bound to */
    struct sp_addr public_; /* what clients and peers are told; equal to local without a NAT */
};

/* One datagram that arrived on a relay. */
struct sp_turn_peer_dgram {
    struct sp_addr from;
    struct sp_span body;
};

/* Why an allocation ended, for the log and the counters. */
enum sp_turn_end {
    SP_TURN_END_REFRESH,
    SP_TURN_END_EXPIRED,
    SP_TURN_END_PATH,
    SP_TURN_END_SHUTDOWN
};

/* What the engine asks of its owner. It may not call back into the engine from these. */
struct sp_turn_effects {
    /* Whether there is more to relay than can be carried: no allocation is made then (508). NULL:
     * never. */
    bool (*busy)(void *arg);
    /* In order; called at the latest before the call that brought the input returns. */
    void (*emit)(void *arg, const struct sp_turn_out *out, size_t n);
    /* SP_EFULL: no port left (508). SP_EINVAL: no relay address of that family (440). On an error
     * nothing has changed: a port that was reserved still is, and reservation_end follows. The
     * relay's input comes back by sp_turn_from_peer with `alloc`. */
    int (*relay_open)(void *arg, const struct sp_turn_relay_request *want,
                      struct sp_turn_alloc *alloc, struct sp_turn_relay *out);
    /* Also gives back the port. For virtual ones too. */
    void (*relay_close)(void *arg, const struct sp_turn_relay *relay);
    /* A reserved port that nobody took in time, or could not be opened. */
    void (*reservation_end)(void *arg, const struct sp_addr *local);
    /* A datagram for one of this server's own relay addresses, at a port that is no relayed address
     * of this engine: whether another engine has it, and gets it (sp_turn_from_other there). NULL:
     * there is no other one. */
    bool (*hand_over)(void *arg, const struct sp_addr *relayed, const struct sp_addr *from,
                      struct sp_span body);
    void (*alloc_begin)(void *arg, struct sp_turn_alloc *alloc);
    void (*alloc_end)(void *arg, const struct sp_turn_alloc *alloc, enum sp_turn_end why);
};

/* Where clients are sent by 300 (Try Alternate), an address of each family; SP_FAMILY_NONE:
 * nowhere. Port 0: the one that the client asked here. */
struct sp_turn_alternates {
    struct sp_addr v4, v6;
};

struct sp_turn_config {
    uint32_t default_lifetime_s; /* 600 */
    uint32_t max_lifetime_s;     /* 3600 */
    size_t max_allocs;           /* of all engines that have `common` */
    size_t max_allocs_per_user;  /* 486 beyond */
    size_t max_perms_per_alloc;  /* 508 beyond */
    size_t max_channels_per_alloc;
    uint32_t udp_answers_per_s;    /* by UDP to strangers of one prefix (/24, /56): 401/438
                                      challenges, and as many Binding successes */
    struct sp_bound_hits *hits;    /* or NULL: nobody counts */
    uint16_t worker;               /* stands in nonces */
    struct sp_turn_common *common; /* with the server's other engines; NULL: there are none */
};
void sp_turn_config_default(struct sp_turn_config *c);

/* What one allocation relayed and did not, in the terms of struct sp_turn_counters. */
struct sp_turn_usage {
    uint64_t from_client_datagrams, from_client_bytes, to_client_datagrams, to_client_bytes;
    uint64_t from_peer_datagrams, from_peer_bytes, to_peer_datagrams, to_peer_bytes;
    uint64_t hairpin_datagrams, hairpin_bytes; /* of from_client: to another allocation here */
    uint64_t dropped_no_permission, dropped_no_channel, dropped_denied_peer, dropped_virtual;
    uint64_t dropped_too_big;
};

/* Only ever grow. */
struct sp_turn_counters {
    uint64_t binding_requests, allocations, allocation_errors, malformed;
    uint64_t turned_away;        /* of allocation_errors: by an engine that drains */
    uint64_t busy;               /* of allocation_errors: by one that has too much to relay */
    uint64_t auth_errors;        /* credentials that were wrong, expired, or of another user */
    uint64_t unknown_method;     /* or a class that the method doesn't have */
    uint64_t challenges_limited; /* 401 and 438 that udp_answers_per_s held back */
    uint64_t bindings_limited;   /* the same for Binding successes */
    uint64_t unanswered;         /* by UDP, not authenticated, and the error would be longer */
    /* Data only, and payload bytes. What comes in goes out or is dropped:
     * from_client + from_peer + from_other = to_client + to_peer + handed_over + dropped. */
    uint64_t from_client_datagrams, from_client_bytes, to_client_datagrams, to_client_bytes;
    uint64_t from_peer_datagrams, from_peer_bytes, to_peer_datagrams, to_peer_bytes;
    uint64_t hairpin_datagrams, hairpin_bytes; /* of to_client: from another allocation here */
    uint64_t handed_over_datagrams, from_other_datagrams; /* to, from another engine here */
    uint64_t dropped_no_permission, dropped_no_allocation, dropped_no_channel, dropped_denied_peer;
    uint64_t dropped_virtual; /* to a plain peer, but the relayed address is virtual */
    uint64_t dropped_too_big;
};

#endif
