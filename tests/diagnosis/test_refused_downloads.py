"""A download that was refused is not tried again; one that failed on the way is."""

import random

import pytest

from app.diagnosis.diagnose import diagnose
from app.diagnosis.evidence import Evidence
from app.diagnosis.recovery import Failure, decide


@pytest.mark.parametrize(
    ("line", "action"),
    [
        ("urllib.error.HTTPError: HTTP Error 403: Forbidden", "fail"),
        ("urllib.error.HTTPError: HTTP Error 404: Not Found", "fail"),
        ("requests.exceptions.HTTPError: 404 Client Error: Not Found for url: https://models.example/a.pt", "fail"),
        ("urllib.error.HTTPError: HTTP Error 503: Service Unavailable", "retry"),
        ("urllib.error.HTTPError: HTTP Error 429: Too Many Requests", "retry"),
        ("urllib.error.URLError: <urlopen error [Errno -3] Temporary failure in name resolution>", "retry"),
        ("requests.exceptions.ConnectionError: HTTPSConnectionPool(host='h', port=4043): Max retries exceeded", "retry"),
    ],
)
def test_only_what_may_pass_by_itself_is_downloaded_again(line: str, action: str) -> None:
    verdict = diagnose(Evidence.from_dict({"exit_code": 1, "log": line + "\n"}))
    assert verdict.code == "DOWNLOAD_FAILED"
    _, decision = decide(Failure(verdict, None), (), {}, rng=random.Random(1))
    assert decision.action == action
