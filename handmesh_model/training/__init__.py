"""
Training: configuration, data streams, the loop, and what survives a kill. Imports no torch by
itself.
"""
