"""Measuring networks and predictors on datasets, and reporting the figures."""

from handmesh_model.evaluation.real_images import evaluate_network_on_real

__all__ = ['evaluate_network_on_real']
