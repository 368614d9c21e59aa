"""How the API server is reached, and what its answers and failures become."""

from pathlib import Path

import pytest

from tests.trainers.agent.kubernetes.cluster import FakeCluster
from tests.waiting import free_port
from trainers.agent.kubernetes.api import Access, Cluster, ClusterAway, ClusterRefuses


def test_a_pod_is_told_by_its_cluster_and_its_token_is_read_anew(tmp_path: Path) -> None:
    for name, text in {"token": "t\n", "ca.crt": "", "namespace": "ml\n"}.items():
        (tmp_path / name).write_text(text)
    found = Access.in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "6443"}, tmp_path)
    assert (found.url, found.namespace, found.token_file) == ("https://10.0.0.1:6443", "ml", tmp_path / "token")
    assert Access.in_cluster({"KUBERNETES_SERVICE_HOST": "fd00::1"}, tmp_path).url == "https://[fd00::1]:443"


def test_another_way_there_can_be_named_and_without_any_it_says_what_is_missing(tmp_path: Path) -> None:
    named = Access.in_cluster({"VTP_KUBERNETES_URL": "http://127.0.0.1:8001/", "VTP_KUBERNETES_NAMESPACE": "x"}, tmp_path)
    assert (named.url, named.namespace) == ("http://127.0.0.1:8001", "x")
    with pytest.raises(SystemExit, match="needs a pod with a service account, or VTP_KUBERNETES_URL"):
        Access.in_cluster({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, tmp_path)


async def test_answers_are_away_or_no_for_good(tmp_path: Path) -> None:
    server = FakeCluster(tmp_path)
    cluster = Cluster(Access(server.url, "ns"))
    assert await cluster.jobs("a=b") == []
    assert await cluster.secret("none") is None
    await cluster.delete_job("none")
    for status in (500, 503, 429):
        server.fault = (status, "InternalError")
        with pytest.raises(ClusterAway, match="on purpose"):
            await cluster.jobs("a=b")
    server.fault = (403, "Forbidden")
    with pytest.raises(ClusterRefuses) as caught:
        await cluster.pods("a=b")
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert await cluster.log("gone") == "", "a log that is not to be had is none"
    await cluster.close()
    server.close()


async def test_an_api_server_that_is_not_there_is_away() -> None:
    cluster = Cluster(Access(f"http://127.0.0.1:{free_port()}", "ns"))
    with pytest.raises(ClusterAway):
        await cluster.jobs("a=b")
    await cluster.close()
