"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ('torch', 'openvino', 'nncf', 'torch-tensorrt', 'numpy', 'opencv-python-headless')


def describe_machine() -> dict[str, Any]:
    """Processor, memory, GPU, versions, the date, and how busy the machine is at this moment."""
    import torch

    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        'date': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'cpu': _cpu_name(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_gib': _memory_gib(),
        'gpu': ', '.join(gpus) or None,
        'load_average': load_average(),
        'torch_threads': torch.get_num_threads(),
        'system': platform.platform(),
        'python': platform.python_version(),
        'versions': {name: found for name in PACKAGES if (found := _version_of(name))},
    }


def load_average() -> list[float]:
    """Processes that wanted a core, over the last 1, 5 and 15 minutes."""
    return [round(load, 2) for load in os.getloadavg()]


def _cpu_name() -> str:
    path = Path('/proc/cpuinfo')
    if path.is_file():
        for line in path.read_text().splitlines():
            name, _, value = line.partition(':')
            if name.strip() == 'model name':
                return value.strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float:
    return round(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30, 1)


def _version_of(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
