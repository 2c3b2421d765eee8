"""The open hand and pictures made from it: model, poses, renderer, scenes."""

DEPTH_AXIS = 'ray'
"""What the depth in samples is measured along, as networks' configurations have it."""
