#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""As much of docker's command line as README.md and the tests use, without an engine.

    docker.py build -t IMAGE FOLDER
    docker.py run [OPTION...] IMAGE [COMMAND...]
    docker.py exec NAME COMMAND...
    docker.py ps                        runs the health checks and says how they went
    docker.py logs NAME
    docker.py kill -s SIGNAL NAME
    docker.py stop NAME

buildah builds, with storage of its own in the folder DOCKER_STATE, which holds everything. A container is
a process with what docker gives one: mounts and process numbers of its own, the image's user,
environment and health check, docker's default capabilities, a copy of the image. Its network is
the caller's: --network host is the only one there is. A CA that DOCKER_TRUSTED_CA names is the only one that
containers trust, as if it was one of the public ones in the image. An option that is not known here is an error, so that
README.md can't name one that was never tried.
"""

import argparse
import ctypes
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

STATE = pathlib.Path(os.environ["DOCKER_STATE"])
# CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD
# AUDIT_WRITE SETFCAP
DEFAULT_CAPABILITIES = {0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31}
PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
MS_RDONLY, MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE = 1, 32, 4096, 16384, 1 << 18
libc = ctypes.CDLL(None, use_errno=True)


def die(text):
    sys.exit(f"docker.py: {text}")


def buildah(*arguments, capture=True):
    command = ["buildah", "--root", STATE / "storage", "--runroot", STATE / "run", "--storage-driver", "vfs"]
    environment = dict(os.environ, BUILDAH_ISOLATION="chroot")
    done = subprocess.run(command + list(arguments), env=environment, text=True,
                          stdout=subprocess.PIPE if capture else None)
    if done.returncode:
        die(f"buildah {arguments[0]} failed")
    return (done.stdout or "").strip()


# ---- images ------------------------------------------------------------------------------------------


def image_config(image):
    return json.loads(buildah("inspect", "--type", "image", image))["Docker"]["config"]


def image_root(image):
    """Where the image's files are: the same folder each time."""
    note = STATE / f"{image}.root"
    if not note.exists():
        note.write_text(buildah("mount", buildah("from", "--pull-never", image)))
    return pathlib.Path(note.read_text())


def build(arguments):
    parser = argparse.ArgumentParser(prog="docker build")
    parser.add_argument("-t", "--tag", required=True)
    parser.add_argument("folder")
    o = parser.parse_args(arguments)
    buildah("bud", "--format", "docker", "--pull-never", "--tag", o.tag, o.folder, capture=False)


# ---- a container's inside ------------------------------------------------------------------------------


def mount(source, target, kind=None, flags=0):
    encoded = [None if a is None else os.fsencode(a) for a in (source, target, kind)]
    if libc.mount(*encoded, ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mounting {target}")


def bind(source, target, read_only=False):
    source = pathlib.Path(source)
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, flags=MS_BIND)
    if read_only:
        mount(None, target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def furnish(root, spec):
    mount(None, "/", flags=MS_REC | MS_PRIVATE)
    bind(root, root)
    (root / "proc").mkdir(exist_ok=True)
    mount("proc", root / "proc", "proc")
    for device in ("null", "zero", "random", "urandom"):
        bind(f"/dev/{device}", root / "dev" / device)
    for file in ("hosts", "resolv.conf"):
        bind(f"/etc/{file}", root / "etc" / file)
    if spec["trusted_ca"]:
        bind(spec["trusted_ca"], root / "etc/ssl/certs/ca-certificates.crt")
    for volume in spec["volume"]:
        source, target, *mode = volume.split(":")
        bind(source, root / target.lstrip("/"), mode == ["ro"])
    if spec["read_only"]:
        mount(None, root, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def drop(spec):
    """Nothing of the caller's privileges is left behind this."""
    kept = set() if spec["cap_drop"] == "ALL" else DEFAULT_CAPABILITIES
    user, group = (int(n) for n in spec["user"].split(":"))
    os.setgroups([])
    for capability in range(64):
        if capability not in kept and libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) == 1:
            if libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                die(f"cannot drop capability {capability}")
    os.setgid(group)
    os.setuid(user)
    if spec["no_new_privileges"]:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)


def inside(name):
    """Within the new namespaces: becomes the container's first process."""
    folder = STATE / name
    spec = json.loads((folder / "spec").read_text())
    furnish(folder / "root", spec)
    os.chroot(folder / "root")
    os.chdir("/")
    drop(spec)
    become(spec["command"], spec["environment"])


def become(command, environment):
    try:
        os.execvpe(command[0], command, environment)
    except OSError as error:
        die(f"{command[0]}: {error.strerror}")


# ---- containers from outside -----------------------------------------------------------------------------


