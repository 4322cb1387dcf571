"""The compose file and the image, judged without a Docker engine."""

import re
from typing import Any

import pytest
import yaml

from tests.architecture.sources import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def test_services() -> None:
    assert set(SERVICES) == {"postgres", "broker", "migrate", "web", "worker", "listener", "sender", "beat"}


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_every_lasting_service_has_a_health_check_and_restarts(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"]
    assert SERVICES[name]["restart"] == "unless-stopped"


def test_dependencies_exist_and_are_waited_for() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert other in SERVICES, name
            wanted = "service_completed_successfully" if other == "migrate" else "service_healthy"
            assert how["condition"] == wanted, (name, other)


def test_images_are_pinned_to_a_major_version() -> None:
    for name, service in SERVICES.items():
        assert "build" in service or re.search(r":\d", service["image"]), name


def test_named_volumes_are_declared() -> None:
    used = {v.split(":")[0] for s in SERVICES.values() for v in s.get("volumes", [])}
    assert used == set(COMPOSE["volumes"])


def test_nothing_but_the_site_is_published_and_only_to_this_machine() -> None:
    assert {n: s["ports"] for n, s in SERVICES.items() if "ports" in s} == {"web": ["127.0.0.1:8000:8000"]}


def test_the_image_is_hashed_and_not_root() -> None:
    assert "--require-hashes" in DOCKERFILE
    assert re.findall(r"^USER (\w+)$", DOCKERFILE, re.MULTILINE) == ["app"]


def test_what_the_image_copies_is_let_through() -> None:
    copied = {w for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.MULTILINE) for w in line.split()[:-1]}
    let_through = {line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line[:1] == "!"}
    assert copied == let_through
    assert all((ROOT / name).exists() for name in copied)
