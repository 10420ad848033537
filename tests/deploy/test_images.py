"""The images, as far as they can be had without a Docker engine: what the Dockerfile copies and runs, done here."""

import asyncio
import re
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from chassis.service.service import Service
from local_stack import ports
from testkit.polling import eventually

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "images" / "Dockerfile"
CLI_DOCKERFILE = DOCKERFILE.with_name("cli.Dockerfile")
ROLES = {
    "user-service": ["api", "relay", "consumer"],
    "event-service": ["api", "scheduler", "consumer", "relay", "maintenance"],
    "delivery-service": ["api", "worker-critical", "worker-high", "worker-normal", "worker-low", "relay", "consumer"],
    "analytics-service": ["api", "consumer", "alerter", "relay"],
    "console": ["console"],
}

LARGEST_MB = {"analytics-service": 430, "console": 260}
"""What an image may add to its base. Exports as Parquet need pyarrow, 170 MB; the console needs NiceGUI."""
MOST_MB = 220
CLI_MB = 80


def _copies(service: str) -> list[tuple[list[str], str]]:
    """The COPY lines of the stage that builds: sources and destination."""
    dockerfile = CLI_DOCKERFILE if service == "cli" else DOCKERFILE
    text = dockerfile.read_text().split("\nFROM ")[1].replace("${SERVICE}", service)
    lines = re.findall(r"^COPY (?!--)(.+)$", text, re.M)
    return [(parts[:-1], parts[-1]) for parts in (line.split() for line in lines)]


def _patterns(service: str) -> list[str]:
    """What Docker is given to copy from: the exceptions from the dockerignore file, which names nothing else."""
    name = "cli.Dockerfile.dockerignore" if service == "cli" else "Dockerfile.dockerignore"
    return [line[1:] for line in DOCKERFILE.with_name(name).read_text().split() if line[0] == "!"]


def _let_in(service: str, source: Path) -> list[Path]:
    """What of a folder Docker is given: all of it, or the parts that are named."""
    found = [path for pattern in _patterns(service) for path in ROOT.glob(pattern)]
    return [source] if source in found else [path for path in found if path.is_relative_to(source)]


def _copy(service: str, folder: Path) -> None:
    for sources, destination in _copies(service):
        for source in sources:
            if (ROOT / source).is_dir():
                for part in _let_in(service, ROOT / source):
                    target = folder / destination / part.relative_to(ROOT / source)
                    if part.is_dir():
                        shutil.copytree(part, target, ignore=shutil.ignore_patterns("__pycache__"))
                    else:
                        target.parent.mkdir(parents=True, exist_ok=True)
                        shutil.copy(part, target)
            else:
                target = folder / destination / Path(source).name if destination.endswith("/") else folder / destination
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / source, target)


def test_every_role_there_is_will_be_started(declared: dict[str, Service[Any]]) -> None:
    for service in declared.values():
        # Roles that have parts run as their parts.
        whole = {role for role in service.roles if any(part.startswith(f"{role}-") for part in service.parts)}
        assert {*service.role_names, *service.parts} - whole == set(ROLES[service.name])


