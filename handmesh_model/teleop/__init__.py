"""From hands to what robots take: joint angles, grasps, clutch, workspace, watchdog. No ROS."""
