"""What EC2 tells a machine of itself: the instance metadata service, version 2."""

import os
from collections.abc import Mapping
from http import HTTPStatus

import httpx2

from jobstore.errors import MetadataUnavailable

ENDPOINT = "http://169.254.169.254"
TOKEN_LASTS_S = 21_600
PATIENCE_S = 1.0  # the service is on the machine itself, so it answers at once or not at all


class Instance:
    """The EC2 instance that this machine is, if it is one.

    Source:
        A PUT gives a token, and each GET shows it; without the right one the answer is 401 (AWS,
        "Use the Instance Metadata Service"). The two variables are those of AWS's own clients.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        """Ask where AWS's clients would; nothing connects yet."""
        self._disabled = environment.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true"
        endpoint = environment.get("AWS_EC2_METADATA_SERVICE_ENDPOINT") or ENDPOINT
        self._client = httpx2.Client(
            base_url=endpoint.rstrip("/"), timeout=PATIENCE_S, trust_env=False
        )
        self._token = ""

    def tell(self, name: str) -> str | None:
        """Ask for one thing, such as `placement/region`; None: there is none.

        Raises:
            MetadataUnavailable: as it says.
        """
        if self._disabled:
            raise MetadataUnavailable
        answer = self._ask(name)
        if answer.status_code == HTTPStatus.UNAUTHORIZED:  # the token has ended
            self._token = ""
            answer = self._ask(name)
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if answer.status_code != HTTPStatus.OK:
            raise MetadataUnavailable
        return answer.text

    def _ask(self, name: str) -> httpx2.Response:
        try:
            self._token = self._token or self._new_token()
            return self._client.get(
                f"/latest/meta-data/{name}", headers={"X-aws-ec2-metadata-token": self._token}
            )
        except httpx2.TransportError as error:
            raise MetadataUnavailable from error

    def _new_token(self) -> str:
        lasts = {"X-aws-ec2-metadata-token-ttl-seconds": f"{TOKEN_LASTS_S}"}
        answer = self._client.put("/latest/api/token", headers=lasts)
        if answer.status_code != HTTPStatus.OK:
            raise MetadataUnavailable
        return answer.text
