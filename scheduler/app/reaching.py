"""Where a view may read what it wants, and one line of what to check where it may not."""

from __future__ import annotations

from typing import Final

import httpx

from slacktide.errors import BadInput
from slacktide.kube.reading import readable

NO_PODS: Final = (
    "pods may not be listed, so there is nothing to see: give -n NAMESPACE with one whose pods you "
    "may list (kubectl auth can-i list pods -n NAMESPACE)"
)


async def whence(client: httpx.AsyncClient, path: str, namespace: str) -> str:
    """Where a resource may be read; empty where it may not.

    Raises:
        BadInput: when nobody answers, or does not know who we are.
    """
    try:
        found = await readable(client, path, namespace=namespace)
    except (httpx.HTTPError, OSError) as why:
        raise BadInput(unreachable(str(client.base_url), why)) from why
    if found.status == httpx.codes.UNAUTHORIZED:
        raise BadInput(
            f"the API server at {client.base_url} does not accept who you are (401): "
            "the token or certificate in your kubeconfig may have run out"
        )
    return found.path


def unreachable(url: str, why: Exception) -> str:
    """What to say of a server that does not answer."""
    said = str(why) or type(why).__name__
    return (
        f"no answer from the API server at {url.rstrip('/')} ({said}): check that it is up "
        "(kubectl version) and that --kubeconfig and --context are the ones you mean"
    )
