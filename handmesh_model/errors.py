"""Errors that users can cause. Each message names the value met and what was expected."""


class HandmeshError(Exception):
    """Base of every error that this project raises on purpose."""


class ShapeError(HandmeshError, ValueError):
    """
    An array or tensor has another shape than the one asked for.

    :param name: what the array is called in the caller's terms.
    :param actual: its shape.
    :param expected: the expected shape, in words or as a tuple.
    """

    def __init__(self, name: str, actual: object, expected: object) -> None:
        super().__init__(f'{name} has shape {actual}, expected {expected}')


class ImageError(HandmeshError, ValueError):
    """An image cannot be read or is not what it says it is."""


class IntrinsicsError(HandmeshError, ValueError):
    """A camera matrix cannot belong to a camera."""


class DepthError(HandmeshError):
    """A depth image says nothing reliable of a hand."""


class CalibrationError(HandmeshError):
    """A measurement of the user's hand did not come about."""


class ConfigError(HandmeshError, ValueError):
    """A configuration has an unknown key or a value outside its range."""


class CheckpointError(HandmeshError):
    """A weights file is missing, damaged, or does not fit the network."""


class TopologyError(HandmeshError, ValueError):
    """A hand topology's arrays contradict each other."""


class MeshFileError(HandmeshError, ValueError):
    """A file of a virtual object's mesh is missing, damaged, too large or of another kind."""


class OutputError(HandmeshError):
    """A file cannot be written."""


class DatasetError(HandmeshError):
    """A dataset folder lacks a file or holds one that cannot be used."""


class BackendError(HandmeshError):
    """An inference backend cannot be used here, or failed while running."""
