"""
ROS 2 nodes that turn camera images into 3D hand meshes, joints, markers and frames.

In an installed workspace the message generator provides the ``__init__.py`` of this package. This
one serves the source tree, where it lets ``handmesh_ros.msg`` be found in the install folder.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