@pytest.mark.parametrize("dockerfile", [DOCKERFILE, CLI_DOCKERFILE], ids=["service", "cli"])
def test_the_dockerfile_has_nothing_that_its_linter_objects_to(dockerfile: Path) -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    if not hadolint.exists():
        pytest.skip("`make test-deploy` installs hadolint")
    ran = subprocess.run([hadolint, dockerfile], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_image_of_the_command_line_has_no_service(tmp_path: Path) -> None:
    _copy("cli", tmp_path)
    assert not (tmp_path / "services").exists()
    assert {each.name for each in (tmp_path / "libs").iterdir()} == {"contracts", "client", "cli"}
    assert {each.name for each in (tmp_path / "requirements").iterdir()} == {"bootstrap.txt", "cli.txt"}
    _assert_let_in("cli")
    final = CLI_DOCKERFILE.read_text().split("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in final
    assert final.count("org.opencontainers.image.") == 5


@pytest.mark.thorough
@pytest.mark.timeout(500)
def test_image_of_the_command_line_runs_it(tmp_path: Path) -> None:
    _copy("cli", tmp_path)
    subprocess.run(["sh", "deploy/images/install.sh", "cli"], cwd=tmp_path, check=True, timeout=300)
    held = sum(file.lstat().st_size for file in tmp_path.rglob("*") if file.is_file()) / 2**20
    assert held <= CLI_MB
    ran = subprocess.run(
        [tmp_path / "venv" / "bin" / "almanac", "migrate", "--help"], capture_output=True, text=True, check=True
    )
    assert "verify" in ran.stdout


@pytest.mark.parametrize("service", ROLES)
def test_an_image_has_its_own_service_and_no_other(service: str, tmp_path: Path) -> None:
    _copy(service, tmp_path)
    assert [each.name for each in (tmp_path / "services").iterdir()] == [service]
    assert {each.name for each in (tmp_path / "libs").iterdir()} == {"contracts", "chassis", "client"}
    assert {each.name for each in (tmp_path / "requirements").iterdir()} == {"bootstrap.txt", f"{service}.txt"}
    assert not list(tmp_path.rglob("tests"))
    assert (tmp_path / "services" / service / "migrations").exists() is (service != "console")
    _assert_let_in(service)


def _assert_let_in(service: str) -> None:
    """A source that Docker is not given would fail the build."""
    for sources, _ in _copies(service):
        for source in sources:
            assert _let_in(service, ROOT / source), source


def test_image_runs_as_an_arbitrary_user_and_has_a_health_check() -> None:
    final = DOCKERFILE.read_text().split("\nFROM ")[2]
    assert "\nUSER 10001:10001\n" in final
    assert "/healthz" in final
    assert final.count("org.opencontainers.image.") == 5
    assert "\nRUN pip" not in final


def _start(python: Path, service: str, role: str, port: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [python, "-m", service.replace("-", "_"), "run", role],
        cwd="/",
        env={
            "PATH": f"{python.parent}:/usr/bin:/bin",
            "PYTHONDONTWRITEBYTECODE": "1",
            "API_PORT": str(port),
            "DATABASE_URL": f"postgresql://nobody@127.0.0.1:{ports.free_port()}/nothing",
            "SECRET_KEYS": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=",
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{ports.free_port()}",
            "AWS_ACCESS_KEY_ID": "nobody",
            "AWS_SECRET_ACCESS_KEY": "nothing",
            "SHUTDOWN_GRACE_SECONDS": "5",
        },
        stdout=subprocess.DEVNULL,
    )


def _start_inbox(folder: Path, port: int) -> subprocess.Popen[bytes]:
    environment = {"PYTHONPATH": str(ROOT / "deploy" / "local" / "src"), "INBOX_PORT": str(port)}
    files = {"INBOX_FILE": str(folder / "received.ndjson"), "INBOX_SECRET_FILE": str(folder / "secret")}
    python = folder / "venv" / "bin" / "python"
    return subprocess.Popen([python, "-m", "local_stack.inbox"], cwd="/", env={**environment, **files})


def _alive(port: int) -> bool:
    return ports.http_status(port, "/healthz") == 200


@pytest.mark.thorough
@pytest.mark.timeout(500)
@pytest.mark.parametrize("service", ROLES)
def test_what_the_image_holds_starts_each_role(service: str, tmp_path: Path) -> None:
    """Without a database: a role that starts is alive, unready, reports why, and stops on SIGTERM."""
    _copy(service, tmp_path)
    subprocess.run(["sh", "deploy/images/install.sh", service], cwd=tmp_path, check=True, timeout=300)
    held = sum(file.lstat().st_size for file in tmp_path.rglob("*") if file.is_file()) / 2**20
    assert held <= LARGEST_MB.get(service, MOST_MB)
    running: dict[int, subprocess.Popen[bytes]] = {}
    try:
        for role in ROLES[service]:
            port = ports.free_port()
            running[port] = _start(tmp_path / "venv" / "bin" / "python", service, role, port)
        for port in running:
            asyncio.run(eventually(partial(_alive, port), 120))
            ready = httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False, timeout=20)
            if service == "console":
                assert ready.status_code == 200
                continue
            assert ready.status_code == 503
            assert ready.json()["checks"]["database"] != "ok"
        if service == "delivery-service":  # in compose its image runs the inbox as well
            port = ports.free_port()
            inbox = running[port] = _start_inbox(tmp_path, port)
            asyncio.run(eventually(lambda: ports.http_status(port, "/") == 200, 60))
            inbox.kill()
            inbox.wait()
            del running[port]
        for process in running.values():
            process.terminate()
        assert [process.wait(60) for process in running.values()] == [0] * len(running)
    finally:
        for process in running.values():
            process.kill()
            process.wait()
