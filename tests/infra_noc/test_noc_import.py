"""The import of dashboards, against a local stand-in for Entra and Grafana."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from infra.noc import import_dashboards
from infra.noc.import_dashboards import ImportProblemError, put, read, token
from infra.noc.manifests import HERE


class Peer:
    """Answers as Entra and Grafana do, and keeps what it was sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, Any]] = []
        self.status: dict[str, list[int]] = {}  # answers to give first, by path
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                is_form = "form" in self.headers["content-type"]
                content = {k: v[0] for k, v in parse_qs(body).items()} if is_form else json.loads(body)
                peer.seen.append((self.path, self.headers.get("authorization", ""), content))
                waiting = peer.status.get(self.path)
                status = waiting.pop(0) if waiting else 200
                answer = {"access_token": "a-token"} if "oauth2" in self.path else {"url": "/d/x", "uid": "x"}
                text = json.dumps(answer if status == 200 else {"message": "no"}).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def peer(monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    monkeypatch.setattr(import_dashboards, "PAUSE_S", 0.01)
    made = Peer()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@pytest.fixture
def identity(peer: Peer, tmp_path: Path) -> dict[str, str]:
    file = tmp_path / "azure-identity-token"
    file.write_text("signed-by-the-cluster\n")
    return {
        "AZURE_FEDERATED_TOKEN_FILE": str(file),
        "AZURE_TENANT_ID": "tenant",
        "AZURE_CLIENT_ID": "client",
        "AZURE_AUTHORITY_HOST": f"{peer.url}/",
    }


def test_our_dashboards_go_in_with_a_token_that_the_pods_own_was_exchanged_for(
    peer: Peer, identity: dict[str, str]
) -> None:
    wanted = read(HERE / "dashboards")
    with httpx.Client() as client:
        assert put(client, peer.url, token(client, identity), wanted) == ["/d/x"] * 4
    path, _, form = peer.seen[0]
    assert path == "/tenant/oauth2/v2.0/token"
    assert form["client_assertion"] == "signed-by-the-cluster"
    assert form["scope"] == "https://dashboard.azure.com/.default"
    assert {auth for _, auth, _ in peer.seen[1:]} == {"Bearer a-token"}
    sent = [body for path, _, body in peer.seen if path == "/api/dashboards/db"]
    assert [b["dashboard"]["uid"] for b in sent] == [d["uid"] for d in wanted]
    assert all(b["overwrite"] and b["folderUid"] == "wan-noc" and b["dashboard"]["id"] is None for b in sent)


@pytest.mark.parametrize("there", [409, 412])
def test_a_folder_that_is_there_already_is_fine(peer: Peer, there: int) -> None:
    peer.status["/api/folders"] = [there]
    with httpx.Client() as client:
        put(client, peer.url, "t", [{"uid": "x", "title": "X", "panels": [1]}])


def test_a_grafana_that_is_busy_is_asked_again(peer: Peer) -> None:
    peer.status["/api/dashboards/db"] = [503, 429]
    with httpx.Client() as client:
        put(client, peer.url, "t", [{"uid": "x", "title": "X", "panels": [1]}])
    assert [p for p, _, _ in peer.seen].count("/api/dashboards/db") == 3


def test_a_refusal_ends_the_import_at_once_and_says_what_was_answered(peer: Peer) -> None:
    peer.status["/api/dashboards/db"] = [403, 403]
    with httpx.Client() as client, pytest.raises(ImportProblemError, match=r"api/dashboards/db: 403 .*no"):
        put(client, peer.url, "t", [{"uid": "x", "title": "X", "panels": [1]}])
    assert [p for p, _, _ in peer.seen].count("/api/dashboards/db") == 1


def test_a_pod_without_identity_is_told_so() -> None:
    with httpx.Client() as client, pytest.raises(ImportProblemError, match="no workload identity"):
        token(client, {})


@pytest.mark.parametrize(
    ("text", "message"), [("{", "is no JSON"), ('{"uid": "x"}', "is no dashboard"), ("[]", "is no dashboard")]
)
def test_a_file_that_is_no_dashboard_is_refused_before_anything_is_sent(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ImportProblemError, match=f"a.json {message}"):
        read(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImportProblemError, match="no dashboards"):
        read(tmp_path)
