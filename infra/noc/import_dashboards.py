"""Puts dashboards into a Grafana over its HTTP API, with an identity of Azure and no stored secret.

Turns a folder of dashboard JSON files into dashboards in one folder of Grafana; what is there by the same uid is
replaced. In the cluster the token comes from the pod's workload identity (AZURE_CLIENT_ID, AZURE_TENANT_ID,
AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST). Refuses a file that is no dashboard before it sends the first one.

Grafana's HTTP API: /api/folders, /api/dashboards/db. The token's audience is https://dashboard.azure.com ("Authenticate
to Azure Managed Grafana data plane APIs", 2026-11). [unverified] against a real Azure Managed Grafana.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

SCOPE = "https://dashboard.azure.com/.default"
FOLDER_UID, FOLDER_TITLE = "wan-noc", "Wide area network"
TRIES, PAUSE_S = 5, 3.0  # role assignments take minutes to be seen everywhere; the job is tried again after that


class ImportProblemError(Exception):
    """The import ended; the message says at which dashboard and what was answered."""


def read(folder: Path) -> list[dict[str, Any]]:
    """The dashboards of a folder, in order of file names.

    Raises:
        ImportProblemError: there is none, or a file is no dashboard with a uid, a title and panels.
    """
    found = []
    for path in sorted(folder.glob("*.json")):
        try:
            dashboard = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ImportProblemError(f"{path.name} is no JSON: {error}") from error
        if not all(isinstance(dashboard, dict) and dashboard.get(key) for key in ("uid", "title", "panels")):
            raise ImportProblemError(f"{path.name} is no dashboard: uid, title and panels are needed")
        found.append(dashboard)
    if not found:
        raise ImportProblemError(f"there are no dashboards in {folder}")
    return found


def token(client: httpx.Client, environment: Mapping[str, str]) -> str:
    """An access token for Grafana in exchange for the pod's own.

    Raises:
        ImportProblemError: the pod has no workload identity, or Entra refuses it.
    """
    try:
        assertion = Path(environment["AZURE_FEDERATED_TOKEN_FILE"]).read_text(encoding="utf-8").strip()
        tenant, identity = environment["AZURE_TENANT_ID"], environment["AZURE_CLIENT_ID"]
    except (KeyError, OSError) as error:
        raise ImportProblemError(f"this pod has no workload identity: {error}") from error
    authority = environment.get("AZURE_AUTHORITY_HOST", "https://login.microsoftonline.com").rstrip("/")
    form = {
        "grant_type": "client_credentials",
        "client_id": identity,
        "scope": SCOPE,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    answer = _send(client, "POST", f"{authority}/{tenant}/oauth2/v2.0/token", data=form)
    return str(answer["access_token"])


def put(client: httpx.Client, grafana: str, bearer: str, dashboards: list[dict[str, Any]]) -> list[str]:
    """Make the folder if need be and put the dashboards into it; returns their paths.

    Raises:
        ImportProblemError: Grafana refuses one; those before it are in.
    """
    headers = {"Authorization": f"Bearer {bearer}"}
    base = grafana.rstrip("/")
    folder = {"uid": FOLDER_UID, "title": FOLDER_TITLE}
    _send(client, "POST", f"{base}/api/folders", json=folder, headers=headers, fine=(409, 412))  # it is there already
    paths = []
    for dashboard in dashboards:
        body = {"dashboard": {**dashboard, "id": None}, "folderUid": FOLDER_UID, "overwrite": True}
        answer = _send(client, "POST", f"{base}/api/dashboards/db", json=body, headers=headers)
        paths.append(str(answer.get("url", dashboard["uid"])))
    return paths


def _send(client: httpx.Client, method: str, url: str, fine: tuple[int, ...] = (), **more: Any) -> dict[str, Any]:
    """One request, tried again while the other side is busy or away; the answer's JSON object."""
    last = ""
    for attempt in range(TRIES):
        if attempt:
            time.sleep(PAUSE_S * attempt)
        try:
            answer = client.request(method, url, **more)
        except httpx.TransportError as error:
            last = f"{type(error).__name__}: {error}"
            continue
        if answer.is_success or answer.status_code in fine:
            found = answer.json() if answer.content else {}
            return found if isinstance(found, dict) else {}
        last = f"{answer.status_code} {answer.text[:300]}"
        if answer.status_code < 500 and answer.status_code != 429:
            break
    raise ImportProblemError(f"{method} {url}: {last}")


def main() -> None:
    """Import; exit 0 done, 1 refused by the other side, 2 bad input."""
    parser = argparse.ArgumentParser(description="Put dashboards into Grafana.")
    parser.add_argument("--grafana", required=True, help="its address, https://...")
    parser.add_argument("--folder", type=Path, required=True, help="folder of dashboard JSON files")
    options = parser.parse_args()
    try:
        dashboards = read(options.folder)
    except ImportProblemError as error:
        sys.stderr.write(f"dashboards: {error}\n")
        sys.exit(2)
    try:
        with httpx.Client(timeout=30.0) as client:
            for path in put(client, options.grafana, token(client, os.environ), dashboards):
                sys.stderr.write(f"dashboards: {path}\n")
    except ImportProblemError as error:
        sys.stderr.write(f"dashboards: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
