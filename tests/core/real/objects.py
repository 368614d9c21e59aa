"""Failures of object stores, by boto3 and obstore."""

import contextlib
import io
import socket
import threading
from collections.abc import Callable
from typing import Any

from tests.core.real.cases import (
    BUSY,
    CONFLICT,
    GONE_FOR_GOOD,
    LATE,
    MISSING,
    MISUSED,
    NETWORK,
    S3_REFUSED,
    THROTTLED,
    Servers,
    case,
    patience,
)


def boto(url: str, secret: str = "SK", key: str = "AK") -> Any:
    """A client that tries once."""
    import boto3
    from botocore.config import Config

    waits = {"connect_timeout": patience(url), "read_timeout": patience(url)}
    config = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"}, **waits)
    return boto3.client(
        "s3", endpoint_url=url, aws_access_key_id=key, aws_secret_access_key=secret, region_name="us-east-1", config=config
    )


def _boto(path: str) -> Callable[[Servers], Any]:
    def get(servers: Servers) -> None:
        with contextlib.closing(boto(f"{servers('http').url}/{path}")) as client:
            client.get_object(Bucket="bkt", Key="k")["Body"].read()

    return get


def _store(call: Callable[[Any], Any], **credentials: str) -> Callable[[Servers], Any]:
    def run(servers: Servers) -> None:
        with contextlib.closing(boto(servers("s3").url, **credentials)) as client:
            call(client)

    return run


case("boto-refused", NETWORK)(lambda servers: boto(f"http://127.0.0.1:{servers('nobody')}").list_buckets())
case("boto-no-room", LATE)(lambda servers: boto(f"http://127.0.0.1:{servers('full')}/hang").list_buckets())
case("boto-untrusted", GONE_FOR_GOOD)(lambda servers: boto(servers("tls").url).list_buckets())
case("boto-hang", LATE)(_boto("hang"))
case("boto-close", NETWORK)(_boto("close"))
case("boto-reset", NETWORK)(_boto("reset"))
case("boto-cut-body", NETWORK)(_boto("cut"))
case("boto-slow-down", THROTTLED)(_boto("s3-503-SlowDown"))
case("boto-too-many", THROTTLED)(_boto("s3-503-ErrTooManyRequest"))
case("boto-internal", BUSY)(_boto("s3-500-InternalError"))
case("boto-503-html", BUSY)(_boto("html-503"))
case("boto-request-timeout", LATE)(_boto("s3-400-RequestTimeout"))
case("boto-expired", S3_REFUSED)(_boto("s3-400-ExpiredToken"))
case("boto-missing-key", MISSING)(_store(lambda client: client.get_object(Bucket="bkt", Key="nothing")))
case("boto-missing-head", MISSING)(_store(lambda client: client.head_object(Bucket="bkt", Key="nothing")))
case("boto-missing-bucket", S3_REFUSED)(_store(lambda client: client.list_objects_v2(Bucket="nothing-here")))
case("boto-wrong-secret", S3_REFUSED)(_store(lambda client: client.list_buckets(), secret="WRONG"))
case("boto-unknown-key", S3_REFUSED)(_store(lambda client: client.get_object(Bucket="bkt", Key="k"), key="NOBODY"))
case("boto-bad-range", S3_REFUSED)(
    _store(
        lambda client: (
            client.put_object(Bucket="bkt", Key="s", Body=b"x"),
            client.get_object(Bucket="bkt", Key="s", Range="bytes=9-10"),
        )
    )
)
case("boto-unknown-upload", MISSING)(_store(lambda client: client.list_parts(Bucket="bkt", Key="s", UploadId="nothing")))
case("boto-wrong-parameter", MISUSED)(lambda servers: boto(servers("http").url).get_object(Bucket="bkt", Key=3))
case("boto-upload-slow-down", THROTTLED)(
    lambda servers: boto(f"{servers('http').url}/s3-503-SlowDown").upload_fileobj(io.BytesIO(b"x"), "bkt", "k")
)
case("boto-upload-missing-bucket", S3_REFUSED)(
    lambda servers: boto(f"{servers('http').url}/s3-404-NoSuchBucket").upload_fileobj(io.BytesIO(b"x"), "b", "k")
)
case("boto-upload-file-denied", S3_REFUSED)(
    lambda servers: boto(f"{servers('http').url}/s3-403-AccessDenied").upload_file(__file__, "b", "k")
)
case("boto-upload-file-slow-down", THROTTLED)(
    lambda servers: boto(f"{servers('http').url}/s3-503-SlowDown").upload_file(__file__, "b", "k")
)


