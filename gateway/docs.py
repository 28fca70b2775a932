"""`/openapi.json` for programs and `/docs` for people; both need nothing but this service."""

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"


async def openapi(request: Request) -> Response:
    """Answer with the document of the API, which was made when the gateway started."""
    return JSONResponse(request.app.state.document, headers={"Cache-Control": "no-cache"})


async def docs(request: Request) -> Response:
    """Answer with a page that tells the same; it runs no script and loads nothing."""
    headers = {"Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
    return HTMLResponse(request.app.state.page, headers=headers)


def page(document: dict[str, Any]) -> str:
    """Write the document as a page, once: nobody who asks for it needs a key."""
    loader = PackageLoader("gateway", "pages")
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template("docs.html").render(document=document)
