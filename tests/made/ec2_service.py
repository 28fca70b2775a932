"""What EC2 answers to whoever asks which machines a region offers, on loopback."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self
from urllib.parse import parse_qs

OFFERED = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeInstanceTypeOfferingsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
<requestId>1</requestId><instanceTypeOfferingSet>%s</instanceTypeOfferingSet>
</DescribeInstanceTypeOfferingsResponse>"""
ITEM = "<item><instanceType>%s</instanceType><locationType>region</locationType></item>"
REFUSED = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>You may not.</Message>
</Error></Errors><RequestID>1</RequestID></Response>"""


class Ec2Service:
    """Offers the types in `offers`; None: nobody may ask.

    Source:
        EC2 API reference, DescribeInstanceTypeOfferings: a POST of a form, filters numbered from 1;
        an answer in XML, an empty set for a type that is not offered; 403 UnauthorizedOperation.
    """

    def __init__(self) -> None:
        service = self
        self.offers: set[str] | None = set()

        class Answers(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                (wanted,) = form["Filter.1.Value.1"]
                status, text = service.answer(wanted)
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text.encode())

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    @property
    def env(self) -> dict[str, str]:
        """What sends a client of EC2 here."""
        return {"AWS_ENDPOINT_URL_EC2": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def answer(self, wanted: str) -> tuple[int, str]:
        """Answer as EC2 does."""
        if self.offers is None:
            return 403, REFUSED
        return 200, OFFERED % (ITEM % wanted if wanted in self.offers else "")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
