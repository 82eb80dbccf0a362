#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""many_sessions.py HOST CA TOKEN N: makes N sessions by the control API at once, over as many connections
as there are threads, then joins both ends of each. Says how many there were of each answer."""
import collections
import http.client
import json
import ssl
import sys
import threading

THREADS = 20
host, ca, token, n = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
context = ssl.create_default_context(cafile=ca)
answers = collections.Counter()
ids = set()
lock = threading.Lock()
all_made = threading.Barrier(THREADS)


def call(connection, method, path, bearer, body):
    headers = {"Authorization": "Bearer " + bearer, "Content-Type": "application/json"}
    connection.request(method, path, json.dumps(body), headers)
    response = connection.getresponse()
    text = response.read()
    with lock:
        answers[f"{method}_{response.status}"] += 1
    return json.loads(text)


def work(first):
    connection = http.client.HTTPSConnection(host, context=context, timeout=60)
    made = [call(connection, "POST", "/v1/sessions", token, {}) for _ in range(first, n, THREADS)]
    with lock:
        ids.update(m["id"] for m in made)
    all_made.wait()
    for i, m in enumerate(made):
        for end in (0, 1):
            body = {"holder": f"holder-of-end-{end}-of-{first}-{i}", "ufrag": f"u{end}x{first}x{i:04}"}
            joined = call(connection, "PUT", "/v1/end", m["ends"][end]["ticket"], body)
            if joined.get("end") != end:
                print(joined, file=sys.stderr)
    connection.close()


threads = [threading.Thread(target=work, args=(i,)) for i in range(THREADS)]
for t in threads:
    t.start()
for t in threads:
    t.join()
print(f"ids={len(ids)}", *(f"{k}={v}" for k, v in sorted(answers.items())))
