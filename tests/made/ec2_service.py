"""The one question that is asked of EC2, answered on loopback in the form of its API."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceAttributeResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
    <requestId>r-1</requestId>
    <instanceId>{instance_id}</instanceId>
    <instanceInitiatedShutdownBehavior><value>{value}</value></instanceInitiatedShutdownBehavior>
</DescribeInstanceAttributeResponse>"""
REFUSAL = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You may not.</Message></Error>
</Errors><RequestID>r-1</RequestID></Response>"""


class Ec2Service:
    """Says what becomes of an instance that powers itself off, or that nobody may ask (None)."""

    def __init__(self, behavior: str | None) -> None:
        service = self
        self.asked: list[dict[str, list[str]]] = []

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                service.asked.append(parse_qs(body))
                instance_id = service.asked[-1]["InstanceId"][0]
                if behavior is None:
                    self.answer(403, REFUSAL)
                else:
                    self.answer(200, ANSWER.format(instance_id=instance_id, value=behavior))

            def answer(self, status: int, text: str) -> None:
                self.send_response(status)
                self.send_header("Content-Type", "text/xml;charset=UTF-8")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What sends a client of AWS here."""
        return {"AWS_ENDPOINT_URL_EC2": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
