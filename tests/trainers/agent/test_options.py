"""The agent's command line: its secret, its labels, and under which address it is reached."""

import socket
from pathlib import Path

import pytest

from trainers.agent.options import own_address, parser, reached_at, secret_of

NEEDED = ["--backend-url", "http://127.0.0.1:8000"]


def test_the_secret_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_text("from a file\n")
    monkeypatch.setenv("VTP_AGENT_SECRET", "from the environment")
    assert secret_of(parser().parse_args([*NEEDED, "--secret-file", str(tmp_path / "secret")])) == "from a file"
    assert secret_of(parser().parse_args(NEEDED)) == "from the environment"


@pytest.mark.parametrize("more", [[], ["--secret-file", "/nowhere"]])
def test_without_a_secret_the_agent_says_how_to_give_it_one(more: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VTP_AGENT_SECRET", raising=False)
    with pytest.raises(SystemExit, match=r"the secret cannot be read|give --secret-file FILE or set VTP_AGENT_SECRET"):
        secret_of(parser().parse_args([*NEEDED, *more]))


def test_labels_are_name_and_value(capsys: pytest.CaptureFixture[str]) -> None:
    assert parser().parse_args([*NEEDED, "--label", "zone=eu", "--label", "a=b=c"]).label == [("zone", "eu"), ("a", "b=c")]
    with pytest.raises(SystemExit):
        parser().parse_args([*NEEDED, "--label", "zone"])
    assert "'zone' is not name=value" in capsys.readouterr().err


def test_the_address_is_the_given_one_or_the_one_listened_on_or_that_on_the_way_to_the_backend() -> None:
    def address(*more: str) -> str:
        return reached_at(parser().parse_args([*NEEDED, *more]), 9000)

    assert address() == "http://127.0.0.1:9000"
    assert address("--host", "::1") == "http://[::1]:9000"
    assert address("--host", "0.0.0.0") == "http://127.0.0.1:9000"
    assert address("--advertise-url", "http://gpu1:1") == "http://gpu1:1"


def test_a_machine_that_does_not_know_the_way_yet_goes_by_its_name() -> None:
    assert own_address("http://no-such-host.invalid:80") == socket.gethostname()