def run(arguments):
    parser = argparse.ArgumentParser(prog="docker run")
    parser.add_argument("-d", "--detach", action="store_true")
    parser.add_argument("--rm", action="store_true")
    parser.add_argument("--name", default=f"c{os.getpid()}")
    parser.add_argument("--network", choices=["host"])
    parser.add_argument("--restart", choices=["no", "unless-stopped"])  # nothing ends here, so nothing is restarted
    parser.add_argument("--stop-timeout", type=int, default=10)
    parser.add_argument("-v", "--volume", action="append", default=[])
    parser.add_argument("-e", "--env", action="append", default=[])
    parser.add_argument("--read-only", action="store_true")
    parser.add_argument("--cap-drop", choices=["ALL"])
    parser.add_argument("--security-opt", choices=["no-new-privileges"])
    parser.add_argument("image")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    o = parser.parse_args(arguments)
    config = image_config(o.image)
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    for entry in o.env:
        name, equals, value = entry.partition("=")
        environment[name] = value if equals else os.environ[name]
    spec = {
        "command": o.command or config["Cmd"],
        "environment": environment,
        "user": config["User"],
        "volume": o.volume,
        "read_only": o.read_only,
        "cap_drop": o.cap_drop,
        "no_new_privileges": o.security_opt is not None,
        "trusted_ca": os.environ.get("DOCKER_TRUSTED_CA"),
        "stop_timeout": o.stop_timeout,
        "health": config["Healthcheck"]["Test"],
    }
    folder = STATE / o.name
    if folder.exists():
        die(f"there is a container {o.name} already")
    folder.mkdir()
    (folder / "spec").write_text(json.dumps(spec))
    subprocess.run(["cp", "-a", image_root(o.image), folder / "root"], check=True)
    command = ["unshare", "--mount", "--pid", "--fork", "--kill-child", sys.executable, __file__, "inside", o.name]
    if not o.detach:
        status = subprocess.run(command).returncode
        if o.rm:
            shutil.rmtree(folder)
        sys.exit(status)
    with open(folder / "log", "w", encoding="utf-8") as log:
        outer = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    (folder / "outer").write_text(str(outer.pid))
    while outer.poll() is None and not has_begun(o.name, spec["command"][0]):
        time.sleep(0.02)
    print(o.name)


def has_begun(name, program):
    """Whether the first process is the command already, and no longer what prepares it."""
    pid = first_process(name)
    try:
        return pid is not None and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == os.path.basename(program)
    except OSError:
        return False


def first_process(name):
    """Its number out here; None: it has ended, or is about to begin."""
    outer = (STATE / name / "outer").read_text()
    try:
        return int(pathlib.Path(f"/proc/{outer}/task/{outer}/children").read_text())
    except (OSError, ValueError):
        return None


def enter(name, command):
    """What to run to have a command run in the container; it wants the container's environment."""
    user, group = json.loads((STATE / name / "spec").read_text())["user"].split(":")
    pid = first_process(name)
    if pid is None:
        die(f"{name} does not run")
    into = ["/usr/bin/nsenter", "-t", str(pid), "--mount", "--pid", "--net", "--root", "--wd=/"]
    return into + ["--setuid", user, "--setgid", group, "--"] + command


def in_container(arguments):
    name, *command = arguments
    become(enter(name, command), json.loads((STATE / name / "spec").read_text())["environment"])


def health(name):
    spec = json.loads((STATE / name / "spec").read_text())
    kind, *command = spec["health"]
    if kind != "CMD":
        die(f"a health check by {kind}: there is no shell in the image")
    done = subprocess.run(enter(name, command), env=spec["environment"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=30)
    return ("healthy" if done.returncode == 0 else "unhealthy"), done.stdout.strip()


def ps(_):
    for folder in sorted(f.parent for f in STATE.glob("*/outer")):
        if first_process(folder.name):
            print(folder.name, *health(folder.name), sep="\t")


def logs(arguments):
    print((STATE / arguments[0] / "log").read_text(), end="")


def kill(arguments):
    parser = argparse.ArgumentParser(prog="docker kill")
    parser.add_argument("-s", "--signal", default="KILL")
    parser.add_argument("name")
    o = parser.parse_args(arguments)
    os.kill(first_process(o.name), signal.Signals[f"SIG{o.signal}"])


def stop(arguments):
    pid = first_process(arguments[0])
    if pid is None:
        return
    patience_s = json.loads((STATE / arguments[0] / "spec").read_text())["stop_timeout"]
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass  # it has just ended
        end = time.monotonic() + patience_s
        while first_process(arguments[0]):
            if time.monotonic() > end:
                break
            time.sleep(0.05)
        else:
            sys.exit(0 if number == signal.SIGTERM else "docker.py: it did not end by itself")


COMMANDS = {"build": build, "run": run, "exec": in_container, "ps": ps, "logs": logs, "kill": kill, "stop": stop,
            "inside": lambda arguments: inside(arguments[0])}

if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
    die(f"wants one of {', '.join(COMMANDS)}")
STATE.mkdir(exist_ok=True)
COMMANDS[sys.argv[1]](sys.argv[2:])
