"""What the interface answers about a training's run in MLflow."""

from typing import Literal

from pydantic import BaseModel, Field


class MlflowGap(BaseModel):
    """The newest time in which MLflow was away, from this training's point of view."""

    since: str
    until: str | None = Field(description="When everything of it had arrived; null: it goes on")
    points: int = Field(description="Figures that arrived late")


class MlflowView(BaseModel):
    """What MLflow has been told of a training."""

    state: Literal["following", "behind", "complete", "refused"] = Field(
        description="behind: MLflow is away, what it misses is kept and sent when it is back; refused: it does not take it"
    )
    url: str | None = Field(description="Where to see the run")
    waiting: int = Field(description="Updates of the training that MLflow has not been told yet")
    gap: MlflowGap | None
    given_up: int = Field(description="Updates that MLflow will never be told: too many were waiting")
    reason: str | None = Field(description="What MLflow does instead of taking figures")
