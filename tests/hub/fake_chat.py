#!/usr/bin/env python3
"""A small server with OpenAI's chat interface and planned faults, for tests/cli/eval_server.sh.

usage: fake_chat.py FOLDER [FAULTS]   writes FOLDER/port, then FOLDER/log with one line a request.
FAULTS are words: busy (every third try of a question is a 429), down (every fourth a 500), cut (every fifth is closed without a word),
prose (answers are no JSON), empty (no choices), slow (never answers), refuse (401), judge (answers "1" where prediction and answer agree).
The answer is the last word of the question, so that a task can tell right from wrong; pictures must be data: URIs that decode."""
import base64
import json
import os
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

folder, faults = sys.argv[1], set(sys.argv[2:])
lock = threading.Lock()
tries = {}
busy = [0, 0]  # now, at most


def log(line):
    with lock, open(os.path.join(folder, "log"), "a") as f:
        f.write(line + "\n")


def words_of(messages):
    text, pictures = "", 0
    content = messages[-1]["content"]
    for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
        if part["type"] == "text":
            text += part["text"]
        elif part["image_url"]["url"].startswith("data:image/png;base64,"):
            pictures += base64.b64decode(part["image_url"]["url"].split(",")[1])[:4] == b"\x89PNG"
    return text, pictures


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def send(self, status, body, headers=()):
        body = body.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with lock:
            n = tries[body] = tries.get(body, 0) + 1
            busy[0] += 1
            busy[1] = max(busy)
        try:
            self.answer(json.loads(body), n)
        finally:
            with lock:
                busy[0] -= 1

    def answer(self, request, n):
        text, pictures = words_of(request["messages"])
        log(json.dumps({"try": n, "text": text, "pictures": pictures, "path": self.path, "key": self.headers["Authorization"],
                        "model": request["model"], "together": busy[1]}))
        kind = len(text) + sum(map(ord, text))
        if "slow" in faults:
            time.sleep(600)
        if "refuse" in faults:
            return self.send(401, '{"error": {"message": "no such key"}}')
        if "busy" in faults and n == 1 and kind % 3 == 0:
            return self.send(429, '{"error": {"message": "slow down"}}', [("Retry-After", "0")])
        if "down" in faults and n <= 2 and kind % 4 == 0:
            return self.send(500, "<html>oops</html>")
        if "cut" in faults and n == 1 and kind % 5 == 0:
            self.close_connection = True
            return None
        if "prose" in faults:
            return self.send(200, "I would rather not say.")
        if "empty" in faults:
            return self.send(200, '{"choices": []}')
        time.sleep(0.01)
        reply = text.split()[-1].strip("?.")
        if "judge" in faults:
            reply = "1" if "right" in text else "who knows" if "odd" in text else "0"
        return self.send(200, json.dumps({"choices": [{"message": {"role": "assistant", "content": reply}}],
                                          "usage": {"prompt_tokens": 7, "completion_tokens": 2}}))


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
with open(os.path.join(folder, "port.new"), "w") as f:
    f.write(str(server.server_port))
os.rename(os.path.join(folder, "port.new"), os.path.join(folder, "port"))
server.serve_forever()
