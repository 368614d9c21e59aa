"""Losses say that a training has diverged: not finite to the end, or zero throughout."""

import pytest

from app.diagnosis.losses import diverged_line
from app.diagnosis.text import Log

HEAD = "  Epoch  GPU_mem  box_loss  cls_loss  dfl_loss  Instances  Size"
BAD = "  {}/2  2.1G  nan  nan  nan  7  640: 9"


def lines(*losses: str) -> str:
    return "\n".join(f"step {number} loss {loss}" for number, loss in enumerate(losses))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (lines("2.1", "nan", "nan"), 1),
        (lines("2.1", "nan", "nan", "1.9"), None),
        (lines("2.1", "1.9", "nan"), None),
        (lines("2.1", "inf", "inf", "nan"), 1),
        (lines(*["0.0"] * 6), 0),
        (lines("0.3", *["0.0"] * 6), None),
        ("{'loss': nan, 'grad_norm': nan}\n{'loss': nan, 'grad_norm': nan}", 0),
        (
            "{'loss': 2.4, 'grad_norm': 3.1}\n"
            + "{'loss': 0.0, 'grad_norm': nan}\n" * 2
            + "{'train_runtime': 8.2, 'train_loss': 0.3}",
            1,
        ),
        ("{'loss': 2.4, 'grad_norm': nan}\n{'loss': 2.1, 'grad_norm': 2.0}", None),
        ("val_loss: nan\nval_loss: nan\ntrain_loss: 0.3", None),
        (f"{HEAD}\n{BAD.format(1)}\n{BAD.format(2)}", 1),
        ("  1/2  2.1G  1.0  nan  1.0  7  640: 9\n  2/2  2.1G  1.0  0.9  1.0  7  640: 9", None),
        ("nothing to see", None),
    ],
)  # fmt: skip
def test_the_first_line_of_a_divergence_for_good_is_found(text: str, line: int | None) -> None:
    assert diverged_line(Log(text)) == line
