"""A stdio server that does what a test asks of it, good or bad; run as a program of its own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

heard = []  # the notifications that came
STARTED = time.time_ns()


def write(message):
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def read():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def look(params, number):
    return {"environment": dict(os.environ), "started": STARTED, "folder": os.getcwd(), "arguments": sys.argv[1:]}


def echo(params, number):
    return params


def count(params, number):
    """Tell of progress under the token that came, then answer."""
    for step in range(params["steps"]):
        token = {"progressToken": params["_meta"]["progressToken"], "progress": step, "x-unknown": {"kept": 1}}
        write({"method": "notifications/progress", "params": token})
    return {"counted": params["steps"]}


def ask(params, number):
    """Ask the client, and answer with what it answered."""
    write({"id": "s-1", "method": params["method"], "params": {"x-unknown": 1}})
    while (answer := read()).get("id") != "s-1" or "method" in answer:
        heard.append(answer)
    return {"answered": answer}


def ask_later(params, number):
    """Ask the client only when this request is answered."""
    write({"id": number, "result": {}})
    write({"id": "s-2", "method": params["method"], "params": {}})


def ask_often(params, number):
    write({"id": number, "result": {}})
    for turn in range(params["times"]):
        write({"id": f"often-{turn}", "method": "roots/list"})


def announce(params, number):
    write({"method": params["method"], "params": params.get("params", {})})
    return {}


def wait(params, number):
    """Answer nothing until the request is cancelled, and then nothing."""


def listen(params, number):
    return {"heard": heard}


def die(params, number):
    sys.exit(3)


def try_to(params, number):
    """Run some Python and answer with what it says, or with the name of the error."""
    try:
        return {"value": eval(params["python"], {"os": os, "pathlib": pathlib, "subprocess": subprocess})}
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        return {"error": type(error).__name__}


def bomb(params, number):
    """Fork until no more is allowed, keep all of them, and answer with how many there were."""
    children = 0
    try:
        while children < 5000:
            if os.fork() == 0:
                os.close(1)
                signal.pause()
            children += 1
    except OSError:
        pass
    return {"children": children}


def leave(params, number):
    """Leave a process behind that has a session of its own and holds our output open."""
    child = subprocess.Popen(["sleep", params["seconds"]], start_new_session=True)
    return {"child": child.pid}


def flood_line(params, number):
    while True:
        sys.stdout.write("x" * 1_000_000)


def flood_messages(params, number):
    while True:
        write({"method": "notifications/message", "params": {"data": "x" * 100}})


def flood_errors(params, number):
    for _ in range(4):
        sys.stderr.write("x" * 1_000_000)
    return {}


def say(params, number):
    """Write bytes as they are, in which %d is the number of this request; then answer if it still waits."""
    line = params["line"].encode("latin-1").replace(b"%d", str(number).encode())
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()
    return {}


def initialize(params, number):
    capabilities = {"tools": {"listChanged": True}, "resources": {"subscribe": True}}
    server = {"name": "talker", "version": "1"}
    return {"protocolVersion": "2025-11-25", "capabilities": capabilities, "serverInfo": server, "hello": params}


def main():
    while True:
        message = read()
        if "id" not in message or "method" not in message:
            heard.append(message)
            continue
        name = message["method"].replace("/", "_")
        result = globals()[name if name in globals() else "echo"](message.get("params", {}), message["id"])
        if result is not None:
            write({"id": message["id"], "result": result, "x-beside": True})


if __name__ == "__main__":
    main()
