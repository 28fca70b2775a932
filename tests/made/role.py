"""The metadata service of an EC2 instance with a role, on loopback: where credentials come from."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ROLE = "/latest/meta-data/iam/security-credentials/"


class MetadataService:
    """Hands out credentials that end so many seconds from when they were asked for.

    Source:
        Instance metadata service, version 2: a PUT gives a token, with which the role's name and
        then its credentials are read (AWS, "Retrieve security credentials from instance metadata").
    """

    def __init__(self, key_id: str, secret: str, lasts_s: int) -> None:
        service = self
        self.lasts_s = lasts_s
        self.asked = 0

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_PUT(self) -> None:
                self.answer("token")

            def do_GET(self) -> None:
                if self.path == ROLE:
                    self.answer("wan22")
                else:
                    service.asked += 1
                    self.answer(json.dumps(service.credentials(key_id, secret)))

            def answer(self, text: str) -> None:
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "60")
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What sends a client of AWS here."""
        port = self._server.server_address[1]
        return {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://127.0.0.1:{port}/"}

    def credentials(self, key_id: str, secret: str) -> dict[str, Any]:
        """Make credentials as the service writes them."""
        ends = datetime.now(UTC) + timedelta(seconds=self.lasts_s)
        return {
            "Code": "Success",
            "Type": "AWS-HMAC",
            "AccessKeyId": key_id,
            "SecretAccessKey": secret,
            "Token": "session",
            "LastUpdated": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "Expiration": f"{ends:%Y-%m-%dT%H:%M:%SZ}",
        }

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
