"""The main job from end to end, on real input: ``make demo``.

Starts the platform on free ports, trains on handwritten digits, fetches the weights and uses them; then brings damaged
data, shows the refusal, applies the fix it offers, and trains that too. Leaves nothing running.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VTP = str(ROOT / ".venv" / "bin" / "vtp")
SAMPLES = ROOT / "samples"
TRAINER = ROOT / "trainers" / "ultralytics"
WANTED_TOP1 = 0.97
SETTINGS = ("fliplr=0", "erasing=0", "auto_augment=null", "scale=0.2")
READY_SECONDS = 60


class DemoFailed(Exception):
    """The demo did not show what it is to show."""


def title(text: str) -> None:
    """A heading on stderr."""
    print(f"\n── {text}", file=sys.stderr, flush=True)


class Demo:
    """One run of the demo in a folder of its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.env = {**os.environ, "VTP_HOME": str(home)}
        self.rows: list[tuple[str, str]] = []
        self.platform: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Starts the platform and waits for its address.

        Raises:
            DemoFailed: it does not come up.
        """
        began = time.monotonic()
        log = (self.home / "up.log").open("w")
        self.platform = subprocess.Popen(
            [VTP, "--json", "up"], env=self.env, stdout=subprocess.PIPE, stderr=log, text=True, start_new_session=True
        )
        assert self.platform.stdout is not None
        told = ""
        while "}" not in told:
            line = self.platform.stdout.readline()
            if not line:
                message = f"the platform ended; see {log.name}"
                raise DemoFailed(message)
            told += line
        print(f"platform ready: {json.loads(told)['url']}", file=sys.stderr)
        self.rows.append(("platform ready", f"{time.monotonic() - began:.1f} s"))
        self._await_trainer(began)

    def _await_trainer(self, began: float) -> None:
        while time.monotonic() - began < READY_SECONDS:
            if any(model["framework"] == "ultralytics" for model in json.loads(self.vtp("--json", "models").stdout)):
                return
            time.sleep(0.2)
        message = "no agent offered ultralytics"
        raise DemoFailed(message)

    def vtp(self, *arguments: str, show: bool = False, expect: int = 0) -> subprocess.CompletedProcess[str]:
        """Runs a command as a user would; `show` lets its messages through.

        Raises:
            DemoFailed: it ended with another code than `expect`.
        """
        if show:
            print(f"$ vtp {' '.join(arguments)}", file=sys.stderr, flush=True)
        done = subprocess.run(
            [VTP, *arguments],
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=None if show else subprocess.PIPE,
            text=True,
            check=False,
        )
        if done.returncode != expect:
            message = f"`vtp {' '.join(arguments)}` ended with {done.returncode}, not {expect}: {done.stderr or ''}"
            raise DemoFailed(message)
        return done

    def train(self, dataset: str, epochs: int, *more: str, expect: int = 0) -> dict[str, Any]:
        """Trains yolo11n-cls on a data set and watches; the newest job afterwards."""
        settings = [word for setting in SETTINGS for word in ("--set", setting)]
        self.vtp(
            "train", "--model", "yolo11n-cls", "--dataset", dataset, "--epochs", str(epochs), "--batch-size", "32",
            "--image-size", "64", *settings, *more, "--watch", show=True, expect=expect,
        )  # fmt: skip
        return self.newest()

    def newest(self) -> dict[str, Any]:
        """The newest job."""
        job: dict[str, Any] = json.loads(self.vtp("--json", "jobs", "list").stdout)["items"][0]
        return job

    def happy_path(self) -> None:
        """Upload, training, weights, predictions.

        Raises:
            DemoFailed: the accuracy is too low, or a prediction could not be made.
        """
        title("bring images")
        self.vtp("datasets", "add", str(SAMPLES / "digits-classify.zip"), "--name", "digits", show=True)
        title("train, live")
        began = time.monotonic()
        job = self.train("digits", 8)
        self.rows.append(("training", f"{time.monotonic() - began:.0f} s"))
        top1 = job["result"]["primary"]["value"]
        self.rows.append(("top-1 on the validation images", f"{top1:.4f}"))
        if top1 < WANTED_TOP1:
            message = f"top-1 is {top1}, below {WANTED_TOP1}"
            raise DemoFailed(message)
        title("fetch the weights, predict ten held-back digits")
        weights = self.home / "best.pt"
        self.vtp("jobs", "download", job["job_id"], "--output", str(weights), show=True)
        self.rows.append(("weights", f"{weights.name}, {weights.stat().st_size / 1e6:.1f} MB"))
        self.predict(weights)

    def predict(self, weights: Path) -> None:
        """Predicts the held-back digits and prints them beside the truth.

        Raises:
            DemoFailed: fewer than eight of ten are right.
        """
        folder = SAMPLES / "digits-heldback"
        truth = json.loads((folder / "truth.json").read_text())
        command = [TRAINER / ".venv/bin/python", TRAINER / "predict.py", weights, *(folder / name for name in truth)]
        environment = {**self.env, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([str(part) for part in command], env=environment, capture_output=True, text=True, check=False)
        found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        if len(found) != len(truth):
            message = f"no predictions: {done.stderr[-500:]}"
            raise DemoFailed(message)
        for guess in found:
            expected = truth[guess["file"]]
            mark = "✓" if guess["top1"] == expected else "✗"
            print(f"  {guess['file']}  predicted {guess['top1']}  truth {expected}  {mark}  {guess['confidence']:.2f}")
        hits = sum(guess["top1"] == truth[guess["file"]] for guess in found)
        self.rows.append(("held-back digits right", f"{hits} of {len(truth)}"))
        if hits < 8:
            message = f"only {hits} of {len(truth)} held-back digits were right"
            raise DemoFailed(message)

    def failure_and_fix(self) -> None:
        """Damaged data: the refusal as a user sees it, the offered fix, the training with it."""
        title("bring a data set with damaged files")
        self.vtp("datasets", "add", str(SAMPLES / "digits-broken.zip"), "--name", "digits-broken", show=True, expect=3)
        title("train on it all the same: refused before anything costs")
        self.train("digits-broken", 15, expect=3)
        error = json.loads(self.vtp("--json", "datasets", "show", "digits-broken").stdout)["error"]
        fix = next(fix for fix in error["fixes"] if fix["applicability"] == "safe")
        title(f"apply the offered fix: {fix['label']}")
        began = time.monotonic()
        fixed = self.train("digits-broken", 15, "--exclude-invalid")
        top1 = fixed["result"]["primary"]["value"]
        self.rows.append((f"refused with {error['code']}, fixed by", fix["label"]))
        self.rows.append(("training with the fix", f"{time.monotonic() - began:.0f} s, top-1 {top1:.4f}"))

    def stop(self) -> None:
        """Stops the platform and makes sure that nothing is left.

        Raises:
            DemoFailed: something of it still runs.
        """
        if self.platform is None:
            return
        self.platform.send_signal(signal.SIGTERM)
        self.platform.wait(30)
        left = [path.parent.name for path in Path("/proc").glob("[0-9]*/environ") if self._ours(path)]
        if left:
            message = f"processes {', '.join(left)} still run"
            raise DemoFailed(message)

    def _ours(self, environ: Path) -> bool:
        if environ.parent.name == str(os.getpid()):
            return False
        try:
            return f"VTP_HOME={self.home}".encode() in environ.read_bytes()
        except OSError:
            return False

    def report(self) -> None:
        """The table at the end."""
        title("in short")
        width = max(len(name) for name, _ in self.rows)
        for name, value in self.rows:
            print(f"  {name.ljust(width)}  {value}")
        print(f"\nLook at it in the browser:  VTP_HOME={self.home} {VTP} up")


def main() -> int:
    """Runs the demo; 0 where everything was as it should be."""
    demo = Demo(Path(tempfile.mkdtemp(prefix="vtp-demo-")))
    began = time.monotonic()
    code = 0
    try:
        demo.start()
        demo.happy_path()
        demo.failure_and_fix()
    except DemoFailed as error:
        print(f"\ndemo failed: {error}", file=sys.stderr)
        code = 1
    finally:
        demo.stop()
    demo.rows.append(("in all", f"{time.monotonic() - began:.0f} s"))
    demo.report()
    return code


if __name__ == "__main__":
    sys.exit(main())
