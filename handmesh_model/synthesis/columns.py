"""What the columns and the numbers mean in the arrays that pictures are made of."""

from __future__ import annotations

# Columns of the table of materials (M, 13), and what some of them hold.
KIND, COLOR, OTHER, PATTERN, SCALE, ROUGH, CREASES, LINES, MOTTLE = 0, 1, 4, 7, 8, 9, 10, 11, 12
SKIN, SURFACE = 0.0, 1.0
PLAIN, STRIPES, CHECKS, BLOTCHES, BANDS = 0.0, 1.0, 2.0, 3.0, 4.0

# Columns of the vertices' surface (N, SURFACE_COLUMNS): what a mesh brings along.
SURFACE_REST, SURFACE_MELANIN, SURFACE_BLOOD, SURFACE_GLOSS, SURFACE_NAIL = 0, 3, 4, 5, 6
SURFACE_SOFTNESS = 7
SURFACE_COLUMNS = 8

# Columns of the vertices' attributes (N, ATTRIBUTES): what is interpolated over faces.
IRRADIANCE, HIGHLIGHT, MELANIN, BLOOD, REST, NAIL, CLOUD = 0, 3, 4, 5, 6, 9, 10
ATTRIBUTES = 11

# Classes of faces, for the mask.
HAND, WRIST_BAND, OTHER_HAND, NEUTRAL = 1, 2, 3, 4
