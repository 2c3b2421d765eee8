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

COMPACT = Path(__file__).parent.parent / 'config' / 'network_compact.yaml'


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--backend', default='auto')
    parser.add_argument('--seconds', type=float, default=30.0, help='of timing; 0 counts only')
    arguments = parser.parse_args()
    compact = NetworkConfig.from_dict(yaml.safe_load(COMPACT.read_text()))
    effort = Effort(seconds=arguments.seconds) if arguments.seconds > 0 else None
    print(table(measure_costs(variants(compact), effort, arguments.backend)), end='')
    return 0


if __name__ == '__main__':
    sys.exit(main())
