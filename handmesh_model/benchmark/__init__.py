"""What ``handmesh benchmark`` measures of network and library; the ROS part is in handmesh_ros."""
