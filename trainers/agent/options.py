"""The agent's command line, and under which address it is reached."""

import argparse
import os
import socket
from pathlib import Path
from urllib.parse import urlsplit

TRAINERS = Path(__file__).parents[1]
ANYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared with, not bound to


def label(text: str) -> tuple[str, str]:
    """A label ``name=value``.

    Raises:
        argparse.ArgumentTypeError: it has no ``=``.
    """
    name, equals, value = text.partition("=")
    if not equals or not name:
        message = f"{text!r} is not name=value"
        raise argparse.ArgumentTypeError(message)
    return name, value


def parser() -> argparse.ArgumentParser:
    """All options of ``vtp-agent``."""
    found = argparse.ArgumentParser(prog="vtp-agent", description="Runs trainings on this machine for a vtp backend.")
    home = Path(os.environ.get("VTP_HOME") or Path.home() / ".vtp") / "agent"
    add = found.add_argument
    add("--home", type=Path, default=home, help="folder for journal, attempts and data sets")
    add("--backend-url", required=True, help="address of the backend")
    add("--secret-file", type=Path, help="file with the secret shared with the backend; default: `VTP_AGENT_SECRET`")
    add("--host", default="127.0.0.1", help="address to listen on; 0.0.0.0 for backends on other machines")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--advertise-url", help="address under which the backend reaches this agent; default: as seen on the way to it")
    add("--slots", type=int, default=1, help="trainings at the same time")
    add("--name", default=socket.gethostname(), help="shown to people; default: the machine's name")
    add("--label", type=label, action="append", default=[], help="name=value by which trainings choose machines; may repeat")
    add("--trainers-dir", type=Path, default=TRAINERS, help="folder with the frameworks")
    add("--stop-trainings", action="store_true", help="stop trainings when the agent is stopped")
    add("--memory-limit-bytes", type=int, help="memory that one training may take")
    add("--notice-file", type=Path, help="file that appears when this machine is about to be taken away")
    add("--kubernetes", type=Path, metavar="FILE", help="run each attempt as a Job made from this pod template (JSON)")
    return found


def secret_of(options: argparse.Namespace) -> str:
    """The secret shared with the backend.

    Raises:
        SystemExit: there is none, or its file cannot be read.
    """
    if options.secret_file is None:
        secret = os.environ.get("VTP_AGENT_SECRET", "")
    else:
        try:
            secret = options.secret_file.read_text()
        except OSError as error:
            raise SystemExit(f"vtp-agent: the secret cannot be read: {error}") from error
    if not secret.strip():
        raise SystemExit("vtp-agent: no secret: give --secret-file FILE or set VTP_AGENT_SECRET")
    return secret.strip()


def reached_at(options: argparse.Namespace, port: int) -> str:
    """The address under which the backend reaches this agent; of a machine with several, the one on the way to it."""
    if options.advertise_url:
        return str(options.advertise_url)
    host = str(options.host)
    if host in ANYWHERE:
        host = own_address(str(options.backend_url))
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def own_address(url: str) -> str:
    """This machine's address on its way to `url`; its name where that way is not known yet."""
    there = urlsplit(url)
    try:
        found = socket.getaddrinfo(there.hostname, there.port or 80, type=socket.SOCK_DGRAM)[0]
        with socket.socket(found[0], found[1]) as probe:
            # Connecting a datagram socket sends nothing: it only asks which way leads there.
            probe.connect(found[4])
            return str(probe.getsockname()[0])
    except OSError:
        return socket.gethostname()
