"""Uploads in pieces over HTTP."""

import hashlib

from httpx import AsyncClient

from tests.conftest import classification_zip

UPLOADS = "/api/v1/uploads"
ZIP = classification_zip(per_class=12)


async def test_an_upload_goes_on_where_the_answer_says(client: AsyncClient) -> None:
    made = await client.post(UPLOADS, json={"name": "digits", "bytes": len(ZIP), "modified": 1})
    assert made.status_code == 201
    where = made.headers["location"]
    piece = ZIP[:1000]
    headers = {"X-Content-SHA256": hashlib.sha256(piece).hexdigest(), "Content-Type": "application/octet-stream"}
    assert (await client.patch(where, params={"offset": 0}, content=piece, headers=headers)).json()["offset"] == 1000
    again = await client.patch(where, params={"offset": 0}, content=piece, headers=headers)
    assert again.status_code == 409
    assert again.json()["error"]["params"]["expected_seq"] == 1000
    assert (await client.get(where)).json()["offset"] == 1000
    assert [item["name"] for item in (await client.get(UPLOADS)).json()["items"]] == ["digits"]
    last = await client.patch(where, params={"offset": 1000}, content=ZIP[1000:])
    assert last.json()["dataset_id"] == "digits"
    assert (await client.get("/api/v1/datasets/digits")).status_code == 200


async def test_an_upload_can_be_given_up(client: AsyncClient) -> None:
    where = (await client.post(UPLOADS, json={"name": "digits", "bytes": 5})).headers["location"]
    assert (await client.delete(where)).status_code == 204
    assert (await client.get(where)).status_code == 404
    assert (await client.get(UPLOADS)).json() == {"items": []}
