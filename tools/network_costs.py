#!/usr/bin/env python3
"""Print what networks of several widths cost on this CPU, as a table for docs/backends.md."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import yaml

from handmesh_model.benchmark.timing import Effort
from handmesh_model.evaluation.network_costs import measure_costs, table, variants
from handmesh_model.network import NetworkConfig

CONFIGS = Path(__file__).parent.parent / 'config'


def described(name: str) -> NetworkConfig:
    """What the configuration of a network says."""
    return NetworkConfig.from_dict(yaml.safe_load((CONFIGS / f'network_{name}.yaml').read_text()))


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--seconds', type=float, default=30.0, help='of timing; 0 counts only')
    arguments = parser.parse_args()
    networks = {**variants(described('compact')), 'large (`open-large`)': described('large')}
    effort = Effort(seconds=arguments.seconds) if arguments.seconds > 0 else None
    print(table(measure_costs(networks, effort, arguments.backend)), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
