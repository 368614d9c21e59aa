"""Data sets as users and trainers meet them: names, limits, reports, what may be trained on."""

import csv
import io
import json
import tarfile
from collections.abc import AsyncIterator

import pytest
from httpx import AsyncClient

from app.api.deps import Platform
from app.core.errors import PlatformError
from app.services.dataset_views import csv_of, slug_of
from tests.conftest import add_dataset, chunks, classification_zip, detection_zip, picture, zipped

DATASETS = "/api/v1/datasets"


@pytest.mark.parametrize(
    ("name", "dataset_id"),
    [
        ("My Flowers 2", "my-flowers-2"),
        ("  --x--  ", "x"),
        ("Größe", "groe"),
        ("Été/2024", "ete-2024"),
        ("データ", "dataset"),
        ("a" * 100, "a" * 60),
    ],
)
def test_a_name_becomes_an_id(name: str, dataset_id: str) -> None:
    assert slug_of(name) == dataset_id


@pytest.mark.parametrize("name", ["---", "…", "  "])
def test_a_name_without_letter_or_digit_is_refused(name: str) -> None:
    with pytest.raises(PlatformError) as caught:
        slug_of(name)
    assert caught.value.code == "VALIDATION_FAILED"
    assert caught.value.errors[0].pointer == "#/name"


async def test_the_same_name_again_gets_a_number(platform: Platform) -> None:
    ids = [(await add_dataset(platform, "same", detection_zip()))["dataset_id"] for _ in range(3)]
    assert ids == ["same", "same-2", "same-3"]
    assert {item["dataset_id"] for item in await platform.datasets.list_all()} == set(ids)


@pytest.mark.parametrize("told", [True, False])
async def test_more_than_the_quota_is_refused_told_or_not(client: AsyncClient, platform: Platform, told: bool) -> None:
    platform.settings.dataset_quota_bytes = 1000

    async def body() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x" * 500

    content = b"x" * 1500 if told else body()
    kind = {"Content-Type": "application/zip"}
    response = await client.post(DATASETS, params={"name": "big"}, content=content, headers=kind)
    assert (response.status_code, response.json()["error"]["code"]) == (413, "DATASET_TOO_LARGE")
    assert (await client.get(f"{DATASETS}/big")).status_code == 404


async def test_the_report_tells_the_first_items_and_where_all_are(client: AsyncClient, platform: Platform) -> None:
    await add_dataset(platform, "b", classification_zip(per_class=12, damaged=3))
    report = (await client.get(f"{DATASETS}/b/report")).json()
    assert [fix["id"] for fix in report["fixes"]] == ["exclude-invalid-files"]
    assert report["excludable"] == 3
    lines = (await client.get(report["all_problems_url"])).text.splitlines()
    assert len(lines) == sum(report["problems"][n]["count"] for n in range(len(report["problems"])))
    answer = await client.get(report["all_problems_url"], params={"format": "csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert 'filename="b-problems.csv"' in answer.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["file"] for row in rows] == [json.loads(line)["file"] for line in lines]


async def test_a_sample_is_taken_in_and_an_unknown_one_is_not_found(client: AsyncClient) -> None:
    response = await client.post(f"{DATASETS}/samples", json={"sample": "unknown"})
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


async def test_a_formula_in_a_file_name_stays_text_in_a_spreadsheet() -> None:
    problem = {"problem": "p", "severity": "error", "file": "=cmd()", "line": None, "detail": 'a "quoted", \n detail'}
    line = json.dumps(problem).encode() + b"\n"

    async def pieces() -> AsyncIterator[bytes]:
        yield line[:10]
        yield line[10:]

    text = b"".join([piece async for piece in csv_of(pieces())]).decode()
    (row,) = csv.DictReader(io.StringIO(text, newline=""))
    assert row["file"] == "'=cmd()"
    assert row["detail"] == problem["detail"]


async def check(platform: Platform, dataset_id: str, **config: object) -> list[str]:
    return [error.code for error in await platform.datasets.check_for_training(dataset_id, config)]


async def test_only_what_the_configuration_makes_sound_may_be_trained_on(platform: Platform) -> None:
    await add_dataset(platform, "good", detection_zip())
    await add_dataset(platform, "broken", classification_zip(per_class=12, damaged=2))
    await add_dataset(platform, "ruined", classification_zip(per_class=4, damaged=5))
    unsplit = {f"{name}/{n}.png": picture(n + shade) for name, shade in (("a", 0), ("b", 99)) for n in range(5)}
    await add_dataset(platform, "unsplit", zipped(unsplit))
    assert await check(platform, "good") == []
    assert await check(platform, "none") == ["DATASET_NOT_FOUND"]
    assert await check(platform, "broken") == ["DATASET_BROKEN"]
    assert await check(platform, "broken", exclude_invalid_files=True) == []
    assert await check(platform, "ruined", exclude_invalid_files=True) == ["DATASET_BROKEN"]
    assert await check(platform, "unsplit") == ["DATASET_INVALID_FORMAT"]
    assert await check(platform, "unsplit", exclude_invalid_files=True) == ["DATASET_INVALID_FORMAT"]
    assert await check(platform, "unsplit", val_fraction=0.2) == []


async def test_a_set_that_is_still_checked_is_waited_for(platform: Platform) -> None:
    created = await platform.datasets.create("new", chunks(classification_zip(per_class=12, damaged=1)))
    assert await check(platform, created["dataset_id"]) == ["DATASET_BROKEN"]


async def test_a_trainer_gets_splits_and_exclusions_as_they_were_asked_for(client: AsyncClient, platform: Platform) -> None:
    await add_dataset(platform, "b", classification_zip(per_class=12, damaged=2))
    told = await platform.datasets.for_agent("b", {"exclude_invalid_files": True, "seed": 3}, "http://backend.test/api/v1")
    content = (await client.get(told["archive_url"].removeprefix("http://backend.test"))).content
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    assert len(names) == 22 == sum(told["counts"].values())
    whole = await platform.datasets.for_agent("b", {}, "http://backend.test/api/v1")
    assert whole["digest"] != told["digest"]
    assert (told["task"], told["classes"]) == ("classify", ["dark", "light"])


async def test_a_set_in_use_stays(client: AsyncClient, platform: Platform) -> None:
    await client.post(
        "/api/v1/training-jobs", json={"model": "m", "dataset_id": "test-dataset"}, headers={"Prefer": "respond-async"}
    )
    response = await client.delete(f"{DATASETS}/test-dataset")
    assert response.status_code in (204, 409)
    if response.status_code == 409:
        assert response.json()["error"]["code"] == "CONFLICT"


async def test_a_removed_set_is_gone_with_its_report(client: AsyncClient, platform: Platform) -> None:
    await add_dataset(platform, "x", classification_zip(per_class=12, damaged=1))
    assert (await client.get(f"{DATASETS}/x/thumbnails/0")).status_code in (200, 404)
    assert (await client.delete(f"{DATASETS}/x")).status_code == 204
    for path in ("", "/report", "/problems", "/thumbnails/0"):
        response = await client.get(f"{DATASETS}/x{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "DATASET_NOT_FOUND")
    assert (await client.delete(f"{DATASETS}/x")).status_code == 404
