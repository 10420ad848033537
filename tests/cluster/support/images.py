"""Images of the services: built from the unmodified Dockerfile and loaded into the cluster.

BUILDER is `docker` or `buildah`. IMAGE_LOADER is a command that is given an image's name, if it contains `docker-image`
(`kind load docker-image`), and otherwise the file of an image archive (`ctr -n k8s.io images import`).
"""

import os
import shlex
import shutil
from pathlib import Path

from commands import ROOT, run

REGISTRY = "ghcr.io/almanac"
VERSION = "0.1.0"
CHANGED_VERSION = "0.1.1"
SERVICES = tuple(sorted(path.name for path in (ROOT / "services").iterdir() if (path / "pyproject.toml").exists()))
BUILDER = os.environ.get("BUILDER", "docker")
IMAGE_LOADER = os.environ.get("IMAGE_LOADER", "kind load docker-image")
TAKES_ARCHIVES = "docker-image" not in IMAGE_LOADER
_SHIMS = {
    "docker": "#!/bin/sh\n"
    '[ "$1" = build ] || { echo "only docker build is here" >&2; exit 2; }\n'
    'shift\nexec buildah bud "$@"\n',
    "kind": "#!/bin/sh\n"
    '[ "$1 $2" = "load docker-image" ] || { echo "only kind load docker-image is here" >&2; exit 2; }\n'
    'archive=$(mktemp -u).tar\nbuildah push --quiet "$3" "docker-archive:$archive:$3" && {loader} "$archive"\n'
    'status=$?\nrm -f "$archive"\nexit $status\n',
}


def command_folder(folder: Path) -> Path:
    """Writes the commands `docker build` and `kind load docker-image` where this machine has other programs for them.

    The documents' commands can then run as they stand. The folder is empty with docker and kind.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = (["docker"] if BUILDER != "docker" else []) + (["kind"] if TAKES_ARCHIVES else [])
    for name in missing:
        path = folder / name
        path.write_text(_SHIMS[name].replace("{loader}", IMAGE_LOADER), encoding="utf-8")
        path.chmod(0o755)
    return folder


def load(image: str, folder: Path) -> None:
    """Loads an image of the builder into the cluster. `folder` is that of `command_folder`."""
    loader = [str(folder / "kind"), "load", "docker-image"] if TAKES_ARCHIVES else shlex.split(IMAGE_LOADER)
    run(*loader, image)


def build_changed(service: str, revision: str, context: Path, folder: Path) -> None:
    """Builds CHANGED_VERSION of all services, in which `service` has one more revision, and loads the images.

    `revision` is its source; the file is added to a copy of the sources, and the Dockerfile is the same.
    """
    for part in ("deploy/images", "libs", "requirements", "services"):
        shutil.copytree(
            ROOT / part, context / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info", "tests")
        )
    (context / "services" / service / "migrations/versions/9999_cluster_test.py").write_text(revision, encoding="utf-8")
    docker = shutil.which("docker", path=f"{folder}:{os.environ['PATH']}")
    assert docker is not None, "neither docker nor BUILDER=buildah"
    for each in SERVICES:
        new = f"{REGISTRY}/{each}:{CHANGED_VERSION}"
        if each == service:
            dockerfile = str(context / "deploy/images/Dockerfile")
            run(
                docker,
                "build",
                "-f",
                dockerfile,
                "--build-arg",
                f"SERVICE={each}",
                "-t",
                new,
                str(context),
                timeout=1800,
            )
        else:
            run(BUILDER, "tag", f"{REGISTRY}/{each}:{VERSION}", new)
        load(new, folder)
