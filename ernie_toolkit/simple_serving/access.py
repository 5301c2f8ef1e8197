"""Who may ask: the Host that a request is for, the page that it comes from, and the key that it shows."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse, Response

from ernie_toolkit.console import with_flags
from ernie_toolkit.simple_serving.options import ServingOptions

OPEN_PATH = "/health"  # asked by what starts and watches a server, which has neither its name nor its key
JSON_TYPE = "application/json"
# Has a browser ask for the key as a password. Programs send it as they like; Chromium looks at the first scheme alone.
CHALLENGE = 'Basic realm="ERNIE: the password is the API key", charset="UTF-8"'


def refusal(options: ServingOptions, method: str, path: str, headers: Headers) -> Response | None:
    """The answer to a request that may not ask, None where it may.

    Args:
        options: Who may ask.
        method: The request's HTTP method.
        path: The request's path.
        headers: The request's headers.
    """
    if path == OPEN_PATH:
        return None
    if options.allowed_hosts and not host_is_allowed(headers.get("host", ""), options.allowed_hosts):
        return _refused(421, with_flags("this server has another name than the request's Host: see `allowed_hosts`"))
    if method not in ("GET", "HEAD") and is_foreign(headers) and not is_json(headers):
        return _refused(415, "a request from another site's page needs Content-Type: application/json")
    if options.api_key is not None and not shows_key(headers, options.api_key):
        return _refused(401, "the request shows no valid API key", {"www-authenticate": CHALLENGE})
    return None


def _refused(status: int, reason: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"detail": reason}, status, headers)


def host_is_allowed(host: str, allowed: Sequence[str]) -> bool:
    """Whether a Host header, its port aside, is one of some names.

    Args:
        host: The header.
        allowed: The names; "*.example.com" stands for all below it, "*" for any.
    """
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:  # half of an IPv6 address
        return False
    for entry in (one.lower().strip("[]") for one in allowed):
        if entry in ("*", name) or (entry.startswith("*.") and name.endswith(entry[1:])):
            return True
    return False


def is_foreign(headers: Headers) -> bool:
    """Whether a browser says that another site's page makes this request."""
    if headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return True
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2].lower() != headers.get("host", "").lower()


def is_json(headers: Headers) -> bool:
    """Whether the body is declared as JSON, which a browser lets no other site's page do unasked."""
    return headers.get("content-type", "").partition(";")[0].strip().lower() == JSON_TYPE


def shows_key(headers: Headers, key: str) -> bool:
    """Whether a request shows the key: as X-API-Key, as a Bearer token, or as the password of Basic.

    Args:
        headers: The request's headers.
        key: The service's key.
    """
    shown = [headers.get("x-api-key", "")]
    scheme, _, value = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        shown.append(value.strip())
    elif scheme.lower() == "basic":
        try:
            shown.append(base64.b64decode(value.strip(), validate=True).decode("latin-1").partition(":")[2])
        except (binascii.Error, ValueError):
            return False
    wanted = key.encode()
    return any(hmac.compare_digest(one.encode("latin-1", "replace"), wanted) for one in shown)
