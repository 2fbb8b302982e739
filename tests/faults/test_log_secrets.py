"""Canaries: secrets of an installation and of people, used rightly and wrongly, while every log is kept."""

from __future__ import annotations

import re
import secrets

from tests.cast import scene_bytes
from tests.faults.installation import Installation, wait_until
from tests.faults.servers import free_port
from tests.faults.web import Member, WebServer, make_alice

NAMES = (
    "SECRET_KEY",
    "OIDC_CLIENT_SECRET",
    "METRICS_TOKEN",
    "broker",
    "mail",
    "password",
    "api_key",
    "share",
    "join",
)


def test_no_secret_reaches_a_log(installation: Installation, tmp_path) -> None:
    canaries = {name: f"Canary{name.replace('_', '')}{secrets.token_urlsafe(16)}" for name in NAMES}
    logs, nobody = tmp_path / "celery", free_port()
    logs.mkdir()
    make_alice(installation)
    installation.make_photos(1)
    installation.env |= {
        **{name: canaries[name] for name in ("SECRET_KEY", "OIDC_CLIENT_SECRET", "METRICS_TOKEN")},
        "CELERY_BROKER_URL": f"redis://:{canaries['broker']}@127.0.0.1:{nobody}/0",
        "EMAIL_URL": f"smtp://album:{canaries['mail']}@127.0.0.1:{nobody}",
        "LOG_LEVEL": "DEBUG",
        "LOGS_DIRECTORY": str(logs),
    }
    worker = installation.start("-m", "photo_album.celery_worker")
    with WebServer(installation) as web:
        visit_with(web, canaries)
        log = web.log
    wait_until((logs / "worker.log").exists, 60, "words of the worker")
    worker.kill()
    status = installation.start_manage("check_ai_status").communicate(timeout=120)[0]
    told = [
        worker.communicate(timeout=60)[0],
        status,
        log.read_text(),
        *(path.read_text() for path in logs.iterdir()),
    ]
    text = "\n".join(told)
    assert re.search(r"Not Found: /s/…", text)
    assert "was not sent" in text
    assert [name for name, canary in canaries.items() if canary in text] == []


def visit_with(web: WebServer, canaries: dict[str, str]) -> None:
    """What people and programs do with their secrets, and by mistake."""
    stranger = Member(web.port)
    page = stranger.get("/login/")[1].decode()
    token = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
    form = f"login={canaries['password']}&password={canaries['password']}&csrfmiddlewaretoken={token}"
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert stranger.ask("POST", "/login/", form.encode(), kind)[0] == 200
    for path in (f"/s/{canaries['share']}/", f"/s/{canaries['share']}/zip/", f"/join/{canaries['join']}/"):
        stranger.get(path)
    assert stranger.get(f"/nowhere/{canaries['join']}?key={canaries['api_key']}")[0] == 404
    for path in ("/api/v1/media/", "/metrics"):
        headers = {"Authorization": f"Bearer {canaries['api_key']}"}
        assert stranger.ask("GET", path, None, headers)[0] in (401, 403)
    assert stranger.ask("GET", "/metrics", None, {"Authorization": f"Bearer {canaries['METRICS_TOKEN']}"})[0] == 200
    alice = web.alice()
    assert alice.upload_raw("a.jpg", scene_bytes())[0] == 201  # and rings for it
    assert alice.get("/status/")[0] == 403
    alice.ask("POST", "/upload/", b"", {"X-CSRFToken": canaries["password"]})
