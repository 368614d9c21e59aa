"""What can be set of an agent, from its arguments and the environment; times in seconds."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainers.agent.watch import HangLimits

VARIABLES = {
    "VTP_AGENT_SECRET": "the secret shared with the backend, where no `--secret-file` is named",
    "VTP_KUBERNETES_URL": "with `--kubernetes`, outside of a pod: address of the API server, such as `kubectl proxy`'s",
    "VTP_KUBERNETES_NAMESPACE": "with `--kubernetes`: namespace of the Jobs; default: the pod's own, else `default`",
    "VTP_DATA_CACHE": "in an attempt's pod: folder in which data sets are kept for other attempts",
    "VTP_POD_HOME": "in an attempt's pod: folder to work in; default `/var/lib/vtp`",
    "VTP_TRAINERS_DIR": "in an attempt's pod: folder with the frameworks, where they are not those of the image",
}
"""What else is read from an agent's environment, and what it means."""


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """How an agent watches: `heartbeat` between reports, `grace` between asking a training to stop and killing it,
    `poll` between two looks at it; `memory_limit` in bytes for each attempt; `notice_file` appears when the machine is
    about to be taken away; by its `labels` trainings choose it."""

    heartbeat: float = 10.0
    grace: float = 10.0
    poll: float = 0.05
    hang: HangLimits = field(default_factory=HangLimits)
    memory_limit: int | None = None
    notice_file: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(
        cls,
        environment: Mapping[str, str] = os.environ,
        memory_limit: int | None = None,
        notice_file: Path | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> "AgentSettings":
        """Settings from ``VTP_HEARTBEAT_SECONDS``, ``VTP_GRACE_SECONDS`` and ``VTP_HANG_{WARM_UP,FIRST,LEAST}_SECONDS``.

        Raises:
            ValueError: one of them is no number above 0.
        """

        def seconds(name: str, default: float) -> float:
            text = environment.get(name)
            if text is None:
                return default
            value = float(text)
            if not value > 0:
                message = f"{name} must be above 0, not {text}"
                raise ValueError(message)
            return value

        usual = HangLimits()
        return cls(
            heartbeat=seconds("VTP_HEARTBEAT_SECONDS", cls.__dataclass_fields__["heartbeat"].default),
            grace=seconds("VTP_GRACE_SECONDS", cls.__dataclass_fields__["grace"].default),
            hang=HangLimits(
                warm_up=seconds("VTP_HANG_WARM_UP_SECONDS", usual.warm_up),
                first=seconds("VTP_HANG_FIRST_SECONDS", usual.first),
                least=seconds("VTP_HANG_LEAST_SECONDS", usual.least),
            ),
            memory_limit=memory_limit,
            notice_file=notice_file,
            labels=dict(labels or {}),
        )
