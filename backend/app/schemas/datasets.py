"""What the interface answers about data sets and weights. `services` make it; a contract test compares."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.answers import Stamp
from app.schemas.errors import OfferedFix, PublicError


class WeightsView(BaseModel):
    """Weights that a user brought."""

    weights_id: str
    name: str
    bytes: int
    sha256: str
    created_at: Stamp


class WeightsList(BaseModel):
    """All weights, newest first."""

    items: list[WeightsView]


class DatasetSummary(BaseModel):
    """A data set, without the list of its problems."""

    dataset_id: str
    name: str
    status: Literal["checking", "ready", "invalid", "failed"]
    task: str | None
    format: str | None
    classes: list[str]
    counts: dict[str, int] = Field(description="Images by split")
    files: int
    bytes: int
    errors: int
    warnings: int
    excludable: int | None = Field(description="Images that training can do without; null: it cannot")
    digest: str | None = Field(description="Of all files together")
    error: PublicError | None
    created_at: Stamp


class DatasetView(DatasetSummary):
    """A data set; `problems` counts them by kind."""

    problems: dict[str, int]


class DatasetList(BaseModel):
    """All data sets, newest first."""

    items: list[DatasetView]


class ProblemItem(BaseModel):
    """One problem of a data set."""

    file: str
    line: int | None
    detail: str | None
    thumbnail: str | None = Field(default=None, description="Where a picture of it is")


class ProblemGroup(BaseModel):
    """All problems of one kind; the first 100 of them as items."""

    problem: str
    severity: Literal["error", "warning"]
    title: str
    count: int
    items: list[ProblemItem]


class DatasetReport(DatasetSummary):
    """Everything that was found in a data set."""

    problems: list[ProblemGroup]
    fixes: list[OfferedFix]
    why_not_excludable: str | None
    all_problems_url: str | None = Field(description="Every problem, one a line")


class UploadRequest(BaseModel):
    """A zip that is to be sent in pieces."""

    model_config = ConfigDict(extra="forbid")
    name: str = Field(min_length=1, max_length=80)
    bytes: int = Field(ge=1)
    modified: int | None = Field(default=None, description="When the file was changed, by which it is known again")


class UploadView(BaseModel):
    """An upload under way, or the data set that it has become."""

    upload_id: str
    name: str
    bytes: int
    modified: int | None
    created_at: Stamp
    offset: int = Field(description="Bytes that are here for good: where the next piece begins")
    piece_bytes: int = Field(description="A good size of pieces")
    dataset_id: str | None = Field(description="Set when it is whole")


class Uploads(BaseModel):
    """Uploads that can go on, newest first."""

    items: list[UploadView]


class PieceAddress(BaseModel):
    """Where to PUT a piece of an upload; `url` is null where pieces go through the backend."""

    offset: int
    url: str | None
