"""Receive webhooks of Nexus: python receive_webhook.py. The secret is in NEXUS_WEBHOOK_SECRET."""

import base64
import hashlib
import hmac
import json
import os
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 5 * 60  # seconds that a message may be old, or a clock wrong
SEEN = {}  # ids of the last minutes; several processes need a shared place for them


def verified(secret, headers, body, now):
    """Return True for a message that Nexus signed just now, and that no one has changed."""
    message_id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not timestamp.isdecimal() or abs(now - int(timestamp)) > TOLERANCE:
        return False
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    wanted = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    # While a secret is being replaced there are two signatures; one that fits is enough.
    given = headers.get("webhook-signature", "").split()
    return any(hmac.compare_digest(wanted.encode(), each.encode()) for each in given)


def is_new(message_id, now):
    """Return False for a message that was here before: Nexus sends again when it got no answer."""
    for old in [name for name, at in SEEN.items() if now - at > 2 * TOLERANCE]:
        del SEEN[old]
    if message_id in SEEN:
        return False
    SEEN[message_id] = now
    return True


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body, now = self.rfile.read(int(self.headers["Content-Length"])), time.time()
        if not verified(os.environ["NEXUS_WEBHOOK_SECRET"], self.headers, body, now):
            self.send_response(401)
        else:
            if is_new(self.headers["webhook-id"], now):
                message = json.loads(body)
                print(message["type"], message["data"].get("token", {}).get("name", ""), flush=True)
            self.send_response(204)  # answer at once; do what takes long afterwards
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8000"))), Receiver).serve_forever()
