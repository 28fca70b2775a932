"""What EC2 answers to the two questions that wan22 asks it, on loopback, in the form of its API."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

NAMESPACE = 'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"'
BEHAVIOR = f"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceAttributeResponse {NAMESPACE}>
<requestId>r-1</requestId><instanceId>%s</instanceId>
<instanceInitiatedShutdownBehavior><value>%s</value></instanceInitiatedShutdownBehavior>
</DescribeInstanceAttributeResponse>"""
OFFERED = f"""<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceTypeOfferingsResponse {NAMESPACE}>
<requestId>r-1</requestId><instanceTypeOfferingSet>%s</instanceTypeOfferingSet>
</DescribeInstanceTypeOfferingsResponse>"""
ITEM = "<item><instanceType>%s</instanceType><locationType>region</locationType></item>"
REFUSAL = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You may not.</Message></Error>
</Errors><RequestID>r-1</RequestID></Response>"""


class Ec2Service:
    """Says what becomes of an instance that powers itself off, and which types are offered.

    None for either: nobody may ask.

    Source:
        EC2 API reference, DescribeInstanceAttribute and DescribeInstanceTypeOfferings: a POST of a
        form, filters numbered from 1; an answer in XML; 403 UnauthorizedOperation.
    """

    def __init__(self, behavior: str | None = None) -> None:
        service = self
        self.behavior = behavior
        self.offers: set[str] | None = set()
        self.asked: list[dict[str, list[str]]] = []

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                service.asked.append(form)
                text = service.answer(form)
                self.send_response(200 if text else 403)
                body = (text or REFUSAL).encode()
                self.send_header("Content-Type", "text/xml;charset=UTF-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What sends a client of EC2 here."""
        return {"AWS_ENDPOINT_URL_EC2": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def answer(self, form: dict[str, list[str]]) -> str | None:
        """Answer as EC2 does; None: it refuses."""
        if form["Action"] == ["DescribeInstanceAttribute"]:
            return self.behavior and BEHAVIOR % (form["InstanceId"][0], self.behavior)
        if self.offers is None:
            return None
        (wanted,) = form["Filter.1.Value.1"]
        return OFFERED % (ITEM % wanted if wanted in self.offers else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
