"""The provenance of a result: versions, platform, device and commit."""

from __future__ import annotations

import functools
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import jax


@functools.cache
def provenance() -> dict[str, Any]:
    """Versions, platform, device and, in a working copy of the repository, the commit, by name."""
    packages = ("collapsejax", "jax", "jaxlib", "numpy", "xarray", "zarr")
    return {
        **{f"version_{package}": installed_version(package) for package in packages},
        "version_python": platform.python_version(),
        "platform": platform.platform(),
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind} ({jax.default_backend()})",
        "git_commit": _git_commit(),
    }


def installed_version(package: str) -> str:
    """Of an installed package; "unknown" for one that is used from where it lies, without being installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return "unknown"


def _git_commit() -> str:
    """The checked-out commit, with "-dirty" after local changes; "unknown" where git does not track this file."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        git("ls-files", "--error-unmatch", Path(__file__).name)
        return git("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
