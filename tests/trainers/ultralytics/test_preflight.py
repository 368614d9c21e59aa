"""What is refused before anything costs."""

from collections.abc import Callable
from typing import Any

import pytest

CODE = """
import resource, shutil, torch
from ultralytics import YOLO
import memory, preflight
from engine import Plan
MIB = 1024**2
task, files = assignment("a"), assignment("b", sharing="file_system")
plan, huge = Plan.of(task.config), Plan(10**9, 1, 2)
model = YOLO("yolo11n-cls.yaml").model
found = {}
def check(name, call):
    found[name] = refusal(call)

check("good", lambda: preflight.check(task, model, plan, edge=32, workers=0, device="cpu"))
check("device", lambda: preflight.check_device("cpu"))
found["gpus"] = torch.cuda.device_count()
check("missing device", lambda: preflight.check_device(f"0,{max(1, found['gpus'])}"))
check("disk", lambda: preflight.check_disk(task, 10**15))
check("shm", lambda: preflight.check_shared_memory(task, plan, 10**6, 4))
check("shm without workers", lambda: preflight.check_shared_memory(task, plan, 10**6, 0))
check("shm with files", lambda: preflight.check_shared_memory(files, plan, 10**6, 4))
model.train()
check("memory", lambda: preflight.check_memory(model, huge, 64, "cpu"))
found["untouched"] = model.training

def saved(name, nc=10, kind="classify", value=None):
    network = YOLO("yolo11n-cls.yaml" if kind == "classify" else "yolo11n.yaml").model
    network.names = {number: str(number) for number in range(nc)}
    if value is not None:
        next(network.parameters()).data.fill_(value)
    path = HERE / name
    torch.save({"model": network, "train_args": {"task": kind}, "epoch": 1}, path)
    return path
def weights(path, resume=False):
    given = {"resume": path} if resume else {"weights": path}
    each = assignment(f"for-{path.name}-{resume}", **given)
    check(f"{path.stem} resumed" if resume else path.stem, lambda: preflight.check_weights(each, path))

three = saved("three.pt", nc=3)
weights(three)
weights(three, resume=True)
weights(saved("detect.pt", kind="detect"))
weights(saved("nan.pt", value=math.nan), resume=True)
content = saved("whole.pt").read_bytes()
for name, damaged in (("cut", content[: len(content) // 2]), ("empty", b""), ("other", b"no checkpoint at all")):
    path = HERE / f"{name}.pt"
    path.write_bytes(damaged)
    weights(path)
class Evil:
    def __reduce__(self):
        return os.mkdir, (str(HERE / "ran"),)
torch.save({"model": Evil()}, HERE / "evil.pt")
weights(HERE / "evil.pt")
found["evil ran"] = (HERE / "ran").exists()

errors = [
    MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate"), RuntimeError("CUBLAS_STATUS_ALLOC_FAILED"),
    RuntimeError("could not create a primitive"), RuntimeError("shape mismatch"),
]
found["errors"] = [memory.memory_code(error) for error in errors]

shutil.rmtree(HERE / "digits" / "val")
check("no val", lambda: preflight.check_data(task))
shutil.rmtree(HERE / "digits")
check("no data", lambda: preflight.check_data(task))

free = memory.host_room()
held = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
resource.setrlimit(resource.RLIMIT_AS, (held + 300 * MIB, resource.RLIM_INFINITY))
found["room"] = [free / MIB, memory.host_room() / MIB]
found["unclear error with little room"] = memory.memory_code(RuntimeError("could not create a primitive"))
tell(found)
"""


@pytest.fixture(scope="module")
def found(in_trainer: Callable[..., list[Any]]) -> dict[str, Any]:
    """What each check refuses; None where it lets pass."""
    (told,) = in_trainer(CODE)
    return dict(told)


def test_good_data_and_plenty_of_room_pass(found: dict[str, Any]) -> None:
    assert found["good"] is None


def test_missing_images_are_named(found: dict[str, Any]) -> None:
    assert found["no val"] == ["DATASET_INVALID_FORMAT", "there are no images under val", {"path": "val"}]


def test_a_data_set_that_is_not_there_is_not_found(found: dict[str, Any]) -> None:
    assert found["no data"][0] == "DATASET_NOT_FOUND"


def test_gpus_that_are_not_there_are_named(found: dict[str, Any]) -> None:
    code, message, _ = found["missing device"]
    assert code == "CUDA_UNAVAILABLE"
    assert message.endswith(f"was asked for, PyTorch finds {found['gpus'] or 'none'} here")
    assert found["device"] is None


def test_room_for_checkpoints_is_asked_for(found: dict[str, Any]) -> None:
    code, message, details = found["disk"]
    assert code == "DISK_FULL"
    assert "needed for checkpoints and plots" in message
    assert details["needed_bytes"] > details["free_bytes"]


def test_loader_workers_need_shared_memory_unless_they_share_files(found: dict[str, Any]) -> None:
    assert found["shm"][0] == "SHM_EXHAUSTED"
    assert found["shm"][2]["workers"] == 4
    assert (found["shm without workers"], found["shm with files"]) == (None, None)


def test_a_step_that_cannot_fit_is_refused_with_what_it_needs(found: dict[str, Any]) -> None:
    code, message, details = found["memory"]
    assert code == "HOST_OOM"
    assert message.startswith("a step of 1000000000 images needs at least")
    assert (details["phase"], details["batch_size"]) == ("preflight", 10**9)
    assert found["untouched"], "the model is as it was"


def test_the_room_is_what_the_process_limit_leaves(found: dict[str, Any]) -> None:
    free, limited = found["room"]
    assert free > 300
    assert 200 < limited <= 300


def test_errors_that_mean_memory_are_known(found: dict[str, Any]) -> None:
    assert found["errors"] == ["HOST_OOM", "HOST_OOM", "CUDA_OOM", "CUDA_OOM", None, None]
    assert found["unclear error with little room"] == "HOST_OOM"


def test_weights_with_other_classes_may_be_started_from_but_not_gone_on_from(found: dict[str, Any]) -> None:
    assert found["three"] is None
    assert found["three resumed"][:2] == ["CHECKPOINT_INVALID", "three.pt knows 3 classes, the data set has 10"]


def test_weights_of_another_task_do_not_fit(found: dict[str, Any]) -> None:
    message = "detect.pt was trained to detect, the data set is to classify"
    assert found["detect"][:2] == ["MODEL_DATA_MISMATCH", message]


def test_weights_that_are_no_numbers_are_refused(found: dict[str, Any]) -> None:
    assert found["nan resumed"][:2] == ["CHECKPOINT_INVALID", "nan.pt has weights that are no numbers"]


@pytest.mark.parametrize("damage", ["cut", "empty", "other"])
def test_damaged_weights_are_refused(found: dict[str, Any], damage: str) -> None:
    code, message, details = found[damage]
    assert (code, details) == ("CHECKPOINT_INVALID", {"entity": f"{damage}.pt"})
    assert message.startswith(f"{damage}.pt cannot be loaded")


def test_weights_that_bring_code_along_are_refused_and_it_does_not_run(found: dict[str, Any]) -> None:
    assert found["evil"][0] == "CHECKPOINT_INVALID"
    assert not found["evil ran"]
