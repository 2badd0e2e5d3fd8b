"""Checks that kenserve and huggingface_hub share one cache of models: each finds the files that the
other has fetched and does not fetch them again. The script runs a hub server of its own.

    python hub_cache.py KENSERVE BASE
"""

import hashlib
import http.server
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

from checks import run_all

COMMIT = "0123456789abcdef0123456789abcdef01234567"
kenserve, base = sys.argv[1], pathlib.Path(sys.argv[2])
fetched = []


class Hub(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, body=b"", status=200, headers=(), length=None):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if length is None else length))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_HEAD(self):
        self.do_GET()

    def do_GET(self):
        path = self.path.split("?")[0]
        files = sorted(p.name for p in base.iterdir() if p.is_file())
        if path in (f"/api/models/org/tiny/revision/{r}" for r in ("main", COMMIT)):
            info = {"_id": "0", "id": "org/tiny", "sha": COMMIT, "siblings": [{"rfilename": f} for f in files]}
            return self.answer(json.dumps(info).encode(), headers=[("Content-Type", "application/json")])
        if path == f"/api/models/org/tiny/tree/{COMMIT}":
            tree = []
            for name in files:
                data = (base / name).read_bytes()
                entry = {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()}
                if name.endswith(".safetensors"):
                    entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 133}
                tree.append(entry)
            return self.answer(json.dumps(tree).encode(), headers=[("Content-Type", "application/json")])
        for revision in ("main", COMMIT):
            name = path.removeprefix(f"/org/tiny/resolve/{revision}/")
            if name in files:
                data = (base / name).read_bytes()
                large = name.endswith(".safetensors")
                etag = hashlib.sha256(data) if large else hashlib.sha1(b"blob %d\0" % len(data) + data)
                if self.command == "GET":
                    fetched.append(name)
                return self.answer(data, headers=[("X-Repo-Commit", COMMIT), ("ETag", f'"{etag.hexdigest()}"')])
        self.answer(status=404, headers=[("X-Error-Code", "RepoNotFound")])

    def log_message(self, *args):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
threading.Thread(target=server.serve_forever, daemon=True).start()
os.environ |= {
    "HF_ENDPOINT": f"http://127.0.0.1:{server.server_port}", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1", "HF_TOKEN": "",
}
import huggingface_hub  # reads the environment when it is imported

WANTED = ["*.json", "*.safetensors", "vocab.txt"]


def run(cache, *args, stdin=""):
    env = os.environ | {"HF_HUB_CACHE": cache}
    return subprocess.run([kenserve, *args], env=env, input=stdin, capture_output=True, text=True, check=True, timeout=60).stdout


def pulled_by_kenserve():
    with tempfile.TemporaryDirectory() as cache:
        folder = run(cache, "pull", "org/tiny").strip()
        found = huggingface_hub.snapshot_download("org/tiny", cache_dir=cache, local_files_only=True)
        assert os.path.samefile(folder, found), (folder, found)
        fetched.clear()
        huggingface_hub.snapshot_download("org/tiny", cache_dir=cache, allow_patterns=os.listdir(folder))
        assert not fetched, fetched
        (repo,) = huggingface_hub.scan_cache_dir(cache).repos
        assert repo.repo_id == "org/tiny" and {r.commit_hash for r in repo.revisions} == {COMMIT}


def pulled_by_huggingface_hub():
    with tempfile.TemporaryDirectory() as cache:
        folder = huggingface_hub.snapshot_download("org/tiny", cache_dir=cache, allow_patterns=WANTED)
        fetched.clear()
        assert os.path.samefile(run(cache, "pull", "org/tiny").strip(), folder)
        assert not fetched, fetched
        want = run(cache, "tokenize", "--base", str(base), stdin="a text\n")
        assert run(cache, "tokenize", "--base", "org/tiny", stdin="a text\n") == want


run_all([
    ("huggingface_hub finds what kenserve pulled", pulled_by_kenserve),
    ("kenserve finds what huggingface_hub pulled", pulled_by_huggingface_hub),
])
