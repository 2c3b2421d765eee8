"""The figures of a benchmark as text to read and as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

Figures = Mapping[str, Any]


def format_report(report: Figures) -> str:
    """The figures as Markdown tables, those that were measured."""
    machine = report['machine']
    load = ', '.join(f'{value:g}' for value in machine['load_average'])
    parts = [
        f'{machine["cpu"]}, {machine["cores"]} cores'
        + (f', {machine["gpu"]}' if machine['gpu'] else '')
        + f'; {machine["date"]}; load average {load}'
        + _options(report),
        _networks(report),
        _stages(report),
        _tracking(report),
        _steadiness(report),
        _motion(report),
        _messages(report),
        _nodes(report),
        _left_out(report),
    ]
    return '\n\n'.join(part for part in parts if part)


def _options(report: Figures) -> str:
    return ''.join(f'; {name} {value}' for name, value in report.get('options', {}).items())


def _left_out(report: Figures) -> str:
    """What was not measured, a line for each reason."""
    names: dict[str, list[str]] = {}
    for name, why in report['left_out'].items():
        names.setdefault(why, []).append(name)
    return '\n'.join(f'left out: {", ".join(those)}: {why}' for why, those in names.items())


def _table(head: list[str], rows: list[list[str]]) -> str:
    """Markdown; nothing if there are no rows."""
    if not rows:
        return ''
    rule = ['---', *('---:' for _ in head[1:])]
    return '\n'.join('| ' + ' | '.join(line) + ' |' for line in (head, rule, *rows))


def _ms(figures: Figures, name: str = 'median') -> str:
    value = figures.get(name)
    return '' if value is None else f'{value:.3g}' if value < 100 else f'{value:.0f}'


def _networks(report: Figures) -> str:
    rows = []
    for network, found in report.get('network', {}).items():
        for name, facts in found['backends'].items():
            for batch, figures in facts['batch'].items():
                times = figures.get('times_faster_than_eager')
                cells = [_ms(figures, key) for key in ('median', 'p95', 'cpu_median')]
                cells.append('' if times is None else f'{times:.2f}')
                rows.append([f'{network}, {name}', facts['precision'], batch, *cells])
    head = ['network, ms a run', 'precision', 'crops', 'median', 'p95', 'CPU time', 'x eager']
    return _table(head, rows)


def _stages(report: Figures) -> str:
    rows = [
        [f'{stage}, {size}', _ms(figures), _ms(figures, 'p95'), _ms(figures, 'cpu_median')]
        for size, stages in report.get('stages', {}).items()
        for stage, figures in stages.items()
    ]
    return _table(['stage, ms', 'median', 'p95', 'CPU time'], rows)


def _tracking(report: Figures) -> str:
    rows = []
    if 'tracking' in report:
        found = report['tracking']
        for stage, figures in found['stages_ms'].items():
            rows.append([stage, *(_ms(figures, name) for name in ('median', 'p95', 'p99'))])
        rows.append([f'detection: {100 * found["detection_share"]:.1f} % of the time', '', '', ''])
    if 'beside_mediapipe' in report:
        found = report['beside_mediapipe']
        theirs = found['mediapipe']
        for name, figures in (
            ('a frame, in turns with MediaPipe', found['stages_ms']['frame']),
            ('- CPU time', found['cpu_ms']),
            (f'MediaPipe {found["version"]}', theirs['frame_ms']),
            ('- CPU time', theirs['cpu_ms']),
        ):
            rows.append([name, *(_ms(figures, key) for key in ('median', 'p95', 'p99'))])
    return _table(['tracking 640x480, ms', 'median', 'p95', 'p99'], rows)


def _steadiness(report: Figures) -> str:
    rest = report.get('steadiness', {}).get('rest', {})
    rows = [
        [name.replace('_', ' '), *(f'{figures[part]:.2f}' for part in figures)]
        for name, figures in rest.items()
        if name != 'hands'
    ]
    return _table(['joints of a hand at rest, RMS mm', 'all', 'lateral', 'depth'], rows)


def _motion(report: Figures) -> str:
    motion = report.get('steadiness', {}).get('motion', {})
    if 'lag_ms' not in motion:
        return ''
    rows = [[f'lag of the filter: {motion["lag_ms"]:.0f} ms', '', '']]
    for name, figures in motion.items():
        if name.startswith('predicted'):
            cells = (f'{figures[part]:.1f}' for part in ('left_mm', 'predicted_mm'))
            rows.append([name.replace('_', ' '), *cells])
    head = [f'moving joints, {motion["speed"]:.2f} m/s, RMS mm to what is measured then']
    return _table([*head, 'as they were', 'predicted'], rows)


def _messages(report: Figures) -> str:
    if 'messages' not in report:
        return ''
    messages, around = report['messages'], report['around_network']
    rows = [
        [f'messages of one hand, {way}', _ms(messages[way]), _ms(messages[way], 'cpu_median')]
        for way in ('objects', 'wire')
    ]
    rows.append(
        [
            'a 1280x720 picture but for the network',
            _ms(around['whole']),
            _ms(around['whole'], 'cpu_median'),
        ]
    )
    rows += [
        [f'- {name}', _ms(figures), _ms(figures, 'cpu_median')]
        for name, figures in around['parts'].items()
    ]
    return _table(['ROS, ms', 'median', 'CPU time'], rows)


def _nodes(report: Figures) -> str:
    rows = []
    for name, found in report.get('node', {}).items():
        latency = [_ms(found['latency_ms'], key) for key in ('median', 'p95', 'p99')]
        rows.append(
            [
                name,
                *(f'{found[key]:.1f}' for key in ('sent_per_second', 'answered_per_second')),
                *latency,
                *(f'{100 * found[key]:.1f} %' for key in ('drop_share', 'cpu_share')),
                f'{found["memory_mib"]:.0f} MiB',
            ]
        )
    head = ['handmesh_node', 'images/s', 'answers/s', 'latency p50 ms', 'p95', 'p99']
    return _table([*head, 'dropped', 'CPU (of one core)', 'memory'], rows)


def plot_report(report: Figures, path: Path) -> None:
    """
    Draw what was measured into a PNG: networks, stages, node.

    :raises OSError: if it cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    possible = (_network_chart(report), _node_chart(report), _part_chart(report))
    charts = [chart for chart in possible if chart[1]]
    rows = max((len(bars) for _, bars in charts), default=0)
    size = (5.2 * max(1, len(charts)), max(3.6, 0.6 + 0.36 * rows))
    figure = Figure(figsize=size, layout='constrained')
    FigureCanvasAgg(figure)
    for number, (title, bars) in enumerate(charts, 1):
        axes = figure.add_subplot(1, len(charts), number)
        names, values = list(bars), list(bars.values())
        drawn = axes.barh(names, values, color='#4c78a8')
        axes.bar_label(drawn, [f'{value:.3g}' for value in values], padding=3)
        axes.invert_yaxis()
        axes.set_title(title)
        axes.set_xlabel('ms')
        axes.margins(x=0.2)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


Chart = tuple[str, dict[str, float]]


def _network_chart(report: Figures) -> Chart:
    bars = {
        f'{network}, {backend}': milliseconds
        for network, found in report.get('network_ms', {}).items()
        for backend, milliseconds in found.items()
    }
    return 'Network, one crop, median', bars


def _node_chart(report: Figures) -> Chart:
    bars = {
        f'{name}, {short}': found['latency_ms'][figure]
        for name, found in report.get('node', {}).items()
        for figure, short in (('median', 'p50'), ('p95', 'p95'))
        if figure in found['latency_ms']
    }
    return 'Image stamp to hands received', bars


def _part_chart(report: Figures) -> Chart:
    bars: dict[str, float] = {}
    for size, stages in report.get('stages', {}).items():
        bars |= {f'{stage}, {size}': figures['median'] for stage, figures in stages.items()}
    for way, milliseconds in report.get('messages_ms', {}).items():
        bars[f'messages, {way}'] = milliseconds
    return 'Around the network, median', bars
