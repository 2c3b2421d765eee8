"""Readers of datasets in their published folder layouts, and the paper's augmentation."""
