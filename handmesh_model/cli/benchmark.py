"""``handmesh benchmark``: measure speed, stage by stage."""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from handmesh_model.extras import need
from handmesh_model.output_files import check_place, write_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    from handmesh_model.benchmark.run import PARTS

    parser.description = (
        'Times networks by backend, batch size and precision, the stages around '
        'them, messages, and the whole node through DDS. What is compared is measured in turns. '
        'What this machine cannot run is left out, with a note.'
    )
    parser.add_argument('--json', type=Path, metavar='FILE', help='write all figures there')
    parser.add_argument(
        '--plot', type=Path, metavar='PNG', help='beside the JSON by default, if there is one'
    )
    parser.add_argument('--quick', action='store_true', help='a short run, some minutes at most')
    parser.add_argument(
        '--parts', nargs='+', choices=PARTS, default=list(PARTS), help='measure only these'
    )
    parser.add_argument(
        '--weights', default='open', help="'open', 'open-large', 'auto', a folder or a file"
    )
    parser.add_argument('--device', default='auto', help="'auto', 'cpu', 'cuda', 'cuda:N'")
    parser.add_argument(
        '--backend', default='auto', help='of all but the comparison of the backends'
    )
    parser.add_argument(
        '--mediapipe',
        metavar='PYTHON',
        help='an interpreter that imports mediapipe, to measure it beside (PyPI: 0.10.21); this '
        'one if it does',
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Measure, print, write.

    :raises OutputError: if the figures could not be written, before anything is measured.
    :raises HandmeshError: if weights, device or backend cannot be used, or there is no matplotlib
        for ``--plot``.
    """
    from handmesh_model.benchmark.run import Options, has_figures, run_benchmark

    if arguments.plot is not None:
        need('--plot', 'benchmark', 'matplotlib')
    for path in filter(None, (arguments.json, arguments.plot)):
        check_place(path)
    peer = arguments.mediapipe or (sys.executable if find_spec('mediapipe') else '')
    options = Options(
        parts=tuple(arguments.parts),
        quick=arguments.quick,
        weights=arguments.weights,
        device=arguments.device,
        backend=arguments.backend,
        mediapipe=peer,
    )
    report: dict[str, Any] = {}
    try:
        run_benchmark(options, _tell, report)
    finally:
        # An error or Ctrl-C leaves the figures of the minutes before.
        if has_figures(report):
            _hand_over(report, arguments)
    return 0


def _hand_over(report: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Print a report and write what was asked for."""
    from handmesh_model.benchmark.report import format_report, plot_report

    # Before anything that may fail: measuring took minutes.
    print(format_report(report))
    if arguments.json is not None:
        write_json(arguments.json, report)
    plot = arguments.plot
    if plot is None and arguments.json is not None and find_spec('matplotlib') is not None:
        plot = arguments.json.with_suffix('.png')
    if plot is not None:
        plot_report(report, plot)


def _tell(text: str) -> None:
    """Progress, apart from the figures."""
    print(text, file=sys.stderr, flush=True)
