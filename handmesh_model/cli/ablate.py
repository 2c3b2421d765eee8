"""``handmesh ablate``: train and measure variants of the network that lack a part."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handmesh_model.training.ablation.variants import Cell
    from handmesh_model.training.config import TrainingConfig

PUBLISHED = 'published_ablation.yaml'
TABLE, FIGURES = 'ablation.md', 'ablation.json'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give the command's parser its arguments and its description."""
    parser.description = (
        "Goes through the variants of the paper's Table 3 with several seeds each. "
        'Finished runs are kept and a broken one goes on when the command is given again; given '
        'in several terminals, the work is shared. Writes a table and a JSON.'
    )
    parser.add_argument(
        'config', type=Path, help='training of the whole network, such as config/train_paper.yaml'
    )
    parser.add_argument('--seeds', type=int, default=3, help='runs of each variant')
    parser.add_argument('--output', type=Path, default=Path('runs/ablation'), help='folder')
    parser.add_argument(
        '--variants', nargs='+', default=[], metavar='NAME', help='only these, as in full'
    )
    parser.add_argument(
        '--variants-from',
        type=Path,
        metavar='DIR',
        help='folder of the ablation_NAME.yaml; that of the configuration by default',
    )
    parser.add_argument(
        '--published',
        type=Path,
        metavar='YAML',
        help=f"figures to put beside the measured ones; {PUBLISHED} in the variants' folder by "
        'default',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='KEY=VALUE',
        dest='overrides',
        help='replace an entry of the configuration in all runs, as in --set total_samples=20000',
    )


def run(arguments: argparse.Namespace) -> int:
    """Train, measure, write the table; what is there already is kept."""
    from handmesh_model.training.ablation.run import run_cells
    from handmesh_model.training.ablation.table import read_published
    from handmesh_model.training.ablation.variants import (
        choose_variants,
        find_variants,
        make_cells,
    )
    from handmesh_model.training.config_files import read_values
    from handmesh_model.training.distributed import join_ranks

    # Before its folder is searched: a name misspelt should not be told as a lack of variants.
    read_values(arguments.config)
    folder = arguments.variants_from or arguments.config.parent
    variants = choose_variants(find_variants(folder), arguments.variants)
    published_file = arguments.published or folder / PUBLISHED
    wanted = arguments.published is not None or published_file.is_file()
    published = read_published(published_file) if wanted else {}
    cells = make_cells(
        arguments.config, variants, arguments.seeds, arguments.output, arguments.overrides
    )
    try:
        run_cells(cells, join_ranks(), arguments.output)
    finally:
        _write_table(cells, published, arguments.output)
    return 0


def _caption(config: TrainingConfig, published: Any) -> str:
    kinds = {'samples': 'crops in files', 'synthetic': 'rendered crops'}
    kind = kinds.get(config.data.kind, config.data.kind)
    text = (
        f'Mean and standard deviation over seeds; {config.total_samples:,} training samples a '
        f'run, measured on at most {config.validation.samples:,} others ({kind}).'
    )
    return f"{text} The paper's figures are of FreiHAND." if published else text


def _write_table(cells: list[Cell], published: Any, output: Path) -> None:
    from handmesh_model.output_files import write_json, written_beside
    from handmesh_model.training.ablation.run import result_of
    from handmesh_model.training.ablation.table import describe_rows, format_rows, make_rows

    results: dict[str, list[dict[str, Any]]] = {}
    for cell in cells:
        result = result_of(cell)
        if result is not None:
            results.setdefault(cell.variant, []).append(result)
    done = sum(len(found) for found in results.values())
    if not done:
        return
    rows = make_rows(results)
    config = cells[0].config
    table = f'{format_rows(rows, published)}\n\n{_caption(config, published)}'
    facts = {
        'cells': len(cells),
        'finished': done,
        'data': config.data.kind,
        'training_samples': config.total_samples,
        'validation_samples': config.validation.samples,
        'variants': describe_rows(rows, published),
    }
    # Before anything that may fail: the runs took hours.
    print(table)
    with written_beside(output / TABLE) as part:
        part.write_text(table + '\n')
    write_json(output / FIGURES, facts)
    print(f'{done} of {len(cells)} runs done: {output / TABLE}, {output / FIGURES}')
