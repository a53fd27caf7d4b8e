"""How the walk talks to the node: HARBOR_URL, HARBOR_PASSWORD."""

import os
from contextlib import asynccontextmanager

from harborapi import HarborAsyncClient
from harborapi.exceptions import StatusError

URL = os.environ["HARBOR_URL"]
PASSWORD = "Passw0rd"


def client(username: str, secret: str) -> HarborAsyncClient:
    # By default 10 s, which a machine may stand still.
    return HarborAsyncClient(
        url=URL, username=username, secret=secret, retry=None, timeout=120
    )


def id_in(location: str) -> int:
    return int(location.rstrip("/").split("/")[-1])


@asynccontextmanager
async def refused(kind: type[StatusError]):
    try:
        yield
    except kind:
        return
    raise AssertionError(f"not refused with {kind.__name__}")
