"""A hub of Hugging Face on loopback, as far as its client asks: a listing, and files with ranges.

What can go wrong on the way to a real one can be asked of it.
"""

import hashlib
import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

from runner.render.describe import DRAFT_REPOSITORY, REPOSITORY, WAN22_TI2V_5B

LFS = (".safetensors", "tokenizer.json")
PIECE = 1 << 18
DRAFT = "transformer_draft/"  # what the second repository has as transformer/
NEWEST = "d" * 40  # the revision of that one


class File:
    """A file of the repository, and the names that the hub gives it."""

    def __init__(self, path: Path) -> None:
        self.content = path.read_bytes()
        self.sha256 = hashlib.sha256(self.content).hexdigest()
        head = f"blob {len(self.content)}\0".encode()
        self.blob = hashlib.sha1(head + self.content, usedforsecurity=False).hexdigest()
        self.is_lfs = path.name.endswith(LFS)

    def listed(self, path: str) -> dict[str, object]:
        entry = {"type": "file", "path": path, "size": len(self.content), "oid": self.blob}
        if not self.is_lfs:
            return entry
        lfs = {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}
        return entry | {"lfs": lfs}


class Hub:
    """A repository with one revision, and that of the draft's transformer, at a URL of its own.

    All files are named as they are in a checkpoint.
    """

    def __init__(self, folder: Path, draft: Path | None = None) -> None:
        paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        self.files = {path.relative_to(folder).as_posix(): File(path) for path in paths}
        for path in sorted(draft.iterdir()) if draft else ():
            self.files[f"{DRAFT}{path.name}"] = File(path)
        self.newest = NEWEST
        self.asked: list[str] = []
        self.sent: Counter[str] = Counter()
        self.cuts: dict[str, tuple[int, bool]] = {}  # after so many bytes; rudely, or in good order
        self.flips: Counter[str] = Counter()  # so many times, a byte is another one
        self.meanwhile: Callable[[str, int], None] = lambda _path, _sent: None
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("", (Answer,), {"hub": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def size(self, path: str) -> int:
        return len(self.files[path].content)


class Answer(BaseHTTPRequestHandler):
    """What the hub says to one request."""

    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        self.hub.asked.append(self.path)
        path = self.path.partition("?")[0]
        revision = WAN22_TI2V_5B.revision
        if path == f"/api/models/{REPOSITORY}/tree/{revision}":
            self.tree({p: f for p, f in self.hub.files.items() if not p.startswith(DRAFT)})
        elif path == f"/api/models/{DRAFT_REPOSITORY}":
            told = {"id": DRAFT_REPOSITORY, "sha": self.hub.newest}
            self.whole(json.dumps(told).encode(), {"Content-Type": "application/json"})
        elif path == f"/api/models/{DRAFT_REPOSITORY}/tree/{NEWEST}":
            draft = {p: f for p, f in self.hub.files.items() if p.startswith(DRAFT)}
            renamed = {f"transformer/{p.removeprefix(DRAFT)}": f for p, f in draft.items()}
            self.tree({"README.md": File(Path(__file__)), **renamed})
        elif found := re.fullmatch(rf"/{DRAFT_REPOSITORY}/resolve/{NEWEST}/transformer/(.+)", path):
            self.resolve(f"{DRAFT}{found[1]}")
        elif found := re.fullmatch(rf"/{REPOSITORY}/resolve/{revision}/(.+)", path):
            self.resolve(found[1])
        elif path.startswith("/store/"):
            self.content(path.removeprefix("/store/"))
        else:
            self.whole(b"", {"X-Error-Code": "RevisionNotFound"}, status=404)

    def tree(self, files: dict[str, File]) -> None:
        tree = [file.listed(path) for path, file in files.items()]
        self.whole(json.dumps(tree).encode(), {"Content-Type": "application/json"})

    def resolve(self, path: str) -> None:
        """Large files lie elsewhere."""
        if not self.hub.files[path].is_lfs:
            self.content(path)
            return
        self.whole(b"", {"Location": f"{self.hub.url}/store/{path}"}, status=302)

    def content(self, path: str) -> None:
        file = self.hub.files[path]
        content = file.content
        if self.hub.flips[path]:
            self.hub.flips[path] -= 1
            middle = len(content) // 2
            content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
        begin = 0
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            begin = int(asked[1])
        self.send_response(206 if asked else 200)
        if asked:
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {begin}-{last}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - begin))
        self.send_header("ETag", f'"{file.sha256 if file.is_lfs else file.blob}"')
        self.end_headers()
        self.pour(path, content[begin:])

    def pour(self, path: str, content: bytes) -> None:
        """Send content in pieces; cut the connection where that was asked for."""
        limit, rudely = self.hub.cuts.pop(path, (len(content), False))
        for place in range(0, min(limit, len(content)), PIECE):
            piece = content[place : min(place + PIECE, limit)]
            try:
                self.wfile.write(piece)
            except OSError:  # the client was killed
                self.close_connection = True
                return
            self.hub.sent[path] += len(piece)
            self.hub.meanwhile(path, self.hub.sent[path])
        if limit < len(content):
            self.close_connection = True
            if rudely:
                now = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                self.connection.close()

    def whole(self, body: bytes, headers: dict[str, str], status: int = 200) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass
