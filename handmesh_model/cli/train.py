"""``handmesh train``: train a network from a configuration file."""

from __future__ import annotations

import argparse
import logging
import math
import os
import sys
import time
from pathlib import Path

from handmesh_model.cli import INTERRUPTED, UNTRAINED, USER_ERROR
from handmesh_model.errors import ConfigError, HandmeshError
from handmesh_model.extras import need
from handmesh_model.training.config import load_training_config

_PACKAGES = ('filelock', 'numba', 'scipy', 'tensorboard', 'tqdm')
"""What ranks import out of the extra 'train'; the rest of it is for other commands."""
_PEER_SECONDS = 3.0
"""How long a rank that lost another leaves it to that one to say why."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        'Train a network. A run goes on from last.pt in its output folder; '
        'SIGTERM saves and ends it.'
    )
    parser.add_argument('config', type=Path, help='YAML file, see config/train_open.yaml')
    parser.add_argument('--output', help='folder of the run, instead of the one configured')
    parser.add_argument('--hours', type=float, help='stop so many hours after this start')
    parser.add_argument(
        '--finish',
        action='store_true',
        help='with --hours: bring the learning rate down to its end within that time',
    )
    parser.add_argument(
        '--monitor-real', type=Path, metavar='DIR', help='also measure on these photographs'
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        dest='overrides',
        help='replace an entry of the configuration, as in --set data.workers=14',
    )


def run(arguments: argparse.Namespace) -> int:
    """Train; without torchrun the command starts the configured ranks by itself."""
    logging.basicConfig(level=logging.WARNING, format='%(levelname)s %(message)s')
    if arguments.finish and arguments.hours is None:
        raise ConfigError('--finish is given without --hours, expected both')
    if arguments.hours is not None and not 0 < arguments.hours < math.inf:
        raise ConfigError(f'--hours is {arguments.hours:g}, expected more than 0')
    config = load_training_config(arguments.config, arguments.overrides, arguments.output)
    # Before there are ranks, each of which would end with a traceback.
    need('handmesh train', 'train', *_PACKAGES)
    from handmesh_model.training.data import check_apart
    from handmesh_model.training.distributed import join_ranks, launch, leave_ranks

    check_apart(config)
    if 'RANK' not in os.environ:
        return launch(_command(arguments), config.ranks, config.threads)
    from handmesh_model.training.run_clock import TimeBox
    from handmesh_model.training.trainer import Trainer

    ranks = join_ranks()
    trainer = Trainer(config, ranks, arguments.monitor_real)
    trainer.run(TimeBox(arguments.hours, arguments.finish))
    if ranks.is_first:
        weights = trainer.weights_file
        print(UNTRAINED if weights is None else f'weights: {weights}', flush=True)
    # An error has to be told before: others end when this rank leaves, and that ends this one.
    leave_ranks(ranks)
    return 0


def _command(arguments: argparse.Namespace) -> list[str]:
    command = ['-m', 'handmesh_model.cli.train', str(arguments.config)]
    if arguments.output:
        # One word: a folder's name may begin with a dash.
        command.append(f'--output={arguments.output}')
    if arguments.hours is not None:
        command += ['--hours', str(arguments.hours)]
    if arguments.finish:
        command.append('--finish')
    if arguments.monitor_real is not None:
        command += ['--monitor-real', str(arguments.monitor_real)]
    for override in arguments.overrides:
        command += ['--set', override]
    return command


def main() -> int:
    """
    What a rank runs: this command alone.

    :returns: exit codes as ``handmesh`` gives them; an error that all ranks met is told once.
    """
    parser = argparse.ArgumentParser(prog='handmesh train')
    add_arguments(parser)
    arguments = parser.parse_args()
    try:
        return run(arguments)
    except (HandmeshError, OSError) as error:
        _tell(error)
        return USER_ERROR
    except KeyboardInterrupt:
        _tell('interrupted')
        return INTERRUPTED


def _tell(error: object) -> None:
    from handmesh_model.training.distributed import PeerError, is_first_to_fail

    if isinstance(error, PeerError):
        # The command that started both ends this one when it sees the other's end.
        time.sleep(_PEER_SECONDS)
    if is_first_to_fail():
        print(f'handmesh train: {error}', file=sys.stderr)


if __name__ == '__main__':
    sys.exit(main())
