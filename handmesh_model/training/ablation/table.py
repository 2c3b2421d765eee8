"""The table of an ablation: mean and spread over seeds, beside the figures that were published."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handmesh_model.errors import ConfigError
from handmesh_model.evaluation.report import TITLES, format_figure
from handmesh_model.training.ablation.variants import title_of
from handmesh_model.yaml_files import read_yaml

FIGURES = (
    'pa_mpjpe_mm',
    'pa_mpvpe_mm',
    'hand_miou',
    'hand_hausdorff_px',
    'finger_miou',
    'finger_hausdorff_px',
)
"""What the table shows, in this order."""
Published = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Row:
    """
    One variant's figures.

    :param variant: its name.
    :param values: figure -> one value a finished seed.
    """

    variant: str
    values: Mapping[str, Sequence[float]]

    @property
    def seeds(self) -> int:
        """Number of finished seeds."""
        return max((len(values) for values in self.values.values()), default=0)


def make_rows(results: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[Row]:
    """
    Gather the results of each variant.

    :param results: variant -> results of its finished cells.
    """
    rows = []
    for variant, cells in results.items():
        names = [name for name in FIGURES if any(name in cell['figures'] for cell in cells)]
        values = {
            name: [cell['figures'][name] for cell in cells if _known(cell['figures'].get(name))]
            for name in names
        }
        rows.append(Row(variant, values))
    return rows


def read_published(path: Path) -> Published:
    """
    Read published figures: variant -> figure -> value.

    :raises ConfigError: if the file is no such mapping.
    """
    values = read_yaml(path, 'published figures')
    fits = isinstance(values, dict) and all(
        isinstance(row, dict) and all(isinstance(v, (int, float)) for v in row.values())
        for row in values.values()
    )
    if not fits:
        raise ConfigError(
            f"published figures '{path}' are {values!r}, expected variant: {{figure: number}}"
        )
    unknown = sorted({name for row in values.values() for name in row} - set(FIGURES))
    if unknown:
        raise ConfigError(
            f"'{path}' has the figure '{unknown[0]}', expected some of {', '.join(FIGURES)}"
        )
    return values


def format_rows(rows: Sequence[Row], published: Published) -> str:
    """
    Lay an ablation out as a Markdown table.

    Each figure is a mean and, of two seeds or more, the standard deviation over seeds. A column
    with published figures follows each figure of which there are any.
    """
    shown = [name for name in FIGURES if any(row.values.get(name) for row in rows)]
    heading, rule = ['variant', 'seeds'], ['---', '---:']
    for name in shown:
        heading.append(TITLES[name])
        if _is_published(name, published):
            heading.append(f'{TITLES[name]}, paper')
    rule += ['---:'] * (len(heading) - 2)
    lines = [heading, rule]
    for row in rows:
        cells = [title_of(row.variant), str(row.seeds)]
        for name in shown:
            cells.append(_mean_and_spread(name, row.values.get(name, ())))
            if _is_published(name, published):
                cells.append(format_figure(name, published.get(row.variant, {}).get(name)))
        lines.append(cells)
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in lines)


def describe_rows(rows: Sequence[Row], published: Published) -> dict[str, Any]:
    """The table as plain values: for each variant and figure mean, spread, values, published."""
    return {
        row.variant: {
            name: {
                'mean': statistics.fmean(values),
                'std': statistics.stdev(values) if len(values) > 1 else None,
                'values': list(values),
                'published': published.get(row.variant, {}).get(name),
            }
            for name, values in row.values.items()
            if values
        }
        for row in rows
    }


def _mean_and_spread(name: str, values: Sequence[float]) -> str:
    if not values:
        return ''
    mean = format_figure(name, statistics.fmean(values))
    if len(values) < 2:
        return mean
    return f'{mean} ± {format_figure(name, statistics.stdev(values))}'


def _is_published(name: str, published: Published) -> bool:
    return any(name in row for row in published.values())


def _known(value: float | None) -> bool:
    # JSON has null where a figure is not a number.
    return value is not None and value == value
