"""Sends one HTTP request from inside the cluster: a JSON object on standard input, the response on standard output."""

import json
import socket
import sys
import time
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path
from urllib.parse import urlsplit

STOP = Path("/tmp/stop")  # noqa: S108
USER = {
    "firstName": "Edith",
    "lastName": "Clarke",
    "dateOfBirth": "1883-02-10",
    "timezone": "UTC",
    "deliveryTime": "09:00",
}


def send(method: str, url: str, headers: dict[str, str], body: str | None) -> dict[str, object]:
    """Returns the status and the body of a response. Status 0 is a connection that failed."""
    request = urllib.request.Request(url, body.encode() if body is not None else None, headers, method=method)  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            return {
                "status": response.status,
                "body": response.read().decode(),
                "location": response.headers["Location"],
            }
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode(), "location": None}
    except (OSError, HTTPException) as error:
        return {"status": 0, "body": repr(error), "location": None}


def address_of(host: str) -> str:
    """Returns the address of a Service. Asks again for ten seconds while the cluster's DNS does not answer."""
    for _ in range(10):
        try:
            return socket.gethostbyname(host)
        except OSError:
            time.sleep(1)
    raise TimeoutError(f"no address for {host}")


def load(url: str, headers: dict[str, str], per_second: float) -> dict[str, object]:
    """Lists users and creates one every fifth time, at a steady rate, until the file STOP is there.

    Each request has a connection of its own, which the Service balances, so the requests reach every pod that the
    Service names. Returns the count of responses by status, and the first errors.
    """
    host = urlsplit(url).netloc
    url = url.replace(host, address_of(host), 1)  # the cluster's DNS is not what is measured
    headers = {**headers, "Host": host}
    counts: dict[str, int] = {}
    errors: list[str] = []
    began = time.monotonic()
    sent = 0
    while not STOP.exists():
        elapsed = time.monotonic() - began
        if sent > elapsed * per_second:
            time.sleep(sent / per_second - elapsed)
        creates = sent % 5 == 0
        response = (
            send("POST", url, headers, json.dumps(USER)) if creates else send("GET", f"{url}?limit=5", headers, None)
        )
        sent += 1
        status = str(response["status"])
        counts[status] = counts.get(status, 0) + 1
        if status != ("201" if creates else "200"):
            errors.append(f"after {elapsed:.1f} s: {status} {str(response['body'])[:200]}")
    return {"counts": counts, "errors": errors[:20]}


if __name__ == "__main__":
    asked = json.load(sys.stdin)
    answer = load(**asked) if asked.pop("call") == "load" else send(**asked)
    print(json.dumps(answer))
