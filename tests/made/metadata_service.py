"""The metadata service of an EC2 instance with a role, on loopback."""

import json
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

ROLE = "iam/security-credentials/"
PREFIX = "/latest/meta-data/"


class MetadataService:
    """Hands out what is in `says`, and credentials that end so many seconds after each asking.

    Without `needs_token`, version 1 is answered too.

    Source:
        Instance metadata service, version 2: a PUT gives a token, without which every GET is
        answered with 401; under its role's name lie the credentials (AWS, "Retrieve security
        credentials from instance metadata").
    """

    def __init__(
        self, key_id: str = "AKIAEXAMPLE", secret: str = "", lasts_s: int = 3600, port: int = 0
    ) -> None:
        service = self
        self.lasts_s = lasts_s
        self.asked = 0
        self.token = "first"
        self.needs_token = True
        self.says: dict[str, str] = {ROLE: "wan22"}

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_PUT(self) -> None:
                self.answer(service.token)

            def do_GET(self) -> None:
                name = self.path.removeprefix(PREFIX)
                shown = self.headers.get("X-aws-ec2-metadata-token")
                if shown != service.token and service.needs_token:
                    self.answer("", 401)
                elif name == f"{ROLE}wan22":
                    service.asked += 1
                    self.answer(json.dumps(service.credentials(key_id, secret)))
                elif name in service.says:
                    self.answer(service.says[name])
                else:
                    self.answer("", 404)

            def answer(self, text: str, status: int = 200) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.send_header("x-aws-ec2-metadata-token-ttl-seconds", "60")
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", port), Answers)
        self.address = self._server.server_address
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What sends a client of AWS here."""
        endpoint = f"http://127.0.0.1:{self.address[1]}/"
        return {
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": endpoint,
            "AWS_EC2_METADATA_DISABLED": "false",
        }

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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
