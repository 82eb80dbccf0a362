/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "http_lane.h"

#include "sallyport/clock.h"
#include "sallyport/err.h"

#define FINISH_US   SP_SEC(5) /* for the other side to close as well */
#define ANSWER_ROOM 1024

bool sp_http_lane_wanted(const struct sp_shared *shared, const struct sp_stream *s,
                         const struct sp_http_head *h, struct sp_upgrade *out)
{
    const struct sp_shared_config *config = &shared->config;

    return (config->serve & SP_SERVE_TUNNEL) && sp_stream_tls(s) != NULL &&
           sp_upgrade_parse_request(h, config->tunnel_path, out) == 0;
}

/* A lane of another worker's tunnel goes to him, with all that it said: he answers it. SP_ENOENT:
 * it is ours; SP_EFULL: he has too much to do. */
static int hand_over(const struct sp_env *env, const struct sp_upgrade *u, struct sp_stream *s)
{
    unsigned worker = sp_tunnel_id_worker(&u->id);

    if (u->is_new || worker == env->worker || env->post == NULL)
        return SP_ENOENT;
    return sp_post_connection(env->post, worker, s);
}

int sp_http_lane_join(const struct sp_env *env, struct sp_sessions *sessions,
                      const struct sp_upgrade *u, struct sp_stream *s, struct sp_http_lane *out)
{
    struct sp_claims claims;
    int err = sp_keys_check_token(env->keys->now, u->token, sp_clock_unix_s(), &claims);

    *out = (struct sp_http_lane){.id = NULL};
    if (err != 0)
        return err;
    err = hand_over(env, u, s);
    if (err == SP_ENOENT)
        err = sp_session_join(sessions, u, claims.subject, s, &out->id);
    if (out->id != NULL)
        sp_session_name(sessions, out->id, claims.gateway);
    out->not_now = err != 0 && err != SP_ENOENT;
    return err;
}

void sp_http_lane_welcome(struct sp_stream *s, const struct sp_tunnel_id *id, size_t head_len)
{
    uint8_t text[ANSWER_ROOM];
    size_t len;

    sp_buf_consume(sp_stream_in(s), head_len);
    if (sp_upgrade_response(id, text, sizeof text, &len) != 0 ||
        sp_stream_write(s, sp_span(text, len)) != 0)
        sp_stream_finish(s, FINISH_US); /* frames must not come first; the lane is told */
}

void sp_http_lane_look(const struct sp_env *env, const struct sp_http_head *h)
{
    struct sp_claims claims;
    struct sp_span v;

    if (!sp_http_find(h, "Authorization", &v))
        return;
    const uint8_t *blank = memchr(v.p, ' ', v.len);
    if (blank != NULL)
        v = sp_span_skip(v, (size_t)(blank + 1 - v.p));
    (void)sp_keys_check_token(env->keys->now, v, sp_clock_unix_s(), &claims);
}
