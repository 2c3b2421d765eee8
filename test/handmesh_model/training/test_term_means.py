"""Means of terms between two lines of the log."""

from __future__ import annotations

import torch

from handmesh_model.training.term_means import TermMeans


def test_each_term_is_averaged_over_the_steps_that_gave_it() -> None:
    means = TermMeans()
    means.add({'total': 4.0, 'early': 3.0})
    means.add({'total': 2.0})
    means.add({'total': 0.0, 'late': 5.0})
    assert means.take() == {'total': 2.0, 'early': 3.0, 'late': 5.0}


def test_means_start_anew_once_taken() -> None:
    means = TermMeans()
    means.add({'total': 4.0, 'gone': 1.0})
    means.take()
    assert means.take() == {}
    means.add({'total': 6.0})
    assert means.take() == {'total': 6.0}


def test_tensors_are_not_kept_that_the_next_step_writes_over() -> None:
    means, term = TermMeans(), torch.tensor(1.0)
    means.add({'total': term})
    means.add({'total': term.fill_(3.0)})
    assert means.take() == {'total': 2.0}
