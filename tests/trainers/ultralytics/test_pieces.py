"""A step in pieces is the step of the whole batch."""

from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., list[Any]]

GRADIENTS = """
import torch
from types import SimpleNamespace
from ultralytics.nn.tasks import ClassificationModel
from pieces import gather
args, device, scaler = SimpleNamespace(task="classify"), torch.device("cpu"), torch.amp.GradScaler("cuda", enabled=False)
def gradients(model, batch):
    model.zero_grad()
    loss, items = model(batch)
    loss.sum().backward()
    return torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None]), float(items["loss"])
for count, piece in GIVEN["cases"]:
    torch.manual_seed(0)
    model = ClassificationModel("yolo11n-cls.yaml", nc=10, verbose=False)
    model.args = SimpleNamespace()
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm | torch.nn.Dropout):
            module.eval()
    batch = {"img": torch.rand(count, 3, 32, 32), "cls": torch.randint(0, 10, (count,))}
    whole, loss = gradients(model, batch)
    trainer = SimpleNamespace(model=model, args=args, world_size=0, scaler=scaler, device=device)
    gather(trainer, piece, -(-count // piece))
    pieces, loss_in_pieces = gradients(model, batch)
    tell([float((whole - pieces).abs().max()), float(whole.abs().max()), loss, loss_in_pieces])
"""


def test_gradients_and_loss_of_the_pieces_add_up_to_those_of_the_whole(in_trainer: Run) -> None:
    """Two even pieces, and four uneven ones."""
    for apart, largest, loss, loss_in_pieces in in_trainer(GRADIENTS, cases=[[16, 8], [13, 4]]):
        assert largest > 0.01
        assert apart < 1e-5 * max(1.0, largest)
        assert loss_in_pieces == pytest.approx(loss, abs=1e-5)


def test_boxes_stay_with_their_images_and_normalisation_moves_by_as_much_as_in_one(in_trainer: Run) -> None:
    code = """
    import torch
    from pieces import slow_normalisation
    from pieces import split
    batch = {
        "img": torch.arange(5.0).reshape(5, 1, 1, 1), "im_file": list("abcde"), "ori_shape": [(1, 1)] * 5,
        "batch_idx": torch.tensor([0.0, 0, 2, 3, 3, 4]), "cls": torch.arange(6.0).reshape(6, 1), "bboxes": torch.rand(6, 4),
    }
    for piece in split(batch, 2):
        tell([piece["im_file"], piece["batch_idx"].tolist(), piece["cls"].flatten().tolist(), len(piece["bboxes"])])
    whole, pieces = torch.nn.BatchNorm2d(1, momentum=0.1), torch.nn.BatchNorm2d(1, momentum=0.1)
    slow_normalisation(pieces, 4)
    images = torch.full((8, 1, 2, 2), 5.0)
    whole(images)
    for _ in range(4):
        pieces(images)
    tell([float(whole.running_mean), float(pieces.running_mean)])
    """
    *parts, (whole, pieces) = in_trainer(code)
    assert parts == [
        [["a"], [0.0, 0.0], [0.0, 1.0], 2],
        [["b", "c"], [1.0], [2.0], 1],
        [["d", "e"], [0.0, 0.0, 1.0], [3.0, 4.0, 5.0], 3],
    ]
    assert pieces == pytest.approx(whole, rel=1e-5)
