"""A PostgreSQL server for tests.

It uses this machine's programs, or Debian's packages unpacked into a temporary folder. Without
either, the test is skipped. `apt-get` keeps its lists and packages in that folder too. Nothing is
installed, and root is not needed. PostgreSQL refuses to run as root: then everything here runs as
the user `nobody`.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

DOWNLOAD_SECONDS, START_SECONDS, STOP_SECONDS = 120.0, 60.0, 20.0
# The server and the libraries it lacks, without its compiler (libllvm, 25 MB) and its Perl scripts.
NEEDED_PACKAGES = re.compile(r"postgresql-\d+|lib(?!llvm|perl)(?!.*-perl$).+")
# The server ends and its folder is removed when a line arrives or the pipe breaks, also when the
# tests are killed.
SERVE = (
    '"$0" -D "$1/data" -k "$1" -h "" -p 5432 -F >"$1/log" 2>&1 & '
    'read -r _; kill -INT $!; wait; rm -rf "$1"'
)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Return SQLAlchemy's URL of an empty database, the same for all tests."""
    with server(installed) as url:
        yield url


class Owner:
    """An ordinary user and a folder of that user."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="headstart-postgres-"))
        self.user: dict[str, Any] = {}
        self.environment = {**os.environ, "HOME": str(self.folder), "LC_ALL": "C"}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self.user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}

    def start(self, *words: str | Path, **options: Any) -> subprocess.Popen[bytes]:
        """Start a process in the folder."""
        return subprocess.Popen(
            words,
            cwd=self.folder,
            env=self.environment,
            start_new_session=True,
            **self.user,
            **options,
        )

    def run(self, *words: str | Path, until: float) -> tuple[int, str]:
        """Run a command and return its exit status and output.

        The output goes through a file: a pipe would stay open until the last grandchild ends.

        Raises:
            TimeoutError: not done by `until`, of the monotonic clock.
        """
        with (
            (self.folder / "output").open("w+b") as output,
            self.start(*words, stdout=output, stderr=output) as process,
        ):
            try:
                status = process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired as error:
                process.kill()
                raise TimeoutError(f"{Path(words[0]).name} took too long") from error
            output.seek(0)
            return status, output.read().decode(errors="replace")


def installed(owner: Owner) -> Path:
    """Return the folder of this machine's server programs, or of downloaded ones."""
    on_path = shutil.which("initdb")
    found = (
        [Path(on_path).resolve()]
        if on_path
        else sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    )
    whole = [program.parent for program in found if (program.parent / "postgres").exists()]
    return whole[-1] if whole else downloaded(owner)


def downloaded(owner: Owner) -> Path:
    """Return the folder of the programs in Debian's packages, or skip and say what is missing."""
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"no PostgreSQL server here, and no {tool} to get one")
    try:
        return _unpack(owner, time.monotonic() + DOWNLOAD_SECONDS)
    except TimeoutError as error:
        pytest.skip(
            "no PostgreSQL server here, and Debian's was not downloaded within "
            f"{DOWNLOAD_SECONDS:.0f} s: {error}"
        )


def _unpack(owner: Owner, until: float) -> Path:
    for name in ("state", "cache", "root"):
        owner.run("mkdir", name, until=until)
    own = {
        "Dir::State": owner.folder / "state",
        "Dir::Cache": owner.folder / "cache",
        "Dir::State::status": "/var/lib/dpkg/status",
    }
    settings = {
        **own,
        "Acquire::Languages": "none",
        "Acquire::http::Timeout": 20,
        "Acquire::https::Timeout": 20,
    }
    apt = ["apt-get", "-q", *(f"-o{key}={value}" for key, value in settings.items())]
    owner.run(
        *apt, "update", until=until
    )  # a source that fails beside others that do not is none of our business
    status, planned = owner.run(
        *apt, "--simulate", "--no-install-recommends", "install", "postgresql", until=until
    )
    packages = [
        name
        for name in re.findall(r"^Inst (\S+)", planned, re.MULTILINE)
        if NEEDED_PACKAGES.fullmatch(name)
    ]
    if status == 0:
        status, planned = owner.run(*apt, "download", *packages, until=until)
    if status:
        pytest.skip(
            f"no PostgreSQL server here, and apt-get has none: {planned.strip().splitlines()[-1]}"
        )
    for package in owner.folder.glob("*.deb"):
        owner.run("dpkg-deb", "--extract", package, "root", until=until)
    root = owner.folder / "root"
    libraries = [*root.glob("usr/lib/*-linux-*"), *root.glob("lib/*-linux-*")]
    owner.environment["LD_LIBRARY_PATH"] = ":".join(map(str, libraries))
    (program,) = root.glob("usr/lib/postgresql/*/bin/postgres")
    return program.parent


@contextmanager
def server(programs: Callable[[Owner], Path]) -> Iterator[str]:
    """Start a server, and remove it with all its files when the block ends.

    Only a socket in a folder of its owner reaches it.

    Args:
        programs: finds the folder with initdb and postgres, or skips.
    """
    pytest.importorskip(
        "psycopg", reason="psycopg is not installed, so nothing here can speak to PostgreSQL"
    )
    owner = Owner()
    try:
        program = programs(owner) / "postgres"
        until = time.monotonic() + START_SECONDS
        words = (
            "-D",
            "data",
            "-U",
            "headstart",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-locale",
            "--no-sync",
        )
        status, output = owner.run(program.with_name("initdb"), *words, until=until)
        if status:
            raise RuntimeError(f"initdb ended with status {status}: {output}")
        process = owner.start("sh", "-c", SERVE, program, owner.folder, stdin=subprocess.PIPE)
        try:
            _wait(owner, until)
            yield f"postgresql+psycopg://headstart@/postgres?host={owner.folder}&port=5432"
        finally:
            try:
                process.communicate(b"\n", timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    finally:
        shutil.rmtree(owner.folder, ignore_errors=True)


def _wait(owner: Owner, until: float) -> None:
    import psycopg

    while True:
        try:
            psycopg.connect(
                host=str(owner.folder), port=5432, user="headstart", dbname="postgres"
            ).close()
            return
        except psycopg.OperationalError as error:
            if time.monotonic() > until:
                log = (owner.folder / "log").read_text(errors="replace")
                raise RuntimeError(
                    f"PostgreSQL did not start within {START_SECONDS:.0f} s: {log or error}"
                ) from error
            time.sleep(0.05)