@case("boto-precondition", CONFLICT)
@_store
def _(client: Any) -> None:
    client.put_object(Bucket="bkt", Key="once", Body=b"x")
    client.put_object(Bucket="bkt", Key="once", Body=b"y", IfNoneMatch="*")


@case("boto-wrong-checksum", S3_REFUSED)
@_store
def _(client: Any) -> None:
    client.put_object(Bucket="bkt", Key="sum", Body=b"x", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")


@case("boto-no-credentials", ("STORAGE_ERROR", False, "neutral"))
def _(servers: Servers) -> None:
    import boto3
    from botocore.session import Session

    bare = Session()
    bare.get_component("credential_provider").providers = []
    client = boto3.Session(botocore_session=bare).client("s3", endpoint_url=servers("http").url, region_name="us-east-1")
    client.list_buckets()


def obs(url: str, **more: Any) -> Any:
    """An object store that tries once."""
    from obstore.store import S3Store

    settings = {"access_key_id": "AK", "secret_access_key": "SK", "region": "us-east-1", **more}
    options = {"allow_http": True, "timeout": f"{patience(url)}s", "connect_timeout": f"{patience(url)}s"}
    return S3Store("bkt", endpoint=url, client_options=options, retry_config={"max_retries": 0}, **settings)


def _obs(path: str) -> Callable[[Servers], Any]:
    def get(servers: Servers) -> None:
        import obstore

        bytes(obstore.get(obs(f"{servers('http').url}/{path}"), "k").bytes())

    return get


def _obs_store(call: Callable[[Any, Any], Any], **more: Any) -> Callable[[Servers], Any]:
    def run(servers: Servers) -> None:
        import obstore

        call(obstore, obs(servers("s3").url, **more))

    return run


@case("obstore-refused", NETWORK)
def _(servers: Servers) -> None:
    import obstore

    obstore.head(obs(f"http://127.0.0.1:{servers('nobody')}"), "k")


@case("obstore-untrusted", GONE_FOR_GOOD)
def _(servers: Servers) -> None:
    import obstore

    obstore.head(obs(servers("tls").url), "k")


case("obstore-hang", LATE)(_obs("hang"))
case("obstore-close", NETWORK)(_obs("close"))
case("obstore-reset", NETWORK)(_obs("reset"))
case("obstore-slow-down", THROTTLED)(_obs("s3-503-SlowDown"))
case("obstore-429", THROTTLED)(_obs("s3-429-TooManyRequests"))
case("obstore-internal", BUSY)(_obs("s3-500-InternalError"))
case("obstore-bad-gateway", BUSY)(_obs("html-502"))
case("obstore-gateway-timeout", LATE)(_obs("html-504"))
case("obstore-denied-by-code", S3_REFUSED)(_obs("s3-403-AccessDenied"))
case("obstore-missing", MISSING)(_obs_store(lambda lib, store: lib.get(store, "nothing")))
case("obstore-wrong-secret", S3_REFUSED)(_obs_store(lambda lib, store: lib.get(store, "k"), secret_access_key="WRONG"))
case("obstore-exists", CONFLICT)(
    _obs_store(lambda lib, store: [lib.put(store, "twice", b"x", mode="create") for _ in range(2)])
)
case("obstore-precondition", CONFLICT)(
    _obs_store(lambda lib, store: (lib.put(store, "tag", b"x"), lib.put(store, "tag", b"y", mode={"e_tag": "other"})))
)


@case("obstore-cut-body", NETWORK)
def _(servers: Servers) -> None:
    import obstore

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            taken, _ = listening.accept()
            with taken:
                taken.recv(4096)
                head = 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\nETag: "e"\r\n'
                head += "Last-Modified: Mon, 23 Nov 2026 10:00:00 GMT\r\n\r\n"
                taken.sendall(head.encode() + b"ten bytes!")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            obstore.get(obs(f"http://127.0.0.1:{listening.getsockname()[1]}"), "k").bytes()
        finally:
            thread.join(5)


@case("obstore-local-missing", MISSING)
def _(servers: Servers) -> None:
    import obstore
    from obstore.store import LocalStore

    obstore.get(LocalStore(servers("folder")), "nothing")
