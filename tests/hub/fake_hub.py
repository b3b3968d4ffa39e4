#!/usr/bin/env python3
"""fake_hub.py DIR [CERTIFICATE] - a hub on two ports of this machine: API and resolve on the first, contents on the second.

DIR/<org>/<name>/<revision>/... are the files of a revision ("main" and others); files of 1000 bytes and more are "large" (named by
SHA-256 and served by the content server after a redirect), the others are served as they are under git's SHA-1.
Prints "PORT CDN_PORT" and serves until it is killed. GET /control?mode=M sets the fault (and empties the log), /control?log gives the
log as JSON lines: server, path, range, whether a token came along. With a certificate (and its key in one PEM file) the first port speaks TLS.

Modes: ok; cut=N (every answer of the content server ends after N bytes); corrupt=once, corrupt=always (same size); range=ignore,
range=wrong, range=416; extra; short; chunked; status=500x3 (the first 3
answers), status=503 (all of them); etag, commit (the hub's word at resolve is not the
list's); redirect=loop, redirect=URL; gzip; slow; list=dotdot, list=absolute, list=nul, list=twice, list=oid, list=both, list=bomb;
pages; elsewhere (next page on the other port); api=URL (questions to the API are redirected to URL and their path; the content server
answers them as the hub does); at /x it has a file of zeros as large as big.bin; gated; private; nothing; slowstart=S (waits before each content piece of 64 KiB)."""
import hashlib
import json
import os
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

ROOT = sys.argv[1]
state = {"mode": "ok", "count": 0, "log": []}
lock = threading.Lock()


def commit_of(repo, revision):
    for name in sorted(os.listdir(os.path.join(ROOT, repo))):
        sha = hashlib.sha1((repo + name).encode()).hexdigest()
        if revision in (name, name.replace("%2F", "/"), sha):
            return sha, os.path.join(ROOT, repo, name)
    return None, None


def file_facts(path):
    data = open(path, "rb").read()
    git = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    return data, git, hashlib.sha256(data).hexdigest() if len(data) >= 1000 else None


def listing(folder):
    out = []
    for at, dirs, files in os.walk(folder):
        for name in sorted(dirs):
            out.append({"type": "directory", "path": os.path.relpath(os.path.join(at, name), folder), "size": 0, "oid": "0" * 40})
        for name in sorted(files):
            path = os.path.join(at, name)
            data, git, sha = file_facts(path)
            entry = {"type": "file", "path": os.path.relpath(path, folder), "size": len(data), "oid": git}
            if sha:
                entry["lfs"] = {"oid": sha, "size": len(data), "pointerSize": 130}
            out.append(entry)
    return out


