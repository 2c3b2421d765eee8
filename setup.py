"""Lets tools that still ask for a setup.py find one; everything is said in pyproject.toml."""

from setuptools import setup

setup()
