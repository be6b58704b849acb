# Copyright (c) 2026, the imagescan.openshift authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""User name and password become a token on OpenShift; plain Kubernetes has no such login any more."""

from __future__ import annotations

import tempfile
import threading
import typing as t

from .._core.text import quoted
from .errors import UNAUTHORIZED, UNREACHABLE, ApiError, config_error

_SECONDS = 60.0
_T = t.TypeVar("_T")


def within(seconds: float, work: t.Callable[[], _T], failure: str) -> _T:
    """The value of ``work``, which has no timeout of its own. Raises ApiError when it takes longer."""
    result: list[_T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            result.append(work())
        except BaseException as error:  # noqa: BLE001 - it is raised again, by the thread that waits
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not result:
        raise ApiError(f"{failure} within {seconds:.0f} s", code=UNREACHABLE)
    return result[0]


def log_in(server: str, username: str, password: str, ca: str, verifies: bool) -> str:
    """A token of OpenShift's OAuth server, by ``openshift.helper.userpassauth``. ``ca`` is PEM text, or ""."""
    from kubernetes.client import Configuration
    from openshift.helper.userpassauth import OCPLoginConfiguration, OCPLoginException
    from requests.exceptions import RequestException

    # Its own __init__ hands the library an argument that newer versions of ``kubernetes`` no longer take.
    login = OCPLoginConfiguration.__new__(OCPLoginConfiguration)
    Configuration.__init__(login, host=server)
    login.ocp_username, login.ocp_password = username, password
    login.verify_ssl = verifies
    try:
        with tempfile.NamedTemporaryFile("w", encoding="ascii", suffix=".pem") as ca_file:
            ca_file.write(ca)
            ca_file.flush()
            login.ssl_ca_cert = ca_file.name if ca else None
            within(_SECONDS, login.get_token, f"{server} gave no token for {quoted(username)}")
        return str(login.token["access_token"])
    except OCPLoginException as error:
        request_info = getattr(error, "req_info", {})
        if "well-known" in str(request_info.get("req_url", "")):
            raise config_error(
                f"{server} has no login by user name and password; only OpenShift has",
                "give api_key, a client certificate or a kubeconfig",
            ) from error
        raise ApiError(
            f"{server} does not accept the password of {quoted(username)} "
            f"({request_info.get('req_status_code', 'no status')})",
            code=UNAUTHORIZED,
            status=401,
            hint="check username and password; identity providers that log in by a browser need a token as api_key",
        ) from error
    except (RequestException, KeyError, ValueError, TypeError) as error:
        # The library's text has URLs with codes in them.
        raise ApiError(
            f"the login at {server} failed: {type(error).__name__}",
            hint="check host, ca_cert and that the OAuth server can be reached, or give a token as api_key",
        ) from error