def spoil(entries, how):
    first = dict(next(e for e in entries if e["type"] == "file"))
    names = {"dotdot": "../../evil", "absolute": "/tmp/evil", "nul": "a\0b"}
    if how in names:
        entries.append({**first, "path": names[how]})
    elif how == "twice":
        entries.append(first)
    elif how == "oid":
        entries[:] = [{**first, "oid": "../../../evil", "lfs": {"oid": "../" * 21 + "x", "size": 5}}]
    elif how == "both":
        entries.append({**first, "path": first["path"] + "/inside"})


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    is_cdn = False

    def log_message(self, *args):
        pass

    def reply(self, status, body=b"", **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/control":
            return self.control(parse_qs(url.query, keep_blank_values=True))
        with lock:
            state["count"] += 1
            count = state["count"]
            state["log"].append({"server": "cdn" if self.is_cdn else "hub", "path": self.path, "range": self.headers.get("Range"),
                                 "token": "Authorization" in self.headers})
        mode, _, value = state["mode"].partition("=")
        status, _, times = value.partition("x")
        if mode == "status" and (not times or count <= int(times)):
            return self.reply(int(status), b"busy", **({"Retry_After": times or "0"} if status == "429" else {}))
        try:
            if self.is_cdn and not url.path.startswith("/api/"):
                return self.content(unquote(url.path), mode, value)
            parts = unquote(url.path).strip("/").split("/")
            if parts[0] == "prefix":
                parts = parts[1:]
            if parts[0] == "api":
                return self.api(parts[1:], parse_qs(url.query), mode, value)
            return self.resolve(parts[parts[0] == "datasets":], mode, value)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    do_POST = do_GET

    def control(self, query):
        with lock:
            body = "".join(json.dumps(line) + "\n" for line in state["log"])
            if "mode" in query:
                state.update(mode=query["mode"][0], count=0, log=[])
        self.reply(200, body.encode())

    def api(self, parts, query, mode, value):
        if mode == "api" and not self.is_cdn:
            return self.reply(307, Location=value + self.path)
        repo, what, revision = "/".join(parts[1:3]), parts[3] if len(parts) > 3 else "revision", "/".join(parts[4:]) or "main"
        if mode == "private":
            return self.reply(401, b"{}", X_Error_Code="RepoNotFound")
        if mode == "gated":
            return self.reply(403, b"{}", X_Error_Code="GatedRepo")
        if mode == "nothing" or not os.path.isdir(os.path.join(ROOT, repo)):
            return self.reply(404, b"{}", X_Error_Code="RepoNotFound")
        sha, folder = commit_of(repo, revision)
        if not sha:
            return self.reply(404, b"{}", X_Error_Code="RevisionNotFound")
        if what == "revision":
            files = [{"rfilename": e["path"]} for e in listing(folder) if e["type"] == "file"]
            answer = {"id": repo, "modelId": repo, "sha": sha, "private": False, "siblings": files, "tags": [], "downloads": 0}
            return self.reply(200, json.dumps(answer).encode(), Content_Type="application/json")
        entries, extra = listing(folder), {}
        if mode == "list":
            if value == "bomb":
                return self.reply(200, b"[" * 100000, Content_Type="application/json")
            spoil(entries, value)
        if mode in ("pages", "elsewhere"):
            at = int(query.get("cursor", ["0"])[0])
            port = self.server.server_port if mode == "pages" else cdn.server_port
            if at + 2 < len(entries):
                extra["Link"] = f'<http://127.0.0.1:{port}/api/models/{repo}/tree/{sha}?recursive=true&cursor={at + 2}>; rel="next"'
            entries = entries[at:at + 2]
        self.reply(200, json.dumps(entries).encode(), Content_Type="application/json", **extra)

    def resolve(self, parts, mode, value):
        if parts[0] == "loop":
            return self.reply(302, Location="/loop/a/resolve/b")
        repo, revision, path = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        sha, folder = commit_of(repo, revision)
        full = os.path.join(folder or "/nonexistent", path)
        if not os.path.isfile(full):
            return self.reply(404, b"", X_Error_Code="EntryNotFound")
        data, git, sha256 = file_facts(full)
        headers = {"X_Repo_Commit": sha if mode != "commit" else "f" * 40, "ETag": f'"{git}"'}
        if not sha256:
            return self.body(data, mode, value, headers)
        headers.update(X_Linked_Etag=f'"{sha256 if mode != "etag" else "e" * 64}"', X_Linked_Size=str(len(data)), X_Xet_Hash="a" * 64)
        target = f"http://127.0.0.1:{cdn.server_port}/{sha256}?signature=1"
        if mode == "redirect":
            target = value if value != "loop" else "/loop/a/resolve/b"
        self.reply(302, Location=target, **headers)

    def content(self, path, mode, value):
        for at, _, files in os.walk(ROOT):
            for name in files:
                data, _, sha256 = file_facts(os.path.join(at, name))
                if sha256 == path.strip("/") or (path == "/x" and name == "big.bin"):
                    return self.body(data, mode, value, {"ETag": '"of-the-content-server"'})
        self.reply(404)

    def body(self, data, mode, value, headers):
        total, start, status = len(data), 0, 200
        asked = self.headers.get("Range")
        if mode == "redirect" and self.is_cdn:
            data = bytes(total)
        if mode == "corrupt" and total >= 1000:
            with lock:
                state["spoiled"] = state.get("spoiled", 0) + 1 if self.is_cdn else 0
                if value == "once":
                    state["mode"] = "ok"
            data = data[:total // 2] + bytes([data[total // 2] ^ 1]) + data[total // 2 + 1:]
        if asked and not (mode == "range" and value == "ignore"):
            start = int(asked.split("=")[1].rstrip("-").split("-")[0])
            if start >= total or (mode == "range" and value == "416"):
                return self.reply(416, Content_Range=f"bytes */{total}")
            status = 206
            said = start + 7 if mode == "range" and value == "wrong" else start
            headers["Content_Range"] = f"bytes {said}-{total - 1}/{total}"
        data = data[start:]
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        if mode == "extra" and total >= 1000:
            data += b"more"
        if mode == "short" and total >= 1000:
            data = data[:-10]
        if mode == "gzip":
            self.send_header("Content-Encoding", "gzip")
        if mode == "chunked":
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"%x\r\n" % len(data) + data + b"\r\n0\r\n\r\n")
            return
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if mode == "cut" and total >= 1000:
            data = data[:int(value)]
            self.close_connection = True
        if mode == "slow" and total >= 1000:
            for byte in data:
                self.wfile.write(bytes([byte]))
                time.sleep(1)
        if mode == "slowstart" and total >= 1000:
            for at in range(0, len(data), 65536):
                self.wfile.write(data[at:at + 65536])
                time.sleep(float(value))
            return
        self.wfile.write(data)


class ContentHandler(Handler):
    is_cdn = True


hub = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
cdn = ThreadingHTTPServer(("127.0.0.1", 0), ContentHandler)
if len(sys.argv) > 2:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[2])
    hub.socket = context.wrap_socket(hub.socket, server_side=True)
hub.daemon_threads = cdn.daemon_threads = True
threading.Thread(target=cdn.serve_forever, daemon=True).start()
print(hub.server_port, cdn.server_port, flush=True)
hub.serve_forever()
