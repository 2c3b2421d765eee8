"""What a soak measures, and what it makes of that. Knows no ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

WARM_UP = 500
"""Images before memory and latency are settled: caches fill, allocators find their size."""
GROWTH_LIMIT = 5.0
"""MB in 1000 images that memory may grow by; a single leaked camera image each would be 900."""
LATENCY_LIMIT = 1.5
"""By what factor the last tenth may be slower than the first: other processes come and go."""
_PARTS = 10


def resident_bytes(pid: int) -> int:
    """Memory that a process really holds."""
    with open(f'/proc/{pid}/status', encoding='ascii', errors='replace') as file:
        for line in file:
            if line.startswith('VmRSS:'):
                return int(line.split()[1]) * 1024
    return 0


@dataclass
class Soak:
    """
    Figures of one run.

    :param latencies: seconds from sending an image to its answer, for each one answered.
    :param memory: (image number, bytes, open files) at each look.
    """

    latencies: list[float] = field(default_factory=list)
    memory: list[tuple[int, int, int]] = field(default_factory=list)
    with_hands: int = 0
    unanswered: int = 0
    bad: int = 0

    def note(self, latency: float | None, hands: int) -> None:
        """What became of one good image; None if no answer came."""
        if latency is None:
            self.unanswered += 1
        else:
            self.latencies.append(latency)
            self.with_hands += hands > 0

    def look(self, image: int, memory: int, files: int) -> None:
        """What the node holds at an image."""
        self.memory.append((image, memory, files))

    def progress(self) -> str:
        """One line for whoever waits."""
        recent = 1000 * float(np.median(self.latencies[-100:])) if self.latencies else 0.0
        return (
            f'{len(self.latencies)} answered, {self.unanswered} not, '
            f'{self.memory[-1][1] / 1e6:.0f} MB, latency {recent:.1f} ms'
        )

    def growth(self) -> float:
        """MB in 1000 images, the slope of the straight line through memory after warming up."""
        settled = self._settled()
        if len(settled) < 2:
            return 0.0
        images, sizes = np.array(settled)[:, :2].astype(np.float64).T
        return float(np.polyfit(images, sizes, 1)[0] * 1000 / 1e6)

    def _settled(self) -> list[tuple[int, int, int]]:
        return [look for look in self.memory if look[0] >= WARM_UP]

    def latency_parts(self) -> list[float]:
        """Median milliseconds of each tenth of the run, after warming up."""
        settled = self.latencies[WARM_UP:]
        if len(settled) < _PARTS:
            return []
        parts = np.array_split(np.array(settled), _PARTS)
        return [round(1000 * float(np.median(part)), 2) for part in parts]

    def complaints(self) -> list[str]:
        """What is not as it should be; nothing if all is well."""
        found = []
        if self.unanswered:
            found.append(f'{self.unanswered} good images were not answered')
        if self.growth() > GROWTH_LIMIT:
            found.append(f'memory grows by {self.growth():.1f} MB in 1000 images')
        parts = self.latency_parts()
        if parts and parts[-1] > LATENCY_LIMIT * parts[0]:
            found.append(f'latency grew from {parts[0]} to {parts[-1]} ms')
        settled = self._settled()
        if settled and settled[-1][2] > settled[0][2] + 5:
            found.append(f'open files grew from {settled[0][2]} to {settled[-1][2]}')
        return found

    def unjudged(self) -> list[str]:
        """What there are too few images for to tell whether it is as it should be."""
        missing = []
        if (looks := len(self._settled())) < 2:
            missing.append(
                f'memory and open files: {looks} looks from image {WARM_UP} on, expected 2 at '
                'least'
            )
        if not self.latency_parts():
            missing.append(
                f'latency over time: {len(self.latencies)} images answered, expected '
                f'{WARM_UP + _PARTS} at least'
            )
        return missing

    def report(self) -> dict[str, Any]:
        """All figures."""
        settled = self._settled() or self.memory or [(0, 0, 0)]
        spread = np.percentile(self.latencies, (50, 95, 99)) if self.latencies else (0, 0, 0)
        return {
            'good images answered': len(self.latencies),
            'good images not answered': self.unanswered,
            'with hands': self.with_hands,
            'bad inputs sent': self.bad,
            'memory MB': {
                'after warming up': round(settled[0][1] / 1e6, 1),
                'at the end': round(settled[-1][1] / 1e6, 1),
                'highest': round(max(look[1] for look in settled) / 1e6, 1),
                'growth in 1000 images': round(self.growth(), 3),
            },
            'open files': {'after warming up': settled[0][2], 'at the end': settled[-1][2]},
            'latency ms': {
                name: round(1000 * float(value), 2)
                for name, value in zip(('median', 'p95', 'p99'), spread, strict=True)
            },
            'median latency ms of each tenth': self.latency_parts(),
            'not judged': self.unjudged(),
            'complaints': self.complaints(),
        }
