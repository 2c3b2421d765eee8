# make demo [SOURCE=folder, video file or camera index]   everything set up, the nodes run, see out/demo/
# make demo-ar [HANDS=truth or network] [SCENES="pinch touch"]   virtual things around hands, see out/demo-ar/
# make demo-teleop [HANDS=truth or network] [PACE=0.25]   a simulated robot hand and gripper follow, see out/demo-teleop/
# make test     everything set up, style and types checked, tests passed
# make setup    only sets up .venv and install/; then: source env.sh
# make clean    removes all that make set up and wrote
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo demo-ar demo-teleop test lint format clean

export SOURCE HANDS SCENES PACE
PYTEST_ARGS ?=
ACTIVATE := source ./env.sh

help:
	@sed -n 's/^# make/make/p' Makefile

setup:
	@tools/setup.sh

demo: setup
	@$(ACTIVATE) && exec python -m handmesh_ros.demo $${SOURCE:+--source "$$SOURCE"}

demo-ar: setup
	@$(ACTIVATE) && exec python -m handmesh_ros.demo_ar $${HANDS:+--hands "$$HANDS"} $${SCENES:+--scenes $$SCENES}

demo-teleop: setup
	@$(ACTIVATE) && exec python -m handmesh_ros.demo_teleop $${HANDS:+--hands "$$HANDS"} $${PACE:+--pace "$$PACE"}

lint: setup
	@$(ACTIVATE) && ruff check . && ruff format --check . && mypy

format: setup
	@$(ACTIVATE) && ruff check --fix . ; ruff format .

# The nodes' tests start processes that talk to each other: one after the other, or their timing suffers.
test: lint
	@$(ACTIVATE) && python -c 'import rclpy, handmesh_ros.msg'
	@$(ACTIVATE) && OMP_NUM_THREADS=1 python -m pytest -n 2 --ignore=test/handmesh_ros $(PYTEST_ARGS) test
	@$(ACTIVATE) && python -m pytest $(PYTEST_ARGS) test/handmesh_ros

clean:
	rm -rf .venv build install log out *.egg-info .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
