"""Measuring networks and predictors on datasets, and reporting the figures."""
